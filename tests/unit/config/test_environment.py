from __future__ import annotations

import pytest

from tests.unit.config.reading import config, examined
from tierwise_server.config import Config
from tierwise_server.config.environment import variable_names


def test_a_variable_stands_over_the_file() -> None:
    loaded = config(
        "[server]\nlisten = '127.0.0.1:1'\nmax_request_s = 60",
        {"TIERWISE_SERVER__LISTEN": "127.0.0.1:2"},
    )
    assert loaded.server.listen == "127.0.0.1:2"
    assert loaded.server.max_request_s == 60


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("TIERWISE_PROFILE", "claude-5.5", "profile", "claude-5.5"),
        ("TIERWISE_SERVER__REFLECTION", "on", "server.reflection", True),
        ("TIERWISE_SERVER__REFLECTION", "No", "server.reflection", False),
        ("TIERWISE_SERVER__ALLOW_INSECURE_BIND", "1", "server.allow_insecure_bind", True),
        ("TIERWISE_SERVER__MAX_CONCURRENT_STREAMS", "7", "server.max_concurrent_streams", 7),
        ("TIERWISE_UPSTREAM__RETRY__BASE_DELAY_S", "0.25", "upstream.retry.base_delay_s", 0.25),
        ("TIERWISE_UPSTREAM__RETRY__MAX_DELAY_S", "9", "upstream.retry.max_delay_s", 9.0),
        ("TIERWISE_CHECK__STRUCTURED", "true", "check.structured", True),
        ("TIERWISE_ROUTING__DEFAULT", "reasoning", "routing.default", "reasoning"),
        ("TIERWISE_ROUTING__ESCALATION__THRESHOLD", "9", "routing.escalation.threshold", 9.0),
        (
            "TIERWISE_ROUTING__ESCALATION__CASCADE",
            "efficient, reasoning",
            "routing.escalation.cascade",
            ("efficient", "reasoning"),
        ),
        ("TIERWISE_TELEMETRY__LOG_LEVEL", "debug", "telemetry.log_level", "debug"),
    ],
)
def test_a_variable_is_read_as_what_its_key_holds(
    name: str, text: str, path: str, value: object
) -> None:
    found: object = config("", {name: text})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_a_variable_reaches_a_tier_by_its_name() -> None:
    loaded = config(
        '[[tiers]]\nname = "extra-large 2"\nmodel = "claude-opus-5-5"',
        {
            "TIERWISE_TIERS__EFFICIENT__MODEL": "claude-haiku-5-5",
            "TIERWISE_TIERS__EFFICIENT__MAX_OUTPUT_TOKENS": "2000",
            "TIERWISE_TIERS__EXTRA_LARGE_2__EFFORT": "low",
        },
    )
    tiers = {tier.name: tier for tier in loaded.routing_table().tiers}
    assert tiers["efficient"].model.id == "claude-haiku-5-5"
    assert tiers["efficient"].max_output_tokens == 2000
    assert tiers["extra-large 2"].effort == "low"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert config("", {"TIERWISE_SERVER__LISTEN": " ", "TIERWISE_SERVR": ""}) == Config()


