"""What is written into a ledger is made rightly of what happened."""

from __future__ import annotations

import datetime

import pytest

from tests.unit.core.builders import EFFICIENT, FRONTIER
from tests.unit.ledger.rows import NOON_S, a_reservation, an_origin
from tierwise_server.core.account import (
    Basis,
    CallRecord,
    CallStatus,
    Counterfactual,
    Summary,
)
from tierwise_server.core.cascade import Acceptance, Call
from tierwise_server.core.model import CallKind, FinishReason, Usage
from tierwise_server.core.prices import Cost
from tierwise_server.errors import Reason
from tierwise_server.ledger.entries import (
    Period,
    RequestRow,
    RowState,
    Settlement,
    new_run_id,
    utc_day,
)

USAGE = Usage(input_tokens=10, output_tokens=5)
COST = Cost(1, 2, 3, 4, "prices-2")


def a_record(
    status: CallStatus = CallStatus.COMPLETED,
    usage: Usage | None = USAGE,
    *,
    attempt: int = 1,
    kind: CallKind = CallKind.DRAFT,
    estimated: bool = False,
    superseded: bool = False,
) -> CallRecord:
    tier = EFFICIENT if attempt == 1 else FRONTIER
    return CallRecord(
        call=Call(attempt, kind, tier),
        status=status,
        usage=usage,
        cost=COST if usage is not None else None,
        duration_s=0.5,
        estimated=estimated,
        superseded=superseded,
        finish_reason=FinishReason.STOP if status is CallStatus.COMPLETED else None,
        failure=Reason.UPSTREAM_TIMEOUT if status is CallStatus.FAILED else None,
        tries=3,
        response_id="msg_1",
        first_token_s=0.1,
    )


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (a_record(), RowState.SETTLED),
        (a_record(CallStatus.CANCELLED, estimated=True), RowState.ESTIMATED),
        (a_record(CallStatus.FAILED, estimated=True), RowState.ESTIMATED),
        (a_record(CallStatus.FAILED, None), RowState.FAILED_UNBILLED),
        (a_record(CallStatus.CANCELLED, None), RowState.FAILED_UNBILLED),
    ],
)
def test_a_record_settles_its_reservation(record: CallRecord, state: RowState) -> None:
    reservation = a_reservation(kind=CallKind.DRAFT)
    settlement = Settlement.of(reservation, record, NOON_S)
    assert settlement.state is state
    assert (settlement.status, settlement.usage, settlement.cost) == (
        record.status,
        record.usage,
        record.cost,
    )
    assert (settlement.tries, settlement.failure) == (3, record.failure)
    assert settlement.finish_reason == ("STOP" if record.finish_reason else "")
    assert settlement.response_id == "msg_1"


def test_what_was_never_sent_has_no_try() -> None:
    settlement = Settlement.unsent(a_reservation(), NOON_S, Reason.LEDGER_UNAVAILABLE)
    assert (settlement.tries, settlement.state) == (0, RowState.FAILED_UNBILLED)
    assert (settlement.status, settlement.failure) == (
        CallStatus.FAILED,
        Reason.LEDGER_UNAVAILABLE,
    )


def test_a_summary_becomes_a_row() -> None:
    draft = a_record(superseded=True)
    check = a_record(kind=CallKind.CHECK)
    final = a_record(attempt=2, kind=CallKind.DIRECT)
    summary = Summary(
        request_id="request",
        table_version="table-1",
        records=(draft, check, final),
        duration_s=2.0,
        final=final,
        acceptance=Acceptance.UNCHECKED,
        confidence=0.4,
        counterfactuals=(
            Counterfactual("efficient", "m", 5, Basis.SAME_TOKENS),
            Counterfactual("frontier", "m", 15, Basis.SAME_TOKENS),
        ),
    )
    origin = an_origin()
    row = RequestRow.of(origin, summary, None, ended_at_s=NOON_S, baseline_tier="frontier")
    assert (row.origin, row.reason, row.outcome) == (origin, None, "OK")
    assert (row.final_tier, row.final_model) == ("frontier", FRONTIER.model.id)
    assert (row.acceptance, row.confidence, row.escalated) == (Acceptance.UNCHECKED, 0.4, True)
    assert (row.superseded, row.frontier_only_nano_usd) == ((1,), 15)
    unknown = RequestRow.of(origin, summary, None, ended_at_s=NOON_S, baseline_tier="best")
    assert unknown.frontier_only_nano_usd is None


def test_a_summary_without_an_answer_becomes_a_row_with_a_reason() -> None:
    summary = Summary("request", "table-1", (a_record(CallStatus.FAILED, None),), 1.0)
    row = RequestRow.of(
        an_origin(), summary, Reason.UPSTREAM_TIMEOUT, ended_at_s=NOON_S, baseline_tier="frontier"
    )
    assert (row.outcome, row.final_tier, row.acceptance) == ("UPSTREAM_TIMEOUT", "", None)


def test_the_calls_of_a_run_have_rows_of_their_own() -> None:
    origin, again = an_origin(), an_origin()
    kinds = [(1, CallKind.DRAFT), (1, CallKind.CHECK), (2, CallKind.DIRECT)]
    rows = {
        a_reservation(run, attempt=attempt, kind=kind).row_id
        for run in (origin, again)
        for attempt, kind in kinds
    }
    assert len(rows) == 6


def test_run_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_run_id(NOON_S + number) for number in range(100)]
    assert ids == sorted(ids)
    assert len({new_run_id(NOON_S) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-11-23", "2026-11-01", "2026-11-30"),
        ("2026-12-31", "2026-12-01", "2026-12-31"),
        ("2028-02-29", "2028-02-01", "2028-02-29"),
        ("2027-01-01", "2027-01-01", "2027-01-31"),
    ],
)
def test_a_month_has_all_its_days(day: str, first: str, last: str) -> None:
    date = datetime.date.fromisoformat
    assert Period.MONTH.days(date(day)) == (date(first), date(last))
    assert Period.DAY.days(date(day)) == (date(day), date(day))


def test_days_are_those_of_utc() -> None:
    midnight_s = NOON_S + 43_200
    assert utc_day(midnight_s - 0.001) == datetime.date(2026, 11, 23)
    assert utc_day(midnight_s) == datetime.date(2026, 11, 24)
