"""The published rule, told a second time, against the step function on every small climb."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from tests.unit.core.builders import a_model, a_plan, a_tier
from tests.unit.core.cascade_facts import facts_after
from tierwise_server.core.cascade import (
    Abort,
    Acceptance,
    Answered,
    Asked,
    Call,
    Checked,
    CheckOutcome,
    Denied,
    Effect,
    EscalationReason,
    Event,
    Failed,
    Finish,
    Phase,
    ReportCheck,
    Reserve,
    Run,
    State,
    Supersede,
    step,
)
from tierwise_server.core.model import CallKind, FinishReason, Tier
from tierwise_server.core.table import Plan
from tierwise_server.errors import Reason

HOPELESS = {
    "UPSTREAM_AUTH",
    "UPSTREAM_SPEND_LIMIT",
    "LEDGER_UNAVAILABLE",
    "OVERLOADED",
    "INTERNAL",
}
THE_MODELS_OWN = {
    "UPSTREAM_RATE_LIMITED",
    "UPSTREAM_OVERLOADED",
    "UPSTREAM_UNAVAILABLE",
    "UPSTREAM_TIMEOUT",
    "UPSTREAM_INTERRUPTED",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_MODEL_MISSING",
}

Facts = Iterator[Event]


class Before(NamedTuple):
    """What went before an attempt: who was asked, why it did not do, what is to be told, and what is too small."""

    asked: tuple[str, ...] = ()
    too_small: int = 0
    why: EscalationReason | None = None
    checked: bool = False
    failure: Reason | None = None

    @property
    def attempts(self) -> int:
        return len(self.asked)

    def then(
        self,
        tier: Tier,
        why: EscalationReason,
        *,
        checked: bool = False,
        failure: Reason | None = None,
    ) -> Before:
        """Add the tier's attempt, which did not do either."""
        too_small = self.too_small
        if failure is Reason.CONTEXT_TOO_LONG:
            too_small = max(too_small, tier.model.context_tokens)
        return Before((*self.asked, tier.name), too_small, why, checked, failure)


def climb(plan: Plan, tier: Tier, before: Before, facts: Facts) -> list[Effect]:
    """Ask a tier if that can be paid for; else make do with what there is."""
    drafts = tier.name in [drafting.name for drafting in plan.cascade[:-1]]
    call = Call(before.attempts + 1, CallKind.DRAFT if drafts else CallKind.DIRECT, tier)
    permission = next(facts)
    if isinstance(permission, Denied):
        return [Reserve(call), *make_do(before, permission.reason)]
    return [Reserve(call), *withdraw(before), Run(call), *hear(plan, call, before, facts)]


def make_do(before: Before, reason: Reason) -> list[Effect]:
    if before.failure or not before.attempts:
        return [Abort(before.failure or reason)]
    finish = Finish(before.attempts, Acceptance.ACCEPTED_LOW)
    return [ReportCheck(CheckOutcome.ACCEPTED_LOW), finish] if before.checked else [finish]


def withdraw(before: Before) -> list[Effect]:
    if before.why is None:
        return []
    void = Supersede(before.attempts, before.attempts + 1, before.why)
    return [ReportCheck(CheckOutcome.ESCALATED), void] if before.checked else [void]


def hear(plan: Plan, call: Call, before: Before, facts: Facts) -> list[Effect]:
    """Take an attempt's outcome: failed, the answer, not worth a check, or to be checked."""
    outcome = next(facts)
    if isinstance(outcome, Failed):
        return mend(plan, call, before, outcome, facts)
    if call.kind is CallKind.DIRECT:
        return [Finish(call.attempt, Acceptance.UNCHECKED)]
    if outcome == Answered(FinishReason.STOP):
        return ask_how_sure(plan, call, before, facts)
    incomplete = before.then(call.tier, EscalationReason.INCOMPLETE)
    return climb(plan, above(plan, call)[0], incomplete, facts)


def ask_how_sure(plan: Plan, draft: Call, before: Before, facts: Facts) -> list[Effect]:
    check = Call(draft.attempt, CallKind.CHECK, draft.tier)
    if isinstance(next(facts), Denied):
        return [Reserve(check), Finish(draft.attempt, Acceptance.ACCEPTED_LOW)]
    outcome = next(facts)
    sure = outcome.confidence if isinstance(outcome, Checked) else None
    if sure is not None and sure >= plan.threshold:
        kept = Finish(draft.attempt, Acceptance.ACCEPTED)
        return [Reserve(check), Run(check), ReportCheck(CheckOutcome.ACCEPTED), kept]
    why = EscalationReason.CHECK_FAILED
    if isinstance(outcome, Checked):
        why = (
            EscalationReason.LOW_CONFIDENCE
            if sure is not None
            else EscalationReason.CHECK_UNREADABLE
        )
    doubted = before.then(draft.tier, why, checked=True)
    return [Reserve(check), Run(check), *climb(plan, above(plan, draft)[0], doubted, facts)]


