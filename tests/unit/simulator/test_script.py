from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.simulator.bodies import HAIKU
from tierwise_server.errors import ConfigurationError
from tierwise_server.simulator.script import Script, read_switch

EVERY_SWITCH: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": "soon"},
    {"kind": "redirect"},
    {"kind": "html"},
    {"kind": "empty"},
    {"kind": "drop", "reset": True},
    {"kind": "hang", "for_s": 1},
    {"kind": "pings_only"},
    {"kind": "error_event", "at_event": 2},
    {"kind": "missing_start"},
    {"kind": "missing_stop"},
    {"kind": "duplicate_stop"},
    {"kind": "index_gap"},
    {"kind": "unknown_event"},
    {"kind": "unknown_delta"},
    {"kind": "unknown_stop_reason"},
    {"kind": "invalid_json"},
    {"kind": "invalid_utf8"},
    {"kind": "usage", "mode": "absent"},
    {"kind": "oversized_event", "size_bytes": 10},
    {"kind": "slow_first_token", "delay_s": 0.5},
    {"kind": "cut", "at_byte": 0},
    {"kind": "end", "at_byte": 1},
    {"kind": "reset", "at_byte": 2},
    {"kind": "stall", "at_byte": 3},
    {"kind": "slow_drip", "bytes_per_s": 10},
    {"kind": "gzip"},
    {"kind": "content_type"},
]


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Script.from_toml(text)
    return [str(fault) for fault in caught.value.faults]


def test_an_empty_script_is_a_healthy_api() -> None:
    assert Script.from_toml("") == Script()


def test_every_fault_is_named_at_once() -> None:
    faults = faults_of("""
        sede = 7
        [defaults]
        confidence = 11
        [[models]]
        id = "house-model"
        [[models]]
        id = "other"
        like = "gpt"
        [[rules]]
        answer = "yes"
        chunks = ["y", "es"]
        deltas = "three"
        [[rules]]
        kind = "check"
        answer = "no"
        matches = "("
        [[rules]]
        fault = {kind = "cut", at_byte = -1, at_event = 2}
        [[rules]]
        fault = {kind = "explode"}
        contains = 3
        [[rules]]
        fault = {kind = "cut"}
        [[rules]]
        kind = "models"
        words = 3
        """)
    paths = {fault.split(":")[0] for fault in faults}
    assert paths == {
        "sede",
        "defaults.confidence",
        "models.0.id",
        "models.1.like",
        "rules.0.chunks",
        "rules.0.deltas",
        "rules.1.answer",
        "rules.1.matches",
        "rules.2.fault.at_byte",
        "rules.2.fault.at_event",
        "rules.3.fault",
        "rules.3.contains",
        "rules.4.fault.at_byte",
        "rules.5.words",
    }


def test_a_number_in_quotes_is_not_a_number() -> None:
    assert faults_of('[[rules]]\nwords = "3"') == ["rules.0.words: Input should be a valid integer"]


def test_text_that_is_not_toml_is_one_fault() -> None:
    assert faults_of("rules = [")[0].startswith("not TOML")


@pytest.mark.parametrize("values", EVERY_SWITCH, ids=lambda values: str(values["kind"]))
def test_each_fault_switch_reads_the_same_in_a_rule_and_in_the_header(
    values: dict[str, Any],
) -> None:
    in_rule = Script.from_mapping({"rules": [{"fault": values}]}).rules[0].fault
    assert in_rule is not None
    assert read_switch(json.dumps(values)) == in_rule


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "cut"}', '{"kind": "nope"}'])
def test_a_header_that_is_no_fault_switch_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_switch(text)


def test_a_header_value_cannot_smuggle_a_line_end() -> None:
    with pytest.raises(ConfigurationError):
        read_switch('{"kind": "status", "status": 429, "retry_after": "1\\r\\nx: y"}')


def test_a_script_file_is_toml_or_json_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[[rules]]\nanswer = "yes"', encoding="utf-8")
    (tmp_path / "a.json").write_text('{"rules": [{"answer": "yes"}]}', encoding="utf-8")
    assert Script.load(tmp_path / "a.toml") == Script.load(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["{", "[]", '{"rules": 3}'])
def test_a_json_script_with_a_fault_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        Script.load(tmp_path / "a.json")


def test_a_file_that_cannot_be_read_is_a_configuration_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot be read"):
        Script.load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "moment",
    [
        date(2027, 1, 2),
        datetime(2027, 1, 2, tzinfo=UTC),
        datetime(2027, 1, 2),  # noqa: DTZ001 - TOML has times without a zone
        "2027-01-02T00:00:00Z",
    ],
)
def test_a_script_can_schedule_a_built_in_models_retirement(moment: object) -> None:
    entry = {"id": HAIKU, "lifecycle": "deprecated", "retires_at": moment}
    model = Script.from_mapping({"models": [entry]}).catalogue().find("claude-haiku-4-5")
    assert model is not None
    assert (model.lifecycle, model.retires_at) == ("deprecated", "2027-01-02T00:00:00Z")


def test_a_new_model_takes_over_the_facts_of_another() -> None:
    entry = {"id": "house-model", "like": HAIKU, "aliases": ["house"], "max_tokens": 99}
    catalogue = Script.from_mapping({"models": [entry]}).catalogue()
    model, like = catalogue.serving("house"), catalogue.serving(HAIKU)
    assert model is not None
    assert like is not None
    assert (model.id, model.display_name, model.max_tokens) == ("house-model", "house-model", 99)
    assert model.thinking_types == like.thinking_types