def test_variables_of_others_are_left_alone() -> None:
    environ = {
        "TIERWISE_ENDPOINT": "dns:///host:1",
        "TIERWISE_API_KEY": "sk-tw-0123456789",
        "TIERWISE_BENCH_DATA": "/data",
        "ANTHROPIC_API_KEY": "sk-ant-0123456789",
        "PATH": "/bin",
    }
    assert config("", environ) == Config()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("TIERWISE_SERVR__LISTEN", "x", "is no setting; did you mean 'TIERWISE_SERVER__LISTEN'?"),
        ("TIERWISE_SERVER", "x", "is no setting"),
        ("TIERWISE_SERVER__TLS", "x", "is no setting"),
        ("TIERWISE_SERVER__LISTEN__X", "x", "is no setting"),
        ("TIERWISE_", "x", "is no setting"),
        ("TIERWISE_TIERS", "x", "is no setting"),
        ("TIERWISE_TIERS__0__MODEL", "x", "is no setting"),
        ("TIERWISE_TIERS__EFFICIENT__NAME", "x", "is no setting"),
        (
            "TIERWISE_TIERS__EFFICENT__MODEL",
            "x",
            "did you mean 'TIERWISE_TIERS__EFFICIENT__MODEL'?",
        ),
        ("TIERWISE_MODELS__X__ID", "x", "is no setting"),
        ("TIERWISE_ROUTING__ROWS", "x", "is no setting"),
        ("TIERWISE_PRICES__MODELS", "x", "is no setting"),
        ("TIERWISE_CHECK__TIMEOUT_S", "soon", "must be a number"),
        ("TIERWISE_CHECK__TIMEOUT_S", "nan", "must be a number"),
        ("TIERWISE_CHECK__TIMEOUT_S", "1e999", "must be a finite number"),
        ("TIERWISE_CHECK__STRUCTURED", "maybe", "must be true or false"),
        ("TIERWISE_UPSTREAM__MAX_CONNECTIONS", "1.5", "must be a whole number"),
        (
            "TIERWISE_UPSTREAM__MAX_CONNECTIONS",
            "\N{FULLWIDTH DIGIT ONE}0",
            "must be a whole number",
        ),
        ("TIERWISE_ROUTING__DEFAULT", "fronteir", "there is no tier 'fronteir'"),
        ("TIERWISE_TIERS__FRONTIER__EFFORT", "xhigh", "'claude-sonnet-4-6' accepts low"),
        ("TIERWISE_TIERS__EFFICIENT__MODEL", "claude-haiku", "there is no model 'claude-haiku'"),
        ("TIERWISE_PROFILE", "\udcff", "there is no profile '\N{REPLACEMENT CHARACTER}'"),
        ("TIERWISE_ROUTING__DEFAULT", "\udcff", "holds a control or invisible character"),
        ("TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL", "https://h/\udcff", "is not an http or https"),
        ("TIERWISE_UPSTREAM__ANTHROPIC__API_KEY", "x", "holds a key"),
        ("TIERWISE_SERVER__LISTEN", "sk-ant-0123456789", "holds a key"),
    ],
)
def test_a_wrong_variable_is_a_fault_under_its_own_name(name: str, text: str, words: str) -> None:
    (fault,) = examined("", {name: text}).faults
    assert fault.path == name
    assert words in fault.message
    assert "sk-ant" not in fault.message


def test_a_variable_with_an_unprintable_name_garbles_nothing() -> None:
    (fault,) = examined("", {"TIERWISE_\n\x1b[31m\udcff": "x"}).faults
    assert str(fault).isprintable()


def test_a_variable_for_a_table_that_is_none_leaves_the_fault_to_the_file() -> None:
    found = examined(
        "server = 5\ntiers = 6",
        {
            "TIERWISE_SERVER__LISTEN": "127.0.0.1:1",
            "TIERWISE_TIERS__EFFICIENT__MODEL": "claude-haiku-5-5",
        },
    )
    assert [fault.path for fault in found.faults] == ["server", "tiers"]


def test_every_scalar_setting_has_a_variable() -> None:
    names = variable_names(Config)
    assert len(names) == len(set(names))
    assert {
        "TIERWISE_PROFILE",
        "TIERWISE_SERVER__TLS__CERT_FILE",
        "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL",
        "TIERWISE_ROUTING__TIERS",
        "TIERWISE_PRICES__FILE",
        "TIERWISE_TELEMETRY__LOG_LEVEL",
    } <= set(names)


@pytest.mark.parametrize("name", variable_names(Config))
def test_every_variable_is_understood(name: str) -> None:
    faults = examined("", {name: "\N{SNOWMAN}"}).faults
    assert not [fault for fault in faults if "is no setting" in fault.message]
