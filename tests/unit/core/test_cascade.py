"""Each step of the cascade by itself: what every phase takes, and where every outcome leads."""

from __future__ import annotations

import math

import pytest

from tests.unit.core.builders import EFFICIENT, FRONTIER, REASONING, a_plan, a_tier
from tests.unit.core.cascade_facts import LEGAL, ONE_OF_EACH
from tierwise_server.core import cascade
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
    Effects,
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

TWO_TIERS = a_plan(EFFICIENT, FRONTIER)
ONE_TIER = a_plan(FRONTIER)
DRAFT = Call(1, CallKind.DRAFT, EFFICIENT)
CHECK = Call(1, CallKind.CHECK, EFFICIENT)
REPLACEMENT = Call(2, CallKind.DIRECT, FRONTIER)

WHOLE = Answered(FinishReason.STOP)
TO_DRAFTED = (Asked(), Granted(), WHOLE)
TO_CHECKING = (*TO_DRAFTED, Granted())

WAYS_INTO: list[tuple[Phase, tuple[Event, ...]]] = [
    (Phase.READY, ()),
    (Phase.RESERVING, (Asked(),)),
    (Phase.RESERVING, TO_DRAFTED),
    (Phase.RESERVING, (*TO_CHECKING, Checked(0.1))),
    (Phase.ATTEMPTING, (Asked(), Granted())),
    (Phase.CHECKING, TO_CHECKING),
    (Phase.DONE, (Asked(), Denied(Reason.BUDGET_EXCEEDED))),
    (Phase.DONE, (*TO_CHECKING, Checked(0.9))),
]


def after(plan: Plan, *events: Event) -> tuple[State, Effects]:
    """Play events from the start; return where that leads, and the last step's effects."""
    state = State(plan)
    effects: Effects = ()
    for event in events:
        state, effects = step(state, event)
    return state, effects


def effects_of(plan: Plan, *events: Event) -> Effects:
    """Play events that end the task or reserve the next call; return the last step's effects."""
    return after(plan, *events)[1]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize(("phase", "way"), WAYS_INTO)
def test_phase_takes_its_own_events_and_no_others(
    phase: Phase, way: tuple[Event, ...], event: Event
) -> None:
    state, _ = after(TWO_TIERS, *way)
    assert state.phase is phase
    if type(event).__name__ in LEGAL[phase]:
        assert step(state, event)[1]
    else:
        with pytest.raises(IllegalEvent, match=f"{type(event).__name__} in phase {phase.name}"):
            step(state, event)


def test_state_without_a_call_refuses_an_answer_to_one() -> None:
    with pytest.raises(IllegalEvent, match="no call"):
        step(State(TWO_TIERS, Phase.RESERVING), Granted())


def test_one_tier_answers_unchecked() -> None:
    direct = Call(1, CallKind.DIRECT, FRONTIER)
    assert effects_of(ONE_TIER, Asked()) == (Reserve(direct),)
    assert effects_of(ONE_TIER, Asked(), Granted()) == (Run(direct),)
    assert effects_of(ONE_TIER, *TO_DRAFTED) == (Finish(1, Acceptance.UNCHECKED),)


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("reason", FinishReason)
def test_one_tier_answer_is_the_answer_however_it_stopped(
    reason: FinishReason, empty: bool
) -> None:
    answered = Answered(reason, empty=empty)
    effects = effects_of(ONE_TIER, Asked(), Granted(), answered)
    assert effects == (Finish(1, Acceptance.UNCHECKED),)


def test_whole_draft_is_checked_at_its_own_tier() -> None:
    assert effects_of(TWO_TIERS, Asked()) == (Reserve(DRAFT),)
    assert effects_of(TWO_TIERS, Asked(), Granted()) == (Run(DRAFT),)
    assert effects_of(TWO_TIERS, *TO_DRAFTED) == (Reserve(CHECK),)
    assert effects_of(TWO_TIERS, *TO_CHECKING) == (Run(CHECK),)


@pytest.mark.parametrize("reason", FinishReason)
def test_only_a_whole_draft_is_worth_a_check(reason: FinishReason) -> None:
    whole = reason in {FinishReason.STOP, FinishReason.STOP_SEQUENCE}
    following = CHECK if whole else REPLACEMENT
    assert effects_of(TWO_TIERS, Asked(), Granted(), Answered(reason)) == (Reserve(following),)


def test_empty_draft_escalates_as_incomplete() -> None:
    events = (Asked(), Granted(), Answered(FinishReason.STOP, empty=True))
    assert effects_of(TWO_TIERS, *events) == (Reserve(REPLACEMENT),)
    assert effects_of(TWO_TIERS, *events, Granted()) == (
        Supersede(1, 2, EscalationReason.INCOMPLETE),
        Run(REPLACEMENT),
    )


