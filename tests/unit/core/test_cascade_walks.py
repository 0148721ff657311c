"""Random climbs: whatever happens, the promises of core/cascade.py hold.

`Witness` keeps only what a caller could see, and none of the cascade's own state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.core.cascade_facts import (
    CONFIDENCES,
    LEGAL,
    ONE_OF_EACH,
    plans,
    random_facts_after,
)
from tierwise_server.core.cascade import (
    Abort,
    Acceptance,
    Answered,
    Asked,
    Call,
    Checked,
    CheckFailed,
    CheckOutcome,
    Denied,
    Effect,
    EscalationReason,
    Event,
    Failed,
    Finish,
    Granted,
    IllegalEvent,
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

WALKS = settings(max_examples=400)

# Written out here, apart from the table under test.
MAY_FALL_BACK = {
    Reason.UPSTREAM_RATE_LIMITED,
    Reason.UPSTREAM_OVERLOADED,
    Reason.UPSTREAM_UNAVAILABLE,
    Reason.UPSTREAM_TIMEOUT,
    Reason.UPSTREAM_INTERRUPTED,
    Reason.UPSTREAM_PROTOCOL,
    Reason.UPSTREAM_MODEL_MISSING,
}


@dataclass
class Witness:
    """Watches one climb and objects to anything the cascade promises never to do."""

    plan: Plan
    fact: Event = field(default_factory=Asked)
    reserved: Call | None = None
    granted: Call | None = None
    attempts: list[Call] = field(default_factory=list)
    void: set[int] = field(default_factory=set)
    checks: int = 0
    reports: list[CheckOutcome] = field(default_factory=list)
    failures: dict[int, Reason] = field(default_factory=dict)
    answer: Answered | None = None
    end: Finish | Abort | None = None

    def hears(self, fact: Event) -> None:
        """Note what the engine reports."""
        self.fact = fact
        if isinstance(fact, Granted):
            self.granted, self.reserved = self.reserved, None
        elif isinstance(fact, Failed):
            self.failures[self.attempts[-1].attempt] = fact.reason
        elif isinstance(fact, Checked | CheckFailed):
            self.checks += 1
        elif isinstance(fact, Answered):
            self.answer = fact

    def sees(self, effect: Effect) -> None:
        """Judge what the engine is told to do."""
        assert self.end is None
        match effect:
            case Reserve(call):
                self.reserved = call
            case Run(call):
                self.sees_run(call)
            case ReportCheck(outcome):
                self.reports.append(outcome)
                assert len(self.reports) == self.checks
            case Supersede():
                self.sees_supersede(effect)
            case Finish() | Abort():
                self.end = effect
                self.sees_end(effect)

    def sees_run(self, call: Call) -> None:
        assert call == self.granted
        self.granted = None
        if call.kind is CallKind.CHECK:
            draft = self.attempts[-1]
            assert draft == Call(call.attempt, CallKind.DRAFT, call.tier)
            assert draft.attempt not in self.failures
            assert self.answer is not None
            assert self.answer.finish_reason.whole
            assert not self.answer.empty
            return
        assert call.attempt == len(self.attempts) + 1
        assert {a.attempt for a in self.attempts} == self.void
        assert call.tier.model.id not in [a.tier.model.id for a in self.attempts]
        assert len(self.reports) == self.checks
        failure = self.failures.get(call.attempt - 1)
        if failure is Reason.CONTEXT_TOO_LONG:
            before = self.attempts[-1].tier.model.context_tokens
            assert call.tier.model.context_tokens > before
        self.sees_tier(call.tier, failure)
        self.attempts.append(call)

    def sees_tier(self, tier: Tier, failure: Reason | None) -> None:
        """Judge who is asked after a failure, or after no failure."""
        if tier.name in [a.tier.name for a in self.attempts]:
            # A tier is asked again only by another model of its own, while its model is not available.
            assert tier.name == self.attempts[-1].tier.name
            assert failure in MAY_FALL_BACK
        if tier in self.plan.fallback or tier in self.plan.overflow:
            assert failure in {*MAY_FALL_BACK, Reason.CONTEXT_TOO_LONG}
        if failure in MAY_FALL_BACK and tier in self.plan.overflow:
            assert tier in self.plan.fallback

    def sees_supersede(self, effect: Supersede) -> None:
        assert isinstance(self.fact, Granted)
        assert len(self.reports) == self.checks
        assert effect.attempt == len(self.attempts)
        assert effect.replacement == effect.attempt + 1
        assert effect.attempt not in self.void
        self.void.add(effect.attempt)
        failure = self.failures.get(effect.attempt)
        assert (effect.reason is EscalationReason.CONTEXT_TOO_LONG) == (
            failure is Reason.CONTEXT_TOO_LONG
        )

    def sees_end(self, effect: Finish | Abort) -> None:
        assert len(self.reports) == self.checks
        if isinstance(effect, Abort):
            # A draft that stands is never thrown away.
            assert not self.attempts or len(self.attempts) in self.failures
            return
        assert effect.attempt == len(self.attempts)
        assert effect.attempt not in self.void
        assert effect.attempt not in self.failures
        if effect.acceptance is Acceptance.ACCEPTED:
            assert isinstance(self.fact, Checked)
            assert self.fact.confidence is not None
            assert self.fact.confidence >= self.plan.threshold
            assert self.reports[-1] is CheckOutcome.ACCEPTED
        elif effect.acceptance is Acceptance.ACCEPTED_LOW:
            assert isinstance(self.fact, Denied)
        else:
            assert isinstance(self.fact, Answered)
            assert self.attempts[-1].kind is CallKind.DIRECT


def refuse_all_others(state: State) -> None:
    """Report every sort of event that the phase does not take."""
    for fact in ONE_OF_EACH:
        if type(fact).__name__ not in LEGAL[state.phase]:
            with pytest.raises(IllegalEvent):
                step(state, fact)


@WALKS
@given(plan=plans(), data=st.data())
def test_climb_keeps_every_promise_whatever_happens(plan: Plan, data: st.DataObject) -> None:
    witness = Witness(plan)
    state, effects = step(State(plan), Asked())
    steps = 1
    while True:
        for effect in effects:
            witness.sees(effect)
        refuse_all_others(state)
        choices = random_facts_after(effects[-1])
        if choices is None:
            break
        fact = data.draw(choices)
        witness.hears(fact)
        again = step(state, fact)
        state, effects = step(state, fact)
        assert (state, effects) == again
        steps += 1
        if isinstance(fact, Failed) and fact.shown:
            assert effects == (Abort(Reason.UPSTREAM_INTERRUPTED),)
    tiers = sum(1 + len(tier.fallbacks) for tier in (*plan.cascade, *plan.overflow))
    assert witness.end is effects[-1]
    assert state.phase is Phase.DONE
    assert len(witness.attempts) <= tiers
    assert steps <= 1 + 4 * tiers
    note(f"{len(witness.attempts)} attempts, {type(witness.end).__name__}")


@WALKS
@given(plan=plans(), data=st.data())
def test_first_confidence_at_or_above_the_threshold_ends_the_climb(
    plan: Plan, data: st.DataObject
) -> None:
    drafts = len(plan.cascade) - 1
    confidences = data.draw(st.lists(CONFIDENCES, min_size=drafts, max_size=drafts))
    expected = Finish(drafts + 1, Acceptance.UNCHECKED)
    for at, confidence in enumerate(confidences):
        if confidence is not None and confidence >= plan.threshold:
            expected = Finish(at + 1, Acceptance.ACCEPTED)
            break
    assert climb_decided_by_checks(plan, confidences) == expected


def climb_decided_by_checks(plan: Plan, confidences: list[float | None]) -> Effect:
    """Grant every call and finish every draft; return how the climb ends."""
    checks = iter(confidences)
    state, effects = step(State(plan), Asked())
    while isinstance(effects[-1], Reserve | Run):
        fact: Event = Granted()
        if isinstance(effects[-1], Run):
            checked = effects[-1].call.kind is CallKind.CHECK
            fact = Checked(next(checks)) if checked else Answered(FinishReason.STOP)
        state, effects = step(state, fact)
    return effects[-1]
