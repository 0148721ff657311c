"""What is written into a ledger: frozen values, valid for every store.

Money is in whole nano-USD. Times whose name ends in `_at_s` are Unix seconds, shown to people and never subtracted;
durations are seconds of a monotonic clock.
"""

from __future__ import annotations

import datetime
import enum
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwise_server.core.account import CallStatus
from tierwise_server.core.model import CallKind
from tierwise_server.errors import Reason

if TYPE_CHECKING:
    from tierwise_server.core.account import CallRecord, Summary
    from tierwise_server.core.cascade import Acceptance
    from tierwise_server.core.model import Usage
    from tierwise_server.core.prices import Cost


class RowState(enum.Enum):
    """Where a call's row stands. RESERVED becomes one of the others; of those, only ORPHANED may be corrected."""

    RESERVED = enum.auto()
    """Written before the call; its worst case counts against budgets."""
    SETTLED = enum.auto()
    """Charged what the provider reported."""
    ESTIMATED = enum.auto()
    """Charged an estimate: the call was cut, cancelled, or ended without a bill."""
    FAILED_UNBILLED = enum.auto()
    """Charged nothing: the provider never took the call, or it was never sent."""
    ORPHANED = enum.auto()
    """Charged the worst case: whoever made the call died, and what it cost is not known."""


class Period(enum.Enum):
    """How long a budget lasts, in UTC."""

    DAY = enum.auto()
    MONTH = enum.auto()

    def days(self, day: datetime.date) -> tuple[datetime.date, datetime.date]:
        """The first and the last day of the period that holds `day`."""
        if self is Period.DAY:
            return day, day
        first = day.replace(day=1)
        next_month = (first + datetime.timedelta(days=31)).replace(day=1)
        return first, next_month - datetime.timedelta(days=1)