@pytest.mark.parametrize(
    ("confidence", "threshold", "accepted"),
    [
        (0.8, 0.8, True),
        (math.nextafter(0.8, 0.0), 0.8, False),
        (0.7, 0.8, False),
        (1.0, 1.0, True),
        (0.0, 0.0, True),
        (0.0, 0.8, False),
        (-0.0, 0.0, True),
        (-0.1, 0.0, False),
        (math.nan, 0.8, False),
        (math.nan, 0.0, False),
        (1.0, math.nan, False),
        (math.nan, math.nan, False),
        (math.inf, 0.8, True),
        (-math.inf, 0.0, False),
        (math.inf, math.nan, False),
    ],
)
def test_check_accepts_only_at_or_above_the_threshold(
    confidence: float, threshold: float, accepted: bool
) -> None:
    plan = a_plan(EFFICIENT, FRONTIER, threshold=threshold)
    effects = effects_of(plan, *TO_CHECKING, Checked(confidence))
    if accepted:
        assert effects == (ReportCheck(CheckOutcome.ACCEPTED), Finish(1, Acceptance.ACCEPTED))
    else:
        assert effects == (Reserve(REPLACEMENT),)


@pytest.mark.parametrize("score", range(1, 11))
def test_published_threshold_accepts_eight_and_more(score: int) -> None:
    effects = effects_of(TWO_TIERS, *TO_CHECKING, Checked(score / 10))
    assert (effects[0] == ReportCheck(CheckOutcome.ACCEPTED)) is (score >= 8)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Checked(0.7), EscalationReason.LOW_CONFIDENCE),
        (Checked(math.nan), EscalationReason.LOW_CONFIDENCE),
        (Checked(None), EscalationReason.CHECK_UNREADABLE),
        (CheckFailed(), EscalationReason.CHECK_FAILED),
    ],
)
def test_check_that_does_not_accept_escalates_once_granted(
    outcome: Event, reason: EscalationReason
) -> None:
    assert effects_of(TWO_TIERS, *TO_CHECKING, outcome) == (Reserve(REPLACEMENT),)
    assert effects_of(TWO_TIERS, *TO_CHECKING, outcome, Granted()) == (
        ReportCheck(CheckOutcome.ESCALATED),
        Supersede(1, 2, reason),
        Run(REPLACEMENT),
    )


@pytest.mark.parametrize("outcome", [Checked(0.7), Checked(None), CheckFailed()])
def test_escalation_denied_after_a_check_keeps_the_draft(outcome: Event) -> None:
    denied = Denied(Reason.BUDGET_EXCEEDED)
    assert effects_of(TWO_TIERS, *TO_CHECKING, outcome, denied) == (
        ReportCheck(CheckOutcome.ACCEPTED_LOW),
        Finish(1, Acceptance.ACCEPTED_LOW),
    )


def test_escalation_denied_after_a_cut_draft_keeps_the_draft() -> None:
    events = (Asked(), Granted(), Answered(FinishReason.LENGTH), Denied(Reason.DEADLINE_EXCEEDED))
    assert effects_of(TWO_TIERS, *events) == (Finish(1, Acceptance.ACCEPTED_LOW),)


def test_check_denied_keeps_the_draft_and_reports_no_check() -> None:
    denied = Denied(Reason.DEADLINE_EXCEEDED)
    assert effects_of(TWO_TIERS, *TO_DRAFTED, denied) == (Finish(1, Acceptance.ACCEPTED_LOW),)


@pytest.mark.parametrize("plan", [ONE_TIER, TWO_TIERS])
def test_first_call_denied_aborts_for_that_reason(plan: Plan) -> None:
    events = (Asked(), Denied(Reason.BUDGET_EXCEEDED))
    assert effects_of(plan, *events) == (Abort(Reason.BUDGET_EXCEEDED),)


def test_escalation_denied_after_a_failure_aborts_for_the_failure() -> None:
    failed = Failed(Reason.UPSTREAM_OVERLOADED)
    events = (Asked(), Granted(), failed, Denied(Reason.BUDGET_EXCEEDED))
    assert effects_of(TWO_TIERS, *events) == (Abort(Reason.UPSTREAM_OVERLOADED),)


def test_failure_is_forgotten_once_a_later_tier_leaves_a_draft() -> None:
    plan = a_plan(EFFICIENT, FRONTIER, REASONING)
    failed_then_drafted = (Asked(), Granted(), Failed(Reason.UPSTREAM_TIMEOUT), Granted(), WHOLE)
    denied = Denied(Reason.BUDGET_EXCEEDED)
    low = (Granted(), Checked(0.1))
    assert effects_of(plan, *failed_then_drafted, *low, denied) == (
        ReportCheck(CheckOutcome.ACCEPTED_LOW),
        Finish(2, Acceptance.ACCEPTED_LOW),
    )


def test_state_says_why_it_climbs_only_until_the_replacement_runs() -> None:
    plan = a_plan(EFFICIENT, FRONTIER, REASONING)
    doubted = (*TO_CHECKING, Checked(0.1))
    state, _ = after(plan, *doubted)
    assert (state.climb, state.unreported) == (EscalationReason.LOW_CONFIDENCE, True)
    state, _ = after(plan, *doubted, Granted(), WHOLE)
    assert (state.climb, state.unreported) == (None, False)


