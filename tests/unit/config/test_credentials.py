from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.config.reading import config, examined
from tierwise_server.config import Config
from tierwise_server.errors import ConfigurationError

KEY = "sk-ant-api03-canary-0123456789"


def test_the_key_comes_from_the_environment() -> None:
    secrets = Config().secrets({"ANTHROPIC_API_KEY": f" {KEY}\n"})
    assert secrets.anthropic_api_key.get_secret_value() == KEY


def test_the_key_file_stands_over_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    loaded = config(f"[upstream.anthropic]\napi_key_file = '{path}'")
    secrets = loaded.secrets({"ANTHROPIC_API_KEY": "another"})
    assert secrets.anthropic_api_key.get_secret_value() == KEY


def test_a_key_is_never_shown() -> None:
    secrets = Config().secrets({"ANTHROPIC_API_KEY": KEY})
    assert KEY not in repr(secrets)
    assert KEY not in str(secrets)
    assert KEY not in f"{secrets.anthropic_api_key}"


@pytest.mark.parametrize("environ", [{}, {"ANTHROPIC_API_KEY": ""}, {"ANTHROPIC_API_KEY": "  "}])
def test_no_key_at_all_is_told_with_both_ways_out(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config().secrets(environ)
    (fault,) = caught.value.faults
    assert fault.path == "ANTHROPIC_API_KEY"
    assert "upstream.anthropic.api_key_file" in fault.message


@pytest.mark.parametrize(
    "text", [f"{KEY} and more", f"{KEY}\n{KEY}", "ключ-ключ", "a\x00b", "k" * 513]
)
def test_what_cannot_be_a_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config().secrets({"ANTHROPIC_API_KEY": text})
    assert text not in str(caught.value)
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    (fault,) = examined(f"[upstream.anthropic]\napi_key_file = '{path}'").faults
    assert fault.message.startswith("does not hold one key on one line")
    assert KEY not in fault.message


def test_an_empty_key_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n", encoding="utf-8")
    (fault,) = examined("[upstream.anthropic]\napi_key_file = 'key'", folder=tmp_path).faults
    assert fault.message.startswith("is empty")


def test_a_key_file_that_went_away_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY, encoding="utf-8")
    loaded = config(f"[upstream.anthropic]\napi_key_file = '{path}'")
    path.unlink()
    with pytest.raises(ConfigurationError, match="api_key_file: cannot be read"):
        loaded.secrets({})


@pytest.mark.parametrize(
    "toml",
    [
        f'profile = "{KEY}"',
        f'[upstream.anthropic]\napi_key_file = "{KEY}"',
        f'[upstream.anthropic]\nkey = "{KEY}"',
        f'[server]\nlisten = "{KEY}"',
        f'[[tiers]]\nname = "{KEY}"',
        f'[[tiers]]\nname = "efficient"\nmodel = "{KEY}"',
        f'[[routing.rows]]\ntask_types = ["a", "{KEY}"]\ntier = "frontier"',
        f'[[routing.rows]]\ntask_types = ["a"]\ntier = "{KEY}"',
        f'"{KEY}" = 1',
        f'[prices.models."{KEY}"]\ninput = 1\noutput = 1',
        f'token = "{KEY}"',
        'aws = "AKIAIOSFODNN7EXAMPLE"',
        'jwt = "Bearer abcdefghijkl"',
        'pem = """-----BEGIN RSA PRIVATE KEY-----"""',
    ],
)
def test_a_key_in_the_file_is_a_fault_and_is_never_repeated(toml: str) -> None:
    found = examined(toml)
    assert any("holds what looks like a key" in fault.message for fault in found.faults)
    told = json.dumps([[fault.path, fault.message] for fault in found.faults])
    for secret in (KEY, "canary", "AKIAIOSFODNN7EXAMPLE", "abcdefghijkl"):
        assert secret not in told


def test_names_that_only_sound_like_secrets_are_allowed() -> None:
    toml = """
        [[routing.rows]]
        task_types = ["count_tokens", "explain_api_key", "sk-learn", "secret"]
        tier = "frontier"
        [[tiers]]
        name = "frontier"
        max_output_tokens = 4000
    """
    assert examined(toml).faults == ()
