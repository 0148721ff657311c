"""What was spent, and on what: the questions, the answers, and the rule that gives every nano-USD one use."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwise_server.core.account import CallStatus
from tierwise_server.core.model import CallKind
from tierwise_server.errors import Reason
from tierwise_server.ledger.entries import OK, RowState

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import CallAccount, RequestAccount


class Dimension(enum.Enum):
    """What spending can be grouped by. A request counts where its answer came from, a call where it was made."""

    DAY = "day"
    TENANT = "tenant"
    KEY = "key"
    LABEL = "label"
    TASK_TYPE = "task_type"
    TIER = "tier"
    MODEL = "model"


class Use(enum.Enum):
    """What money went into. Every charged nano-USD has exactly one use."""

    USEFUL = enum.auto()
    """Answers that callers got."""
    CHECK = enum.auto()
    """Confidence checks."""
    SUPERSEDED = enum.auto()
    """Drafts that a stronger tier replaced."""
    RETRIED = enum.auto()
    """Attempts that failed and that another attempt replaced, of the same tier or of another."""
    FAILED = enum.auto()
    """Calls that failed and that nothing replaced, or that the server's end cut; answers of requests that failed."""
    CANCELLED = enum.auto()
    """Calls that were cut because the caller left or the time was over, and answers that nobody waited for."""
    ORPHANED = enum.auto()
    """Calls of a server that died, at their worst case."""


@dataclass(frozen=True, slots=True)
class SpendQuery:
    """Which days (UTC, both included), whose, and grouped by what. `label` is the key that LABEL groups by."""

    by: tuple[Dimension, ...] = ()
    first_day: datetime.date | None = None
    last_day: datetime.date | None = None
    tenant: str | None = None
    label: str = ""


@dataclass(slots=True)
class SpendRow:
    """One group. Amounts are in nano-USD; `cost_nano_usd` is the sum of `uses`.

    Attributes:
        group: the values of the query's dimensions, in its order; a day as 2026-11-23.
        requests: how many were begun; `answered` have an answer.
        calls: how many calls were made and are over; `unpriced_calls` of them have an unknown cost, which is not in
            `cost_nano_usd`.
        open_nano_usd: what is reserved for the `open_calls` under way; not in `cost_nano_usd`.
        estimated_nano_usd: how much of the cost is an estimate, orphans included.
        frontier_only_nano_usd: what the answers would have cost at the baseline tier alone, an estimate: that of the
            table in force when each was begun, where its default ends.
        compared_nano_usd: what the same requests did cost, all their calls; compare these two.
        uncompared: how many of the `answered` are in neither, because a price or the baseline was not known.
    """

    group: tuple[str, ...]
    requests: int = 0
    answered: int = 0
    escalated: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    open_calls: int = 0
    open_nano_usd: int = 0
    cost_nano_usd: int = 0
    estimated_nano_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    frontier_only_nano_usd: int = 0
    compared_nano_usd: int = 0
    uncompared: int = 0
    uses: dict[Use, int] = field(default_factory=lambda: dict.fromkeys(Use, 0))


def use_of(call: CallAccount, outcome: str) -> Use:
    """What a call's charge went into, given how its request ended (empty: it has not)."""
    status = None if call.settlement is None else call.settlement.status
    if call.state is RowState.ORPHANED:
        return Use.ORPHANED
    if status is CallStatus.CANCELLED:
        return Use.FAILED if outcome in CUT_BY_US else Use.CANCELLED
    if status is CallStatus.FAILED:
        return Use.RETRIED if call.superseded else Use.FAILED
    if call.superseded:
        return Use.SUPERSEDED
    if call.reservation.kind is CallKind.CHECK:
        return Use.CHECK
    if outcome in UNWAITED:
        return Use.CANCELLED
    return Use.USEFUL if outcome in ("", OK) else Use.FAILED


UNWAITED = (Reason.CANCELLED.name, Reason.DEADLINE_EXCEEDED.name)
"""Outcomes after which nobody waits for the answer any more."""


CUT_BY_US = (Reason.SHUTTING_DOWN.name,)
"""Outcomes that somebody did wait for, and that cut calls off all the same."""


def add_up(runs: Iterable[RequestAccount], query: SpendQuery) -> tuple[SpendRow, ...]:
    """Answer a query from whole runs: what SQL does in a store, said in Python."""
    rows: dict[tuple[str, ...], SpendRow] = {}
    for run in runs:
        if query.tenant is not None and run.origin.tenant != query.tenant:
            continue
        if _within(query, run.origin.day):
            group = _group(query, run)
            _add_request(rows.setdefault(group, SpendRow(group)), run)
        for call in run.calls:
            if _within(query, call.reservation.day):
                group = _group(query, run, call)
                _add_call(rows.setdefault(group, SpendRow(group)), call, run.outcome)
    return tuple(rows[group] for group in sorted(rows))


def _within(query: SpendQuery, day: datetime.date) -> bool:
    after = query.first_day is None or day >= query.first_day
    return after and (query.last_day is None or day <= query.last_day)


def _group(
    query: SpendQuery, run: RequestAccount, call: CallAccount | None = None
) -> tuple[str, ...]:
    origin = run.origin
    if call is not None:
        day, tier, model = call.reservation.day, call.reservation.tier, call.reservation.model
    else:
        day = origin.day
        tier, model = (run.row.final_tier, run.row.final_model) if run.row else ("", "")
    values = {
        Dimension.DAY: day.isoformat(),
        Dimension.TENANT: origin.tenant,
        Dimension.KEY: origin.key_id,
        Dimension.LABEL: origin.labels.get(query.label, ""),
        Dimension.TASK_TYPE: origin.task_type,
        Dimension.TIER: tier,
        Dimension.MODEL: model,
    }
    return tuple(values[dimension] for dimension in query.by)


def _add_request(total: SpendRow, run: RequestAccount) -> None:
    total.requests += 1
    total.answered += run.outcome == OK
    if run.row is not None:
        total.escalated += run.row.escalated
        if run.row.frontier_only_nano_usd is not None and run.cost_nano_usd is not None:
            total.frontier_only_nano_usd += run.row.frontier_only_nano_usd
            total.compared_nano_usd += run.cost_nano_usd
        else:
            total.uncompared += run.outcome == OK


def _add_call(total: SpendRow, call: CallAccount, outcome: str) -> None:
    if call.state is RowState.RESERVED:
        total.open_calls += 1
        total.open_nano_usd += call.reservation.worst_case_nano_usd or 0
        return
    settlement = call.settlement
    total.calls += settlement is None or settlement.tries > 0
    if call.charged_nano_usd is None:
        total.unpriced_calls += 1
    else:
        total.cost_nano_usd += call.charged_nano_usd
        total.uses[use_of(call, outcome)] += call.charged_nano_usd
        if call.state in (RowState.ESTIMATED, RowState.ORPHANED):
            total.estimated_nano_usd += call.charged_nano_usd
    if settlement is not None and settlement.usage is not None:
        total.input_tokens += settlement.usage.input_tokens
        total.output_tokens += settlement.usage.output_tokens
