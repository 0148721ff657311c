"""What the guide shows is read, and what can be set is in the guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.unit.config.reading import TODAY, examined
from tierwise_server.config import Config, Examination, examine
from tierwise_server.config.environment import PREFIX, variable_names
from tierwise_server.config.layers import PriceFile
from tierwise_server.config.sections import Section, ServerSettings
from tierwise_server.config.shape import sections_in

GUIDE = (ROOT / "docs" / "guides" / "configuration.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PEM = "-----BEGIN CERTIFICATE-----\n"
FILES = {"cert.pem": PEM, "key.pem": PEM, "ca.pem": PEM, "anthropic.key": "a-key\n"}


def blocks(language: str, head: str = "") -> list[str]:
    """The guide's blocks of a language that begin with a line."""
    return [
        body for kind, body in BLOCK.findall(GUIDE) if kind == language and body.startswith(head)
    ]


def read(folder: Path, toml: str) -> Examination:
    """Examine a block among the files that the guide speaks of."""
    (prices,) = blocks("toml", "# prices.toml")
    for name, content in (FILES | {"prices.toml": prices, "tierwise.toml": toml}).items():
        (folder / name).write_text(content, encoding="utf-8")
        (folder / name).chmod(0o600)
    return examine(folder / "tierwise.toml", {}, today=TODAY)


def fields(section: type[Section]) -> set[str]:
    """Every key of a section and of the sections in it."""
    found: set[str] = set()
    for key, field in section.model_fields.items():
        found.add(key)
        for inner in sections_in(field.annotation):
            found |= fields(inner)
    return found


@pytest.mark.parametrize("toml", blocks("toml", "# tierwise.toml"))
def test_a_block_of_the_guide_has_neither_faults_nor_surprising_warnings(
    tmp_path: Path, toml: str
) -> None:
    found = read(tmp_path, toml)
    assert found.faults == ()
    assert found.warnings == ()


def test_every_toml_block_of_the_guide_is_read() -> None:
    assert len(blocks("toml")) == len(blocks("toml", "# tierwise.toml")) + 1


def test_the_guides_variables_are_read() -> None:
    (block,) = blocks("sh")
    environ = dict(line.split("=", 1) for line in block.splitlines())
    found = examined("", environ)
    assert [fault.path for fault in found.faults] == []
    assert found.config is not None
    assert found.config.server.reflection is False


def test_the_guides_faults_are_those_of_the_check() -> None:
    toml = """\

[server]

listn = ""

[[routing.rows]]
task_types = ["a"]

cascade = ["efficient", "fronteir"]
"""
    (block,) = blocks("text")
    assert block.splitlines() == [str(fault) for fault in examined(toml).faults]


@pytest.mark.parametrize("key", sorted(fields(Config) | fields(PriceFile)))
def test_every_key_is_in_the_guide(key: str) -> None:
    assert re.search(rf"(?:^|[`.\[]){key}\b", GUIDE, re.MULTILINE)


def in_words(default: object) -> str:
    """Write a default as the guide does."""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_guides_defaults_are_the_defaults() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| `?([^|`]+)`? \|$", GUIDE, re.MULTILINE)
    told = dict(rows)
    worked_out = {
        "server.reflection",
        "check.structured",
        "upstream.anthropic.api_key_file",
        "auth.certificates",
        "auth.certificate_keys",
        "ledger.directory",
        "ledger.url",
    }
    dotted = {
        name.removeprefix(PREFIX).lower().replace("__", ".") for name in variable_names(Config)
    }
    elsewhere = {name for name in told if "." in name}
    tables = ("upstream.", "check.", "telemetry.", "ledger.", "auth.", "idempotency.")
    assert elsewhere == {name for name in dotted if name.startswith(tables)}
    keys = [("server", key) for key in ServerSettings.model_fields if key not in ("tls", "web")]
    keys += [(name.rpartition(".")[0], name.rpartition(".")[2]) for name in elsewhere]
    for table, key in keys:
        section: object = Config()
        for part in table.split("."):
            section = getattr(section, part)
        value = told.get(f"{table}.{key}") or told[key]
        assert f"{table}.{key}" in worked_out or value == in_words(getattr(section, key))
