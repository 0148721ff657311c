"""The routing table, and the decision it makes about one task.

`decide` is the whole of routing: a pure function of the table and the request, so that a decision can be reproduced
from the table's version and the request alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from tierwise_server.core.calibration import Calibration
from tierwise_server.core.estimate import prompt_tokens, scaled_tokens, unscaled_tokens
from tierwise_server.core.model import Prompt, RoutingOptions, Task, Tier
from tierwise_server.errors import Fault, InvalidRequest, Reason, RequestError

MOST_KEPT_PLANS: Final = 4096
"""Decisions kept for repetition; task types come from callers, so there must be a bound."""


class Rule(enum.Enum):
    """Which rule of the table chose the row."""

    PINNED = enum.auto()
    TASK_TYPE = enum.auto()
    DEFAULT = enum.auto()


class Adjustment(enum.Enum):
    """What changed a row for one request."""

    ESCALATION_ON = enum.auto()
    ESCALATION_OFF = enum.auto()
    CAPPED = enum.auto()
    THRESHOLD = enum.auto()
    CONTEXT_SKIP = enum.auto()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measurement behind a row; the fields mean what the contract says of them. Times are Unix seconds.

    The last four are None where they were not measured, or nothing was promised.
    """

    sample_size: int
    quality: float
    quality_low: float
    quality_high: float
    mean_cost_nano_usd: int
    judge: str
    dataset_hash: str
    price_book_version: str
    measured_at_s: int
    expires_at_s: int
    escalation_rate: float | None = None
    tolerance: float | None = None
    confidence: float | None = None
    loss_bound: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a row says: the tiers to climb, weakest first, and the confidence that stops the climb.

    One tier: it answers, unchecked; threshold and method are then unused. The threshold is a confidence in [0, 1]. A
    cascade without a method takes both from the table's escalation. Where a tier has a calibration, the threshold is
    one of calibrated confidences.
    """

    cascade: tuple[str, ...]
    threshold: float = 0.0
    method: str = ""
    evidence: Evidence | None = None
    measured_output_tokens: Mapping[str, int] | None = None
    calibration: Mapping[str, Calibration] | None = None


@dataclass(frozen=True, eq=False)
class RoutingTable:
    """Task types and their policies.

    Attributes:
        version: identifies the content; equal tables have equal versions.
        tiers: every tier, weakest first.
        rows: task type to policy.
        default: the policy of every other task type; None refuses them.
        escalation: the cascade, threshold and method used when a request turns escalation on for a one-tier row.
        assumed_output_tokens: the answer length that estimates assume where nothing was measured.
        fallback_to_next_tier: whether a stronger tier answers while none of a tier's models is available.
    """

    version: str
    tiers: tuple[Tier, ...]
    rows: Mapping[str, Policy]
    default: Policy | None
    escalation: Policy
    assumed_output_tokens: int = 500
    fallback_to_next_tier: bool = True

    @property
    def baseline_tier(self) -> str:
        """The tier that costs are compared with: where the default ends, the strongest without one."""
        names = self.default.cascade if self.default else tuple(tier.name for tier in self.tiers)
        return names[-1]

    def rank(self, tier: str) -> int:
        """Find a tier's place in the order, from 0; -1 when there is no such tier."""
        return next((i for i, known in enumerate(self.tiers) if known.name == tier), -1)


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision about one task: which tiers, in which order, on what ground.

    Attributes:
        cascade: the tiers the task may climb, at least one.
        overflow: tiers outside the cascade, stronger than its first, that may take over when a model turns out too
            small for the prompt; none where the request pins the tier or turns escalation off.
        fallback: those of the overflow that are stronger than the whole cascade and take over, in this order, while
            none of its strongest tier's models is available.
        threshold: the confidence that accepts a draft; unused with one tier.
        calibration: tier to how its signals become confidences; without one, the signal is the confidence.
        listed: whether the table has a row for the task type. If not, it is only the caller's word.
    """

    task_type: str
    listed: bool
    cascade: tuple[Tier, ...]
    overflow: tuple[Tier, ...]
    threshold: float
    method: str
    rule: Rule
    adjustments: tuple[Adjustment, ...]
    table_version: str
    policy: Policy
    calibration: Mapping[str, Calibration] | None = None
    fallback: tuple[Tier, ...] = ()

    def confidence(self, tier: Tier, signal: float) -> float | None:
        """What a check's raw signal says about the tier's draft, as a confidence that the threshold is for.

        None where the tier is calibrated and another model fills it: what that one's signals mean is not known.
        """
        calibration = (self.calibration or {}).get(tier.name)
        if calibration is None:
            return signal
        return calibration(signal) if calibration.model == tier.model.id else None

    @property
    def escalates(self) -> bool:
        """Whether a check may send the task to a stronger tier."""
        return len(self.cascade) > 1

    @property
    def why(self) -> str:
        """The decision in one sentence."""
        names = " then ".join(tier.name for tier in self.cascade)
        ground = {
            Rule.PINNED: "the request pins the tier",
            Rule.TASK_TYPE: f"the table has a row for {self.task_type!r}",
            Rule.DEFAULT: "the table has no row for the task type, so its default applies",
        }[self.rule]
        changes = "".join(f"; {_ADJUSTMENT_WORDS[change]}" for change in self.adjustments)
        return f"{names}: {ground}{changes}."


_ADJUSTMENT_WORDS = {
    Adjustment.ESCALATION_ON: "the request turned escalation on",
    Adjustment.ESCALATION_OFF: "the request turned escalation off",
    Adjustment.CAPPED: "the request's max_tier or its key left tiers out",
    Adjustment.THRESHOLD: "the request set the threshold",
    Adjustment.CONTEXT_SKIP: "a tier was skipped because its model cannot hold the prompt",
}


def decide(table: RoutingTable, task: Task) -> Plan:
    """Choose the tiers for a task.

    Raises:
        InvalidRequest: an option names an unknown tier or contradicts another (INVALID_REQUEST, UNKNOWN_TIER), the
            task type has neither row nor default (UNKNOWN_TASK_TYPE), or no allowed tier's model can hold the prompt
            (CONTEXT_TOO_LONG).
        RequestError: TIER_NOT_ALLOWED: the caller may use none of the tiers that the task would get.
    """
    plan = _decided(table, task)
    return plan if task.allowed_tiers is None else _confined(plan, task.allowed_tiers)


def _decided(table: RoutingTable, task: Task) -> Plan:
    usual = _usual(table, task.task_type, task.routing)
    if Adjustment.CONTEXT_SKIP in usual.adjustments:
        return _decide(table, task)
    unscaled = unscaled_tokens(task.prompt)
    asked = (*usual.cascade, *usual.fallback)
    if all(_holds(tier, task, scaled_tokens(unscaled, tier.model)) for tier in asked):
        return usual
    return _decide(table, task)


@lru_cache(maxsize=MOST_KEPT_PLANS)
def _usual(table: RoutingTable, task_type: str, routing: RoutingOptions) -> Plan:
    """The decision about a prompt that fits everywhere: the same for nearly every task of a type, so it is kept."""
    return _decide(table, Task(task_type, Prompt("", ()), routing))


def _decide(table: RoutingTable, task: Task) -> Plan:
    _check_options(table, task)
    policy, rule = _row(table, task)
    changes: list[Adjustment] = []
    names = _with_escalation(table, task, policy, changes)
    names = _with_cap(table, task, names, changes)
    cascade, overflow = _with_context(table, task, names, changes)
    source = policy if len(policy.cascade) > 1 and policy.method else table.escalation
    threshold, method = _threshold(task, source, cascade, changes)
    return Plan(
        task_type=task.task_type,
        listed=task.task_type in table.rows,
        cascade=cascade,
        overflow=overflow,
        threshold=threshold,
        method=method,
        rule=rule,
        adjustments=tuple(changes),
        table_version=table.version,
        policy=policy,
        calibration=source.calibration if method else None,
        fallback=_fallback(table, task, cascade[-1], overflow),
    )


def _confined(plan: Plan, allowed: frozenset[str]) -> Plan:
    """The plan without the tiers that its caller may not use, now or when another fails."""
    cascade, overflow, fallback = (
        tuple(tier for tier in tiers if tier.name in allowed)
        for tiers in (plan.cascade, plan.overflow, plan.fallback)
    )
    if not cascade:
        names = ", ".join(tier.name for tier in plan.cascade)
        text = f"the key may not use {names}; it may use {', '.join(sorted(allowed)) or 'no tier'}"
        raise RequestError(Reason.TIER_NOT_ALLOWED, text)
    if cascade == plan.cascade:
        return replace(plan, overflow=overflow, fallback=fallback)
    return replace(
        plan,
        cascade=cascade,
        overflow=overflow,
        fallback=fallback,
        threshold=plan.threshold if len(cascade) > 1 else 0.0,
        method=plan.method if len(cascade) > 1 else "",
        adjustments=(*plan.adjustments, Adjustment.CAPPED)
        if Adjustment.CAPPED not in plan.adjustments
        else plan.adjustments,
    )


def _check_options(table: RoutingTable, task: Task) -> None:
    options = task.routing
    for field, name in (("routing.tier", options.tier), ("routing.max_tier", options.max_tier)):
        if name and table.rank(name) < 0:
            known = ", ".join(tier.name for tier in table.tiers)
            fault = Fault(field, f"there is no such tier; the tiers are {known}")
            raise InvalidRequest((fault,), reason=Reason.UNKNOWN_TIER)
    if (
        options.tier
        and options.max_tier
        and table.rank(options.tier) > table.rank(options.max_tier)
    ):
        fault = Fault("routing.tier", f"{options.tier!r} is above max_tier {options.max_tier!r}")
        raise InvalidRequest((fault,))


def _row(table: RoutingTable, task: Task) -> tuple[Policy, Rule]:
    if task.routing.tier:
        return Policy((task.routing.tier,)), Rule.PINNED
    if task.task_type in table.rows:
        return table.rows[task.task_type], Rule.TASK_TYPE
    if table.default is None:
        known = ", ".join(sorted(table.rows))
        fault = Fault("task_type", f"there is no row for it; rows: {known}")
        raise InvalidRequest((fault,), reason=Reason.UNKNOWN_TASK_TYPE)
    return table.default, Rule.DEFAULT


def _with_escalation(
    table: RoutingTable, task: Task, policy: Policy, changes: list[Adjustment]
) -> tuple[str, ...]:
    wanted = task.routing.escalation
    if wanted is False and len(policy.cascade) > 1:
        changes.append(Adjustment.ESCALATION_OFF)
        return policy.cascade[:1]
    if wanted is True and len(policy.cascade) == 1:
        cascade = _cascade_around(table, policy.cascade[0])
        if len(cascade) > 1:
            changes.append(Adjustment.ESCALATION_ON)
        return cascade
    return policy.cascade


def _cascade_around(table: RoutingTable, tier: str) -> tuple[str, ...]:
    """Make a cascade of a single tier: drafts come from below it where there is a below, else it drafts itself."""
    ladder = table.escalation.cascade
    if table.rank(tier) > table.rank(ladder[0]):
        return (ladder[0], tier)
    return (tier, *(name for name in ladder if table.rank(name) > table.rank(tier)))


def _with_cap(
    table: RoutingTable, task: Task, names: tuple[str, ...], changes: list[Adjustment]
) -> tuple[str, ...]:
    if not task.routing.max_tier:
        return names
    cap = table.rank(task.routing.max_tier)
    allowed = tuple(name for name in names if table.rank(name) <= cap)
    if allowed == names:
        return names
    changes.append(Adjustment.CAPPED)
    return allowed or (task.routing.max_tier,)


def _threshold(
    task: Task, source: Policy, cascade: tuple[Tier, ...], changes: list[Adjustment]
) -> tuple[float, str]:
    if len(cascade) == 1:
        return 0.0, ""
    if task.routing.confidence_threshold is None:
        return source.threshold, source.method
    changes.append(Adjustment.THRESHOLD)
    return task.routing.confidence_threshold, source.method


def _with_context(
    table: RoutingTable, task: Task, names: tuple[str, ...], changes: list[Adjustment]
) -> tuple[tuple[Tier, ...], tuple[Tier, ...]]:
    """Leave out the tiers that cannot hold the prompt; name those that may take over when one turns out too small."""
    wanted = tuple(table.tiers[table.rank(name)] for name in names)
    fitting = tuple(tier for tier in wanted if fits(tier, task))
    if len(fitting) < len(wanted):
        changes.append(Adjustment.CONTEXT_SKIP)
    if not fitting:
        fitting = tuple(t for t in _outside(table, task, wanted, wanted[0]) if fits(t, task))[:1]
    if not fitting:
        fault = Fault("messages", "no allowed tier's model can hold the prompt and the answer")
        raise InvalidRequest((fault,), reason=Reason.CONTEXT_TOO_LONG)
    if task.routing.escalation is False:
        return fitting, ()
    return fitting, _outside(table, task, wanted, fitting[0])


def _outside(
    table: RoutingTable, task: Task, wanted: tuple[Tier, ...], above: Tier
) -> tuple[Tier, ...]:
    """List the allowed tiers stronger than `above` that the row does not name; none beside a pinned tier."""
    if task.routing.tier:
        return ()
    cap = table.rank(task.routing.max_tier) if task.routing.max_tier else len(table.tiers) - 1
    stronger = table.tiers[table.rank(above.name) + 1 : cap + 1]
    return tuple(tier for tier in stronger if tier not in wanted)


def _fallback(
    table: RoutingTable, task: Task, strongest: Tier, overflow: tuple[Tier, ...]
) -> tuple[Tier, ...]:
    """List the tiers that may answer for want of an available model: none where nothing may take over for length."""
    if not table.fallback_to_next_tier:
        return ()
    above = table.rank(strongest.name)
    return tuple(t for t in overflow if table.rank(t.name) > above and fits(t, task))


def output_limit(tier: Tier, task: Task) -> int:
    """The most output tokens an attempt of `task` at `tier` may write: the caller's wish within the model's limit."""
    wish = task.generation.max_output_tokens or tier.max_output_tokens
    return min(wish, tier.model.max_output_tokens)


def fits(tier: Tier, task: Task) -> bool:
    """Whether the tier's model can hold the estimated prompt and the longest answer together."""
    return _holds(tier, task, prompt_tokens(task.prompt, tier.model))


def _holds(tier: Tier, task: Task, input_tokens: int) -> bool:
    return input_tokens + output_limit(tier, task) <= tier.model.context_tokens


def with_version(table: RoutingTable, version: str) -> RoutingTable:
    """The same table under another version."""
    return replace(table, version=version)