@pytest.mark.parametrize("reason", Reason)
def test_failed_draft_climbs_unless_the_next_tier_would_fail_as_well(reason: Reason) -> None:
    futile = {
        Reason.UPSTREAM_AUTH,
        Reason.UPSTREAM_SPEND_LIMIT,
        Reason.LEDGER_UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.INTERNAL,
        # Both models hold the same; nothing larger is left.
        Reason.CONTEXT_TOO_LONG,
    }
    plan = a_plan(FRONTIER, REASONING)
    effects = effects_of(plan, Asked(), Granted(), Failed(reason))
    climbs = (Reserve(Call(2, CallKind.DIRECT, REASONING)),)
    assert effects == ((Abort(reason),) if reason in futile else climbs)


def test_failed_draft_is_superseded_before_its_replacement_runs() -> None:
    events = (Asked(), Granted(), Failed(Reason.UPSTREAM_INTERRUPTED), Granted())
    assert effects_of(TWO_TIERS, *events) == (
        Supersede(1, 2, EscalationReason.ATTEMPT_FAILED),
        Run(REPLACEMENT),
    )


@pytest.mark.parametrize("reason", set(Reason) - {Reason.CONTEXT_TOO_LONG})
def test_failed_direct_answer_aborts_for_its_reason(reason: Reason) -> None:
    events = (Asked(), Granted(), Failed(reason))
    assert effects_of(ONE_TIER, *events) == (Abort(reason),)


@pytest.mark.parametrize("reason", [Reason.UPSTREAM_OVERLOADED, Reason.CONTEXT_TOO_LONG])
@pytest.mark.parametrize("plan", [TWO_TIERS, a_plan(EFFICIENT, overflow=(FRONTIER,))])
def test_failure_after_shown_text_never_changes_the_tier(plan: Plan, reason: Reason) -> None:
    events = (Asked(), Granted(), Failed(reason, shown=True))
    assert effects_of(plan, *events) == (Abort(Reason.UPSTREAM_INTERRUPTED),)


SMALL = a_tier("small", context_tokens=100)
SAME = a_tier("same", context_tokens=100)
LARGE = a_tier("large", context_tokens=200)
LARGER = a_tier("larger", context_tokens=300)


@pytest.mark.parametrize(
    ("plan", "next_tier", "kind"),
    [
        (a_plan(SMALL, SAME, LARGE), LARGE, CallKind.DIRECT),
        (a_plan(SMALL, LARGE, LARGER), LARGE, CallKind.DRAFT),
        (a_plan(SMALL, overflow=(SAME, LARGE, LARGER)), LARGE, CallKind.DIRECT),
        (a_plan(SMALL, SAME, overflow=(LARGE,)), LARGE, CallKind.DIRECT),
        (a_plan(SMALL, LARGER, overflow=(LARGE,)), LARGER, CallKind.DIRECT),
        (a_plan(SMALL, SAME), None, None),
        (a_plan(SMALL), None, None),
        (a_plan(LARGE, SMALL, overflow=(SAME,)), None, None),
    ],
)
def test_prompt_too_long_climbs_to_the_next_larger_model_only(
    plan: Plan, next_tier: Tier | None, kind: CallKind | None
) -> None:
    events = (Asked(), Granted(), Failed(Reason.CONTEXT_TOO_LONG))
    if next_tier is None or kind is None:
        assert effects_of(plan, *events) == (Abort(Reason.CONTEXT_TOO_LONG),)
        return
    call = Call(2, kind, next_tier)
    assert effects_of(plan, *events) == (Reserve(call),)
    assert effects_of(plan, *events, Granted()) == (
        Supersede(1, 2, EscalationReason.CONTEXT_TOO_LONG),
        Run(call),
    )
    denied = Denied(Reason.BUDGET_EXCEEDED)
    assert effects_of(plan, *events, denied) == (Abort(Reason.CONTEXT_TOO_LONG),)


def test_prompt_too_long_for_an_overflow_tier_goes_on_to_a_larger_one() -> None:
    plan = a_plan(SMALL, overflow=(LARGE, LARGER))
    too_long = Failed(Reason.CONTEXT_TOO_LONG)
    events = (Asked(), Granted(), too_long, Granted(), too_long)
    assert effects_of(plan, *events) == (Reserve(Call(3, CallKind.DIRECT, LARGER)),)
    assert effects_of(plan, *events, Granted(), WHOLE) == (Finish(3, Acceptance.UNCHECKED),)


def test_every_phase_and_every_event_is_in_the_table() -> None:
    assert set(cascade.ACCEPTS) == set(Phase)
    taken = [event for events in cascade.ACCEPTS.values() for event in events]
    assert sorted(event.__name__ for event in taken) == sorted(
        type(event).__name__ for event in ONE_OF_EACH
    )
