"""A provider that fails within its answer, through the whole server: the status, the bill, and nothing left behind.

After the caller saw text nothing is asked again; a draft that was held, or is provisional, gives way to another.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fault.proxy import LimitData, ResetPeer, Slicer, Timeout, Toxic
from tests.fault.worlds import GOOD, STRONG, all_is_well_again, ask, faulty, text_of
from tests.messages import plain
from tests.serving import Outcome, a_request, outcome_of

Fault = dict[str, Any]

CHUNKS = ["Once ", "upon ", "a time ", "there ", "was a router."]
USAGE = {"input_tokens": 10, "output_tokens": 12}
WHOLE = "".join(CHUNKS)

TIMEOUT, PROTOCOL = {"UPSTREAM_TIMEOUT"}, {"UPSTREAM_PROTOCOL"}
BROKEN = {"UPSTREAM_INTERRUPTED"}
LOST = {"UPSTREAM_UNAVAILABLE", "UPSTREAM_INTERRUPTED", "UPSTREAM_PROTOCOL"}
"""What a connection that ends within the head, or before the first event, may be called."""


def at_events(kind: str, reasons: set[str], **fields: Any) -> list[tuple[Fault, set[str]]]:
    """Strike at every event: three before the first text, five with text, three after it."""
    return [({"kind": kind, "at_event": at, **fields}, reasons) for at in range(1, 11)]


def at_bytes(kind: str, reasons: set[str], **fields: Any) -> list[tuple[Fault, set[str]]]:
    return [
        ({"kind": kind, "at_byte": at, **fields}, reasons) for at in (0, 1, 300, 600, 900, 1200)
    ]


FAULTS: list[tuple[Fault, set[str]]] = [
    # An error event in the stream, by its type.
    *at_events("error_event", {"UPSTREAM_OVERLOADED"}, error_type="overloaded_error"),
    *at_events("error_event", BROKEN, error_type="api_error"),
    # The body ends too early, in each of the ways in which it can.
    *at_bytes("cut", LOST),
    *at_bytes("end", LOST),
    *at_bytes("reset", LOST),
    ({"kind": "missing_stop"}, BROKEN),
    # Nothing comes any more.
    *at_bytes("stall", TIMEOUT),
    ({"kind": "hang"}, TIMEOUT),
    ({"kind": "pings_only"}, TIMEOUT),
    # What comes is no Messages stream.
    *at_events("invalid_json", PROTOCOL),
    *at_events("invalid_utf8", PROTOCOL),
    ({"kind": "missing_start"}, PROTOCOL),
    ({"kind": "html"}, PROTOCOL),
    ({"kind": "empty"}, PROTOCOL),
    ({"kind": "redirect"}, PROTOCOL),
    ({"kind": "content_type"}, PROTOCOL),
    ({"kind": "oversized_event"}, PROTOCOL),
]


def named(value: object) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else ""


def struck(fault: Fault, **fields: Any) -> list[dict[str, Any]]:
    """Make a script that strikes the weak model's first answer and nothing else."""
    weak = {"model": "claude-haiku-*", "kind": "answer", "times": 1}
    return [
        {**weak, "chunks": CHUNKS, "usage": USAGE, "fault": fault, **fields},
        dict(STRONG),
        dict(GOOD),
    ]


def first_call(outcome: Outcome) -> dict[str, Any]:
    assert outcome.summary is not None
    first: dict[str, Any] = plain(outcome.summary)["calls"][0]
    return first


def check_estimate(call: dict[str, Any], seen: str) -> None:
    """A call that began is billed an estimate; one that did not is not billed."""
    assert call["status"] == "FAILED"
    assert (call["usage"] is not None) is call["usage_estimated"]
    if seen:
        assert call["usage"]["input_tokens"] == USAGE["input_tokens"]
        assert 1 <= call["usage"]["output_tokens"] <= USAGE["output_tokens"] + 1


@pytest.mark.parametrize(("fault", "reasons"), FAULTS, ids=named)
async def test_an_answer_that_breaks_off_ends_in_a_status_and_a_bill(
    fault: Fault, reasons: set[str]
) -> None:
    async with faulty(struck(fault)) as (served, proxy):
        outcome = await ask(served)
        call, seen = first_call(outcome), text_of(outcome)
        assert outcome.status == "UNAVAILABLE"
        assert call["failure_reason"] in reasons | (BROKEN if seen else set())
        assert outcome.reason == ("UPSTREAM_INTERRUPTED" if seen else call["failure_reason"])
        assert WHOLE.startswith(seen)
        check_estimate(call, seen)
        await all_is_well_again(served, proxy)


@pytest.mark.parametrize("delivery", ["DRAFT_DELIVERY_HELD", "DRAFT_DELIVERY_LIVE"])
@pytest.mark.parametrize(("fault", "reasons"), FAULTS, ids=named)
async def test_a_draft_that_breaks_off_gives_way_and_stays_on_the_bill(
    fault: Fault, reasons: set[str], delivery: str
) -> None:
    async with faulty(struck(fault)) as (served, proxy):
        outcome = await ask(served, escalation=True, delivery=delivery)
        assert (outcome.status, outcome.reason) == ("OK", "")
        call = first_call(outcome)
        assert call["failure_reason"] in reasons | BROKEN
        assert call["superseded"]
        check_estimate(call, "")
        answer = "".join(
            event["text"]
            for kind, event in outcome.events
            if kind == "text_delta" and event["attempt"] == 2
        )
        assert answer == STRONG["answer"]
        if delivery == "DRAFT_DELIVERY_HELD":
            assert text_of(outcome) == answer
        await all_is_well_again(served, proxy)


@pytest.mark.parametrize(
    "toxic",
    [kind(limit) for kind in (LimitData, ResetPeer, Timeout) for limit in (0, 10, 150, 700, 1100)],
    ids=str,
)
async def test_a_connection_that_breaks_is_never_an_answer(toxic: Toxic) -> None:
    """Cut below HTTP: within the head, within a chunk's length, within an event."""
    whole = [{**GOOD, "chunks": CHUNKS, "times": 1}, dict(GOOD)]
    whole[0].pop("answer")
    async with faulty(whole, toxic=toxic) as (served, proxy):
        outcome = await ask(served)
        seen = text_of(outcome)
        assert outcome.status == "UNAVAILABLE"
        assert outcome.reason in {*LOST, *TIMEOUT}
        assert WHOLE.startswith(seen)
        assert (outcome.reason == "UPSTREAM_INTERRUPTED") or not seen
        await all_is_well_again(served, proxy)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_an_answer_in_slices_is_the_same_answer(size: int) -> None:
    text = "Größe, 大きさ, 🧭\r\nand more"
    rules = [{"answer": text, "usage": USAGE, "times": 1}, dict(GOOD)]
    async with faulty(rules, toxic=Slicer(size)) as (served, proxy):
        outcome = await ask(served)
        assert (outcome.status, text_of(outcome)) == ("OK", text)
        await all_is_well_again(served, proxy)


async def test_an_answer_that_drips_for_ever_ends_with_the_deadline() -> None:
    drip = struck({"kind": "slow_drip", "bytes_per_s": 3000}, chunks=["word "] * 500)
    async with faulty(drip) as (served, proxy):
        # The caller's own library ends it, so the bill is the server's alone to know.
        outcome = await outcome_of(served.stub.Generate(a_request(), timeout=0.5))
        assert outcome.status == "DEADLINE_EXCEEDED"
        assert "word " in text_of(outcome)
        await all_is_well_again(served, proxy)
