"""What a request did and cost: one record per call, and their sum.

Every attempt and every check has exactly one record, discarded drafts and failures included; the summary's usage and
cost are the sums of the records, always.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tierwise_server.core.estimate import worst_case_nano_usd
from tierwise_server.core.model import CallKind, FinishReason, Tier, Usage
from tierwise_server.core.prices import Cost, PriceBook, total
from tierwise_server.errors import Reason, RequestError

if TYPE_CHECKING:
    from tierwise_server.core.cascade import Acceptance, Call
    from tierwise_server.core.table import Plan


class CallStatus(enum.Enum):
    """How a call ended."""

    COMPLETED = enum.auto()
    FAILED = enum.auto()
    CANCELLED = enum.auto()


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to a model. `usage` is None when nothing was billed, `cost` when the model has no price.

    `estimated`: the provider reported no final usage, so tokens are counted from what was seen.
    """

    call: Call
    status: CallStatus
    usage: Usage | None
    cost: Cost | None
    duration_s: float
    estimated: bool = False
    superseded: bool = False
    finish_reason: FinishReason | None = None
    raw_finish_reason: str = ""
    failure: Reason | None = None
    tries: int = 1
    response_id: str = ""
    first_token_s: float | None = None

    def is_attempt(self, attempt: int) -> bool:
        """Whether this is the call of that attempt, and not its check."""
        return self.call.attempt == attempt and self.call.kind is not CallKind.CHECK


class Basis(enum.Enum):
    """Where the token counts of a counterfactual come from."""

    SAME_TOKENS = enum.auto()
    MEASURED_TOKENS = enum.auto()


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What the answer would have cost at one tier alone: an estimate; None when the model has no price."""

    tier: str
    model: str
    cost_nano_usd: int | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a request did and cost. Without an answer, `final` and `acceptance` are None."""

    request_id: str
    table_version: str
    records: tuple[CallRecord, ...]
    duration_s: float
    final: CallRecord | None = None
    acceptance: Acceptance | None = None
    confidence: float | None = None
    counterfactuals: tuple[Counterfactual, ...] = ()
    first_text_s: float | None = None

    @property
    def usage(self) -> Usage:
        """All calls' tokens added up."""
        return sum((r.usage for r in self.records if r.usage is not None), Usage())

    @property
    def cost(self) -> Cost | None:
        """All billed calls' costs added up, 0 when none was; None when a billed call's model has no price."""
        billed = [r.cost for r in self.records if r.usage is not None]
        return total(billed) if billed else Cost(0, 0, 0, 0, "")

    @property
    def escalated(self) -> bool:
        """Whether more than one attempt was made."""
        return any(r.call.attempt > 1 for r in self.records)


class RequestFailed(RequestError):
    """A request that had begun ended without an answer. `summary` says what it did and cost."""

    def __init__(
        self, reason: Reason, message: str, summary: Summary, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason, message, retry_after_s=retry_after_s)
        self.summary = summary


MESSAGES: Final[Mapping[Reason, str]] = {
    Reason.DEADLINE_EXCEEDED: "the deadline passed before there was an answer",
    Reason.UPSTREAM_INTERRUPTED: "the provider broke off after text was sent; what was sent is not the answer",
    Reason.CANCELLED: "the caller left",
    Reason.INTERNAL: "a fault of the server; its log says more",
}
"""What a caller is told of a request's end where the failure itself says nothing."""


def supersede(records: Sequence[CallRecord], attempt: int) -> list[CallRecord]:
    """Mark the attempt's own record, not its check's, as superseded."""
    return [replace(r, superseded=True) if r.is_attempt(attempt) else r for r in records]


def counterfactuals(
    plan: Plan, tiers: Iterable[Tier], answer: CallRecord, book: PriceBook
) -> tuple[Counterfactual, ...]:
    """Price the answer at every tier alone: its own input, and its own output or the output measured at that tier.

    The answer's tier is priced at what its one call cost, cache included, without the checks and drafts around it. At
    another tier nothing is cached, and tokens are scaled by the two models' `token_scale`.
    """
    usage = answer.usage or Usage()
    return tuple(_alone(plan, tier, answer.call.tier, usage, book) for tier in tiers)


def _alone(plan: Plan, tier: Tier, actual: Tier, usage: Usage, book: PriceBook) -> Counterfactual:
    if tier.name == actual.name:
        # The model that answered may be a fallback of the tier's own.
        cost = book.cost(actual.model.id, usage)
        nano_usd = None if cost is None else cost.total_nano_usd
        return Counterfactual(tier.name, actual.model.id, nano_usd, Basis.SAME_TOKENS)
    scale = tier.model.token_scale / actual.model.token_scale
    measured = (plan.policy.measured_output_tokens or {}).get(tier.name)
    nano_usd = worst_case_nano_usd(
        book,
        tier.model,
        input_tokens=round(usage.input_tokens * scale),
        max_output_tokens=round(usage.output_tokens * scale) if measured is None else measured,
    )
    basis = Basis.SAME_TOKENS if measured is None else Basis.MEASURED_TOKENS
    return Counterfactual(tier.name, tier.model.id, nano_usd, basis)
