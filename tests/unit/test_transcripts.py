"""The reader of tests/cases refuses what it does not understand, and what it compares it compares."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.messages import differences, plain, told
from tests.transcripts import read, transcripts
from tierwise.v1 import accounting_pb2, router_pb2, routing_pb2

GOOD = """\
name: good
why: It has everything that a transcript needs.
request: {messages: [{role: ROLE_USER, content: [{text: {text: Hi}}]}]}
upstream:
  rules: [{answer: Hello, usage: {input_tokens: 1, output_tokens: 1}}]
expect:
  status: OK
  events: [{started: {}}, {attempt_started: {attempt: 1, kind: DIRECT}}, {finished: {}}]
  answer: Hello
  cost_nano_usd: 18000
  calls: [{attempt: 1}]
"""


def test_a_good_transcript_is_read() -> None:
    [case] = read(GOOD)
    assert case.message.messages[0].content[0].text.text == "Hi"
    assert case.expect.events[1] == {"attempt_started": {"attempt": 1, "kind": "DIRECT"}}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("why: It has", "wyh: It has", "wyh"),
        ("why: It has everything that a transcript needs.", "why: Because.", "at least 20"),
        ("name: good", "name: Not Good", "pattern"),
        ("status: OK", "status: FINE", "no status 'FINE'"),
        ("status: OK", "status: UNAVAILABLE", "an error has a reason"),
        ("status: OK", "status: OK\n  reason: BAD_LUCK", "no reason 'BAD_LUCK'"),
        ("kind: DIRECT", "kind: CALL_KIND_DIRECT", "no word 'CALL_KIND_DIRECT'"),
        ("kind: DIRECT", "sort: DIRECT", "no plain field 'sort'"),
        ("started: {}}, {attempt", "begun: {}}, {attempt", "one kind with its fields"),
        ("{finished: {}}", "{heartbeat: {}}", "one kind with its fields"),
        ("{finished: {}}", "{finished: {summary: 1}}", "summary cannot be 1"),
        ("calls: [{attempt: 1}]", "calls: [{usage: {tokens: 1}}]", "no plain field 'tokens'"),
        ("calls: [{attempt: 1}]", "calls: []", "calls have a bill"),
        ("calls: [{attempt: 1}]", "calls: [{duration: 1}]", "no plain field 'duration'"),
        ("cost_nano_usd: 18000", "cost_nano_usd: 18_000", "valid integer"),
        ("cost_nano_usd: 18000", "cost_nano_usd: 1.8", "valid integer"),
        ("  answer: Hello\n", "", "come together"),
        ("answer: Hello, usage", "anser: Hello, usage", "rules.0.anser"),
        ("role: ROLE_USER", "roll: ROLE_USER", "roll"),
        ("name: good", "name: good\nconfig: {server: {listn: x}}", "server.listn"),
        ("name: good", "name: good\ncall: Route", "Route asks no model"),
        ("status: OK", "status: OK\n  response: {evidence: null}", "Generate has no response"),
        ("status: OK", "status: OK\n  summary: {calls: []}", "beside the summary"),
    ],
)
def test_what_is_not_understood_is_an_error(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=complaint):
        read(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("twice", ["name: good\nname: good", "request: {a: 1, a: 2}"])
def test_a_key_stands_once(twice: str) -> None:
    with pytest.raises(yaml.YAMLError, match="given twice"):
        read(twice)


@pytest.mark.parametrize(
    "text", ["yes", "on", "No", "~", "1_000", "0x10", "2026-11-24", "1e3", ".5"]
)
def test_words_that_parsers_disagree_about_are_text(text: str) -> None:
    with pytest.raises(ValueError, match="valid string") as refusal:
        read(f"name: {text}\nwhy: [{text}]")
    assert f"input_value={[text]!r}" in str(refusal.value)


def test_a_long_text_is_written_short() -> None:
    long = "{repeat: 'Hel\\nlo', times: 3}"
    [case] = read(GOOD.replace("answer: Hello\n", f"answer: {long}\n"))
    assert case.expect.answer == "Hel\\nlo" * 3


def test_the_files_hold_transcripts_with_names_of_their_own() -> None:
    names = [case.name for case in transcripts()]
    assert len(names) == len(set(names)) > 60


@pytest.mark.parametrize(
    ("expected", "actual", "where"),
    [
        ({"a": 1}, {"a": 2}, "a: expected 1, got 2"),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, "a.b: expected 'x', got 'y'"),
        ({"a": {"b": "x"}}, {"a": None}, "a: expected {'b': 'x'}, got None"),
        ({"a": None}, {"a": {}}, "a: expected None, got {}"),
        ({"a": [1, 2]}, {"a": [1]}, "a: 2 expected, 1 came: [1]"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b: expected 1, got 2"),
        ({"a": []}, {"a": [1]}, "a: 0 expected, 1 came: [1]"),
    ],
)
def test_a_difference_is_found_and_placed(expected: Any, actual: Any, where: str) -> None:
    assert list(differences(expected, actual)) == [where]


def test_what_is_not_expected_is_not_compared() -> None:
    assert not list(differences({"a": {}}, {"a": {"b": 1}, "c": 2}))


def test_a_message_is_plain_in_the_contracts_words() -> None:
    decision = routing_pb2.RouteDecision(
        tier="efficient", rule="ROUTING_RULE_TASK_TYPE", adjustments=["ROUTING_ADJUSTMENT_CAPPED"]
    )
    assert plain(decision) == {
        "tier": "efficient",
        "model": "",
        "cascade": [],
        "rule": "TASK_TYPE",
        "adjustments": ["CAPPED"],
        "why": "",
        "confidence_method": "",
        "confidence_threshold": None,
        "table_version": "",
        "task_type": "",
    }
    record = accounting_pb2.CallRecord(finish_reason="FINISH_REASON_OTHER", tries=2)
    assert plain(record)["finish_reason"] == "OTHER"
    assert "duration" not in plain(record)


def test_what_a_stream_tells_does_not_depend_on_how_its_text_is_cut() -> None:
    def delta(attempt: int, text: str, *, provisional: bool = False) -> router_pb2.GenerateResponse:
        said = router_pb2.TextDelta(attempt=attempt, text=text, provisional=provisional)
        return router_pb2.GenerateResponse(text_delta=said)

    beat = router_pb2.GenerateResponse(heartbeat=router_pb2.Heartbeat())
    stream = [delta(1, "a", provisional=True), delta(1, "b"), beat, delta(1, "c"), delta(2, "d")]
    assert [(event["attempt"], event["text"]) for _, event in told(stream)] == [
        (1, "a"),
        (1, "bc"),
        (2, "d"),
    ]


def test_a_long_difference_is_shown_by_its_ends() -> None:
    [found] = differences({"a": "x" * 1000}, {"a": "x" * 999 + "y"})
    assert found.startswith("a: expected 'xxx")
    assert found.endswith("xxxy' (1002 characters)")
    assert len(found) < 600