class BudgetScope(enum.Enum):
    """Whose spending a budget limits: that of the reservation's tenant, or of its key."""

    TENANT = enum.auto()
    KEY = enum.auto()


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit_nano_usd` may be charged to the scope within the period."""

    scope: BudgetScope
    period: Period
    limit_nano_usd: int

    @property
    def name(self) -> str:
        """What a refusal calls it, such as "budget.key.day"."""
        return f"budget.{self.scope.name.lower()}.{self.period.name.lower()}"


def utc_day(wall_s: float) -> datetime.date:
    """The UTC day of a Unix time."""
    return datetime.datetime.fromtimestamp(wall_s, datetime.UTC).date()


def new_run_id(wall_s: float) -> str:
    """Make a unique id that sorts by time, so that rows of the same hour lie together on the disk."""
    return f"{int(wall_s * 1000):012x}{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that a row belongs to.

    Attributes:
        run_id: unique to this run of the request, see `new_run_id`; one request id may be run again.
        tenant: who pays; empty while the server runs open.
        key_id: the public id of the key that was used, never the key; empty while the server runs open.
    """

    run_id: str
    request_id: str
    task_type: str
    table_version: str
    started_at_s: float
    tenant: str = ""
    key_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def day(self) -> datetime.date:
        """The UTC day the request began."""
        return utc_day(self.started_at_s)


@dataclass(frozen=True, slots=True)
class Reservation:
    """One call about to be made, at its worst. `worst_case_nano_usd` is None when the model has no price."""

    origin: Origin
    attempt: int
    kind: CallKind
    tier: str
    model: str
    worst_case_nano_usd: int | None
    price_book_version: str
    reserved_at_s: float

    @property
    def row_id(self) -> str:
        """Unique: a run makes one answer call per attempt, and at most one check of it."""
        part = "check" if self.kind is CallKind.CHECK else "answer"
        return f"{self.origin.run_id}.{self.attempt}.{part}"

    @property
    def day(self) -> datetime.date:
        """The UTC day that the call is charged to."""
        return utc_day(self.reserved_at_s)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a reserved call came to.

    It carries its reservation, so that a store which never saw that (fail-open, a restored backup) records the whole.
    `usage` is None when nothing was billed, `cost` also when the model has no price; `tries` is 0 for what was never
    sent.
    """

    reservation: Reservation
    state: RowState
    status: CallStatus
    usage: Usage | None
    cost: Cost | None
    settled_at_s: float
    tries: int = 1
    failure: Reason | None = None
    finish_reason: str = ""
    response_id: str = ""
    duration_s: float = 0.0
    first_token_s: float | None = None

    @classmethod
    def of(cls, reservation: Reservation, record: CallRecord, settled_at_s: float) -> Settlement:
        """Settle a reservation to the record of its call."""
        if record.usage is None:
            state = RowState.FAILED_UNBILLED
        else:
            state = RowState.ESTIMATED if record.estimated else RowState.SETTLED
        return cls(
            reservation=reservation,
            state=state,
            status=record.status,
            usage=record.usage,
            cost=record.cost if record.usage is not None else None,
            settled_at_s=settled_at_s,
            tries=record.tries,
            failure=record.failure,
            finish_reason="" if record.finish_reason is None else record.finish_reason.name,
            response_id=record.response_id,
            duration_s=record.duration_s,
            first_token_s=record.first_token_s,
        )

    @classmethod
    def unsent(
        cls, reservation: Reservation, settled_at_s: float, reason: Reason = Reason.CANCELLED
    ) -> Settlement:
        """Give a reservation back: its call was never sent."""
        return cls(
            reservation=reservation,
            state=RowState.FAILED_UNBILLED,
            status=CallStatus.CANCELLED if reason is Reason.CANCELLED else CallStatus.FAILED,
            usage=None,
            cost=None,
            settled_at_s=settled_at_s,
            tries=0,
            failure=reason,
        )


@dataclass(frozen=True, slots=True)
class RequestRow:
    """How a request ended. What it cost is not said here: it is the sum of its rows, kept by the store.

    Attributes:
        reason: why there is no answer; None when there is one.
        final_tier, final_model: who answered; empty without an answer.
        frontier_only_nano_usd: what the answer would have cost at the baseline tier alone, an estimate; None where that
            is unknown.
        superseded: the attempts whose text was void in the end.
        provisional: whether a later row may say otherwise. The first row that is not provisional stands.
    """

    origin: Origin
    ended_at_s: float
    duration_s: float
    reason: Reason | None
    final_tier: str = ""
    final_model: str = ""
    acceptance: Acceptance | None = None
    confidence: float | None = None
    escalated: bool = False
    frontier_only_nano_usd: int | None = None
    superseded: tuple[int, ...] = ()
    provisional: bool = False

    @classmethod
    def of(
        cls,
        origin: Origin,
        summary: Summary,
        reason: Reason | None,
        *,
        ended_at_s: float,
        baseline_tier: str,
    ) -> RequestRow:
        """Sum a request up; `baseline_tier` is the tier that its cost is compared with."""
        final = summary.final
        baseline = [c for c in summary.counterfactuals if c.tier == baseline_tier]
        return cls(
            origin=origin,
            ended_at_s=ended_at_s,
            duration_s=summary.duration_s,
            reason=reason,
            final_tier="" if final is None else final.call.tier.name,
            final_model="" if final is None else final.call.tier.model.id,
            acceptance=summary.acceptance,
            confidence=summary.confidence,
            escalated=summary.escalated,
            frontier_only_nano_usd=baseline[0].cost_nano_usd if baseline else None,
            superseded=tuple(r.call.attempt for r in summary.records if r.superseded),
        )

    @property
    def outcome(self) -> str:
        """OK, or the name of the reason."""
        return OK if self.reason is None else self.reason.name


OK = "OK"
"""The outcome of a request that has an answer."""

LOST = "ORPHANED"
"""The outcome of a request whose server died."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a request said and was answered. Kept only by a ledger that was told to keep content."""

    origin: Origin
    prompt: str
    answer: str
    stored_at_s: float


Entry = Settlement | RequestRow | Content


@dataclass(frozen=True, slots=True)
class CallAccount:
    """A call's row as a ledger holds it. `charged_nano_usd` is None while RESERVED, and when the cost is unknown."""

    reservation: Reservation
    state: RowState
    charged_nano_usd: int | None
    settlement: Settlement | None = None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class RequestAccount:
    """A request as a ledger holds it. `cost_nano_usd` is the sum of its calls; None when one of theirs is unknown.

    `outcome` is empty while the request runs. `row` is None until it ended, and when its server died.
    """

    origin: Origin
    outcome: str
    cost_nano_usd: int | None
    calls: tuple[CallAccount, ...]
    row: RequestRow | None = None
    content: Content | None = None
