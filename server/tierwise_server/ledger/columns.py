"""The values of a ledger as flat columns, and back: one mapping for the tables and for the emergency file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tierwise_server.core.account import CallStatus
from tierwise_server.core.cascade import Acceptance
from tierwise_server.core.model import CallKind, Usage
from tierwise_server.core.prices import Cost
from tierwise_server.errors import Reason
from tierwise_server.ledger.entries import (
    OK,
    Content,
    Origin,
    RequestRow,
    Reservation,
    RowState,
    Settlement,
)

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Entry

Columns = dict[str, Any]


def origin_columns(origin: Origin) -> Columns:
    """A request as it begins."""
    return {
        "run_id": origin.run_id,
        "request_id": origin.request_id,
        "tenant": origin.tenant,
        "key_id": origin.key_id,
        "task_type": origin.task_type,
        "table_version": origin.table_version,
        "labels": dict(origin.labels),
        "started_at_s": origin.started_at_s,
    }


def origin_of(columns: Mapping[Any, Any]) -> Origin:
    """The inverse of `origin_columns`."""
    return Origin(
        run_id=columns["run_id"],
        request_id=columns["request_id"],
        tenant=columns["tenant"],
        key_id=columns["key_id"],
        task_type=columns["task_type"],
        table_version=columns["table_version"],
        labels=columns["labels"],
        started_at_s=columns["started_at_s"],
    )


def reservation_columns(reservation: Reservation) -> Columns:
    """A call as it is reserved."""
    return {
        "row_id": reservation.row_id,
        "run_id": reservation.origin.run_id,
        "tenant": reservation.origin.tenant,
        "key_id": reservation.origin.key_id,
        "attempt": reservation.attempt,
        "kind": reservation.kind.name,
        "tier": reservation.tier,
        "model": reservation.model,
        "worst_case_nano_usd": reservation.worst_case_nano_usd,
        "price_book_version": reservation.price_book_version,
        "reserved_at_s": reservation.reserved_at_s,
    }


def reservation_of(origin: Origin, columns: Mapping[Any, Any]) -> Reservation:
    """The inverse of `reservation_columns`."""
    return Reservation(
        origin=origin,
        attempt=columns["attempt"],
        kind=CallKind[columns["kind"]],
        tier=columns["tier"],
        model=columns["model"],
        worst_case_nano_usd=columns["worst_case_nano_usd"],
        price_book_version=columns["price_book_version"],
        reserved_at_s=columns["reserved_at_s"],
    )


_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_MONEY = ("input_nano_usd", "cache_read_nano_usd", "cache_write_nano_usd", "output_nano_usd")


def settlement_columns(settlement: Settlement) -> Columns:
    """What a call came to; the price book is the one it was charged by."""
    usage, cost = settlement.usage, settlement.cost
    book = settlement.reservation.price_book_version if cost is None else cost.price_book_version
    return {
        "state": settlement.state.name,
        "status": settlement.status.name,
        "settled_at_s": settlement.settled_at_s,
        "tries": settlement.tries,
        "failure": None if settlement.failure is None else settlement.failure.name,
        "finish_reason": settlement.finish_reason,
        "response_id": settlement.response_id,
        "duration_s": settlement.duration_s,
        "first_token_s": settlement.first_token_s,
        "price_book_version": book,
        **{name: None if usage is None else getattr(usage, name) for name in _TOKENS},
        **{name: None if cost is None else getattr(cost, name) for name in _MONEY},
    }


def settlement_of(reservation: Reservation, columns: Mapping[Any, Any]) -> Settlement:
    """The inverse of `settlement_columns`."""
    tokens = {name: columns[name] for name in _TOKENS}
    money = {name: columns[name] for name in _MONEY}
    book = columns["price_book_version"]
    unpriced = columns["input_nano_usd"] is None
    return Settlement(
        reservation=reservation,
        state=RowState[columns["state"]],
        status=CallStatus[columns["status"]],
        usage=None if columns["input_tokens"] is None else Usage(**tokens),
        cost=None if unpriced else Cost(**money, price_book_version=book),
        settled_at_s=columns["settled_at_s"],
        tries=columns["tries"],
        failure=None if columns["failure"] is None else Reason[columns["failure"]],
        finish_reason=columns["finish_reason"],
        response_id=columns["response_id"],
        duration_s=columns["duration_s"],
        first_token_s=columns["first_token_s"],
    )


def ending_columns(row: RequestRow) -> Columns:
    """How a request ended."""
    return {
        "outcome": row.outcome,
        "ended_at_s": row.ended_at_s,
        "duration_s": row.duration_s,
        "final_tier": row.final_tier,
        "final_model": row.final_model,
        "acceptance": None if row.acceptance is None else row.acceptance.name,
        "confidence": row.confidence,
        "escalated": row.escalated,
        "frontier_only_nano_usd": row.frontier_only_nano_usd,
        "superseded": list(row.superseded),
        "provisional": row.provisional,
    }


def ending_of(origin: Origin, columns: Mapping[Any, Any]) -> RequestRow:
    """The inverse of `ending_columns`."""
    acceptance = columns["acceptance"]
    return RequestRow(
        origin=origin,
        ended_at_s=columns["ended_at_s"],
        duration_s=columns["duration_s"],
        reason=None if columns["outcome"] == OK else Reason[columns["outcome"]],
        final_tier=columns["final_tier"],
        final_model=columns["final_model"],
        acceptance=None if acceptance is None else Acceptance[acceptance],
        confidence=columns["confidence"],
        escalated=bool(columns["escalated"]),
        frontier_only_nano_usd=columns["frontier_only_nano_usd"],
        superseded=tuple(columns["superseded"]),
        provisional=bool(columns["provisional"]),
    )


def entry_columns(entry: Entry) -> Columns:
    """An entry with everything it needs to be read back alone, as JSON can hold it."""
    if isinstance(entry, Settlement):
        return {
            "entry": "settlement",
            "origin": origin_columns(entry.reservation.origin),
            "reservation": reservation_columns(entry.reservation),
            "settlement": settlement_columns(entry),
        }
    if isinstance(entry, RequestRow):
        return {
            "entry": "request",
            "origin": origin_columns(entry.origin),
            "ending": ending_columns(entry),
        }
    raise TypeError("prompts and answers are kept in the ledger or nowhere")


def entry_of(columns: Mapping[Any, Any]) -> Settlement | RequestRow:
    """The inverse of `entry_columns`."""
    origin = origin_of(columns["origin"])
    if columns["entry"] == "settlement":
        return settlement_of(reservation_of(origin, columns["reservation"]), columns["settlement"])
    return ending_of(origin, columns["ending"])


def content_of(origin: Origin, columns: Mapping[Any, Any]) -> Content:
    """A request's prompt and answer."""
    return Content(origin, columns["prompt"], columns["answer"], columns["stored_at_s"])
