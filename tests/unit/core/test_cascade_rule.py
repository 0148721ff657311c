"""The published rule, told a second time, against the step function on every small climb."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.unit.core.builders import a_plan, a_tier
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

HOPELESS = {"UPSTREAM_AUTH", "UPSTREAM_SPEND_LIMIT", "LEDGER_UNAVAILABLE", "INTERNAL"}

Facts = Iterator[Event]


class Before(NamedTuple):
    """What went before an attempt: how many there were, why they did not do, and what is still to be told."""

    attempts: int = 0
    why: EscalationReason | None = None
    checked: bool = False
    failure: Reason | None = None


def climb(plan: Plan, tier: Tier, before: Before, facts: Facts) -> list[Effect]:
    """Ask a tier if that can be paid for; else make do with what there is."""
    drafts = tier in plan.cascade[:-1]
    call = Call(before.attempts + 1, CallKind.DRAFT if drafts else CallKind.DIRECT, tier)
    permission = next(facts)
    if isinstance(permission, Denied):
        return [Reserve(call), *make_do(before, permission.reason)]
    return [Reserve(call), *withdraw(before), Run(call), *hear(plan, call, facts)]


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


def hear(plan: Plan, call: Call, facts: Facts) -> list[Effect]:
    """Take an attempt's outcome: failed, the answer, not worth a check, or to be checked."""
    outcome = next(facts)
    if isinstance(outcome, Failed):
        return mend(plan, call, outcome, facts)
    if call.kind is CallKind.DIRECT:
        return [Finish(call.attempt, Acceptance.UNCHECKED)]
    if outcome == Answered(FinishReason.STOP):
        return ask_how_sure(plan, call, facts)
    incomplete = Before(call.attempt, EscalationReason.INCOMPLETE)
    return climb(plan, above(plan, call)[0], incomplete, facts)


def ask_how_sure(plan: Plan, draft: Call, facts: Facts) -> list[Effect]:
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
    doubted = Before(draft.attempt, why, checked=True)
    return [Reserve(check), Run(check), *climb(plan, above(plan, draft)[0], doubted, facts)]


def mend(plan: Plan, call: Call, failed: Failed, facts: Facts) -> list[Effect]:
    """Ask somebody else after a failure, unless text was shown or nobody else can do it."""
    if failed.shown:
        return [Abort(Reason.UPSTREAM_INTERRUPTED)]
    others = above(plan, call)
    why = EscalationReason.ATTEMPT_FAILED
    if failed.reason is Reason.CONTEXT_TOO_LONG:
        held = call.tier.model.context_tokens
        others = [t for t in [*others, *plan.overflow] if t.model.context_tokens > held]
        why = EscalationReason.CONTEXT_TOO_LONG
    if not others or failed.reason.name in HOPELESS:
        return [Abort(failed.reason)]
    return climb(plan, others[0], Before(call.attempt, why, failure=failed.reason), facts)


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
        for state, told, facts in every_climb(plan):
            unused = iter(facts)
            assert told == tuple(climb(plan, plan.cascade[0], Before(), unused)), facts
            assert next(unused, None) is None
            assert state.phase is Phase.DONE


@pytest.mark.parametrize(
    ("tiers", "climbs"),
    # The last tier ends in 8 ways (denied, or one of 7 outcomes). A draft ends the climb in 5 ways
    # (denied, failed for good in 2 ways, its check denied, accepted) and goes on in 7.
    [(1, 8), (2, 5 + 7 * 8), (3, 5 + 7 * (5 + 7 * 8))],
)
def test_enumeration_holds_every_climb_of_equal_models(tiers: int, climbs: int) -> None:
    plan = a_plan(*tiers_holding("tier", (100,) * tiers))
    told = [facts for _, _, facts in every_climb(plan)]
    assert len(told) == climbs
