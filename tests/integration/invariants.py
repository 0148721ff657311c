"""What holds of every call, whatever it asked and however it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.messages import Plain, plain
from tests.serving import Outcome, Served
from tests.transcripts import Span
from tierwise_server.simulator import Entry
from tierwise_server.telemetry import FinishedSpan, names

USED = ("input_tokens", "cache_read_tokens", "output_tokens")
PARTS = ("input", "cache_read", "cache_write", "output")


def check_stream(outcome: Outcome) -> None:
    """`started` is first, `finished` last if and only if the status is OK, and the sequence has no gaps."""
    messages = outcome.messages
    assert [message.sequence for message in messages] == list(range(len(messages)))
    kinds = [message.WhichOneof("event") for message in messages]
    assert kinds.count("started") == bool(kinds)
    assert not kinds or kinds[0] == "started"
    assert kinds.count("finished") == (outcome.status == "OK")
    assert outcome.status != "OK" or kinds[-1] == "finished"
    # Text is never one message that a naive client could not take.
    assert all(message.ByteSize() < 1_000_000 for message in messages)


def check_bill(outcome: Outcome) -> None:
    """Calls add up to the totals, and the events told of each call what the summary says of it."""
    if outcome.summary is None:
        assert not outcome.messages
        return
    summary = plain(outcome.summary)
    calls: list[Plain] = summary["calls"]
    billed = [call for call in calls if call["usage"] is not None]
    for name in USED:
        assert summary["usage"][name] == sum(call["usage"][name] for call in billed)
    for part in (*PARTS, "total"):
        key = f"{part}_nano_usd"
        assert summary["cost"][key] == sum(call["cost"][key] for call in billed)
    for call in billed:
        assert call["cost"]["total_nano_usd"] == sum(call["cost"][f"{p}_nano_usd"] for p in PARTS)
    ended = [told for kind, event in outcome.events for told in _call_in(kind, event)]
    unended = [call for call in calls if call["status"] == "CANCELLED"]
    assert ended == [_at_its_end(call) for call in calls if call not in unended]


def _call_in(kind: str, event: Plain) -> Iterator[Plain]:
    if kind in ("attempt_finished", "confidence_checked"):
        yield event["call"]


def _at_its_end(call: Plain) -> Plain:
    """Return a call as it was when it ended: nothing had superseded it yet."""
    return call | {"superseded": False}


def check_journal(outcome: Outcome, entries: Sequence[Entry]) -> None:
    """The upstream was asked as often as the calls say, and billed what they say."""
    calls: list[Plain] = [] if outcome.summary is None else plain(outcome.summary)["calls"]
    assert len(entries) == sum(call["tries"] for call in calls)
    by_id = {entry.message_id: entry for entry in entries if entry.message_id}
    for call in calls:
        if call["status"] != "COMPLETED" or call["usage_estimated"]:
            continue
        entry, usage = by_id[call["response_id"]], call["usage"]
        read, written = entry.cache_read_input_tokens, entry.cache_creation_input_tokens
        assert usage["input_tokens"] == entry.input_tokens + read + written
        assert usage["cache_read_tokens"] == read
        assert usage["output_tokens"] == entry.output_tokens


def check_spans(outcome: Outcome, spans: Sequence[FinishedSpan]) -> None:
    """One SERVER span; below it, where something began, one `route`, and below that one span for each call."""
    [server] = [span for span in spans if span.kind == "SERVER"]
    assert server.attributes[names.RPC_STATUS] == outcome.status
    assert server.attributes.get(names.REASON, "") == outcome.reason
    assert {span.trace_id for span in spans} == {server.trace_id}
    calls: list[Plain] = [] if outcome.summary is None else plain(outcome.summary)["calls"]
    chats = in_order(span for span in spans if span.kind == "CLIENT")
    assert [_call_of(span) for span in chats] == [_spanned(call) for call in calls]
    checks = [span for span in spans if span.name == names.CHECK_SPAN]
    routes = [span for span in spans if span.name == names.ROUTE_SPAN]
    assert len(spans) == len(routes) + len(checks) + len(chats) + 1
    for route in routes:
        assert route.parent_id == server.span_id
        assert {check.parent_id for check in checks} <= {route.span_id}
        check_ids = [check.span_id for check in in_order(checks)]
        parents = [check_ids.pop(0) if c["kind"] == "CHECK" else route.span_id for c in calls]
        assert [chat.parent_id for chat in chats] == parents


def in_order(spans: Iterable[FinishedSpan]) -> list[FinishedSpan]:
    """Return spans in the order in which they started."""
    return sorted(spans, key=lambda span: span.start_ns)


def _call_of(span: FinishedSpan) -> tuple[Any, ...]:
    get = span.attributes.get
    return (
        get(names.ATTEMPT),
        get(names.KIND),
        get(names.STATUS),
        get(names.REQUEST_MODEL),
        get(names.TIER),
        get(names.TRIES),
        get(names.COST_NANO_USD),
        get(names.INPUT_TOKENS),
        get(names.OUTPUT_TOKENS),
        get(names.SUPERSEDED, False),
    )


def _spanned(call: Plain) -> tuple[Any, ...]:
    usage, cost = call["usage"] or {}, call["cost"] or {}
    return (
        call["attempt"],
        call["kind"].lower(),
        call["status"].lower(),
        call["model"],
        call["tier"],
        call["tries"],
        cost.get("total_nano_usd"),
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        call["superseded"],
    )


def check_all(outcome: Outcome, served: Served) -> None:
    """Everything above, of the only call that a server got."""
    check_stream(outcome)
    check_bill(outcome)
    check_journal(outcome, served.simulator.journal.messages)
    check_spans(outcome, served.spans.spans())


def tree_of(spans: Sequence[FinishedSpan], parent_id: str = "") -> list[Plain]:
    """Return spans as the transcripts write them."""
    return [
        {
            "name": span.name,
            "attributes": {key: _listed(value) for key, value in span.attributes.items()},
            "children": tree_of(spans, span.span_id),
        }
        for span in in_order(span for span in spans if span.parent_id == parent_id)
    ]


def expected_tree(spans: Iterable[Span]) -> list[Plain]:
    """Return a transcript's spans as plain values."""
    return [span.model_dump() for span in spans]


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