def mend(plan: Plan, call: Call, before: Before, failed: Failed, facts: Facts) -> list[Effect]:
    """Ask somebody else after a failure, unless text was shown or nobody else can do it."""
    if failed.shown:
        return [Abort(Reason.UPSTREAM_INTERRUPTED)]
    why = EscalationReason.ATTEMPT_FAILED
    if failed.reason is Reason.CONTEXT_TOO_LONG:
        why = EscalationReason.CONTEXT_TOO_LONG
    after = before.then(call.tier, why, failure=failed.reason)
    others = above(plan, call)
    if failed.reason is Reason.CONTEXT_TOO_LONG:
        others = able(after, [*others, *plan.overflow])
    elif failed.reason.name in THE_MODELS_OWN:
        fallbacks = [t for t in same_tier(call.tier) if t.model.context_tokens > after.too_small]
        others = [*fallbacks, *(others or able(after, beyond(plan, call)))]
    if not others or failed.reason.name in HOPELESS:
        return [Abort(failed.reason)]
    return climb(plan, others[0], after, facts)


def same_tier(tier: Tier) -> list[Tier]:
    """List the tier with each of its fallbacks in the model's place."""
    left = tier.fallbacks
    return [replace(tier, model=model, fallbacks=left[at + 1 :]) for at, model in enumerate(left)]


def beyond(plan: Plan, call: Call) -> list[Tier]:
    """List the tiers that stand in for want of the cascade's: those stronger than the call's."""
    names = [tier.name for tier in plan.fallback]
    at = names.index(call.tier.name) + 1 if call.tier.name in names else 0
    return list(plan.fallback[at:])


def able(before: Before, tiers: list[Tier]) -> list[Tier]:
    """Keep the tiers that are new and not known to be too small."""
    return [
        tier
        for tier in tiers
        if tier.name not in before.asked and tier.model.context_tokens > before.too_small
    ]


def above(plan: Plan, call: Call) -> list[Tier]:
    """List the cascade's tiers above a call's; none above one from outside the cascade."""
    names = [tier.name for tier in plan.cascade]
    at = names.index(call.tier.name) if call.tier.name in names else len(names)
    return list(plan.cascade[at + 1 :])


Climb = tuple[State, tuple[Effect, ...], tuple[Event, ...]]


def every_climb(plan: Plan) -> Iterator[Climb]:
    """Enumerate whole climbs by the step function: the last state, all effects, all facts."""

    def go_on(state: State, told: tuple[Effect, ...], facts: tuple[Event, ...]) -> Iterator[Climb]:
        choices = facts_after(told[-1])
        if not choices:
            yield state, told, facts
        for fact in choices:
            following, effects = step(state, fact)
            yield from go_on(following, told + effects, (*facts, fact))

    return go_on(*step(State(plan), Asked()), ())


def tiers_holding(word: str, context_tokens: tuple[int, ...]) -> tuple[Tier, ...]:
    return tuple(a_tier(f"{word}-{i}", context_tokens=c) for i, c in enumerate(context_tokens))


@pytest.mark.parametrize("overflow", [(), (200,), (100, 300)])
@pytest.mark.parametrize("tiers", [1, 2, 3])
def test_every_climb_follows_the_published_rule(tiers: int, overflow: tuple[int, ...]) -> None:
    for held in itertools.product((100, 200, 300), repeat=tiers):
        plan = a_plan(*tiers_holding("tier", held), overflow=tiers_holding("over", overflow))
        follow_every_climb(plan)


@pytest.mark.parametrize("standing_in", [0, 1, 2])
@pytest.mark.parametrize("fallbacks", [(), (100,), (300, 100)])
@pytest.mark.parametrize("tiers", [1, 2])
def test_every_climb_that_falls_back_follows_the_published_rule(
    tiers: int, fallbacks: tuple[int, ...], standing_in: int
) -> None:
    models = tuple(a_model(f"other-{i}", context_tokens=c) for i, c in enumerate(fallbacks))
    for held in itertools.product((100, 200), repeat=tiers + 2):
        known = tuple(replace(t, fallbacks=models) for t in tiers_holding("tier", held))
        overflow = known[tiers:]
        plan = a_plan(*known[:tiers], overflow=overflow, fallback=overflow[2 - standing_in :])
        follow_every_climb(plan)


def follow_every_climb(plan: Plan) -> None:
    for state, told, facts in every_climb(plan):
        unused = iter(facts)
        assert told == tuple(climb(plan, plan.cascade[0], Before(), unused)), facts
        assert next(unused, None) is None
        assert state.phase is Phase.DONE


@pytest.mark.parametrize(
    ("tiers", "climbs"),
    # The last tier ends in 9 ways (denied, or one of 8 outcomes). A draft ends the climb in 5 ways
    # (denied, failed for good in 2 ways, its check denied, accepted) and goes on in 8.
    [(1, 9), (2, 5 + 8 * 9), (3, 5 + 8 * (5 + 8 * 9))],
)
def test_enumeration_holds_every_climb_of_equal_models(tiers: int, climbs: int) -> None:
    plan = a_plan(*tiers_holding("tier", (100,) * tiers))
    told = [facts for _, _, facts in every_climb(plan)]
    assert len(told) == climbs


@pytest.mark.parametrize("spare", [1, 2])
def test_enumeration_holds_every_climb_of_one_tier_with_fallbacks(spare: int) -> None:
    # Of a tier's 9 ways one, the model's own failure, goes on to the next model.
    [tier] = tiers_holding("tier", (100,))
    models = tuple(a_model(f"other-{i}", context_tokens=100) for i in range(spare))
    told = [facts for _, _, facts in every_climb(a_plan(replace(tier, fallbacks=models)))]
    assert len(told) == 8 * spare + 9
