"""The heart: how a task climbs its tiers, as one pure function.

`step(state, event)` answers with the next state and the effects the engine must carry out. Events are facts about
attempts; text does not pass through here. Every call to a model is reserved first (Reserve, answered by Granted or
Denied), so that deadline, cost cap and ledger have one place to say no.

    READY ──Asked──> RESERVING ──Granted──> ATTEMPTING ──Answered──> RESERVING (the check)
                        │  ^                    │                        │ Granted
                        │  └──── escalate ──────┤                        v
                        │  ^                    │                     CHECKING
                        │  └──── escalate ──────┼────────────────────────┤
                        v                       v                        v
                       DONE <───────────────── DONE <────────────────── DONE

An attempt that fails because its model is not available, before the caller saw any of its text, is made again: by the
tier's next fallback model, else by the next stronger tier.

Two rules hold whatever happens: an attempt is superseded before its replacement starts and never becomes the answer
afterwards; and every path ends in exactly one Finish or Abort.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from tierwise_server.core.model import CallKind, FinishReason, Tier
from tierwise_server.core.succession import NOTHING_YET, Past, after_failure, stronger
from tierwise_server.errors import Reason, TierwiseError

if TYPE_CHECKING:
    from tierwise_server.core.table import Plan


class EscalationReason(enum.Enum):
    """Why a stronger tier is asked."""

    LOW_CONFIDENCE = enum.auto()
    CHECK_UNREADABLE = enum.auto()
    CHECK_FAILED = enum.auto()
    INCOMPLETE = enum.auto()
    ATTEMPT_FAILED = enum.auto()
    CONTEXT_TOO_LONG = enum.auto()


class Acceptance(enum.Enum):
    """On what ground an answer is accepted."""

    UNCHECKED = enum.auto()
    ACCEPTED = enum.auto()
    ACCEPTED_LOW = enum.auto()


class CheckOutcome(enum.Enum):
    """What follows from a check."""

    ACCEPTED = enum.auto()
    ESCALATED = enum.auto()
    ACCEPTED_LOW = enum.auto()


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a model: the attempt it belongs to (from 1), what it is for, and the tier asked."""

    attempt: int
    kind: CallKind
    tier: Tier


# Events: what happened.


@dataclass(frozen=True, slots=True)
class Asked:
    """The task arrived."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The reserved call may be made."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The reserved call may not be made, for `reason`: DEADLINE_EXCEEDED, BUDGET_EXCEEDED and the like."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Answered:
    """The attempt's model finished. `empty`: without any text."""

    finish_reason: FinishReason
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed. `shown`: some of its text reached the caller as part of the answer, not as provisional."""

    reason: Reason
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The check answered; None when its answer was unreadable."""

    confidence: float | None


@dataclass(frozen=True, slots=True)
class CheckFailed:
    """The check call failed."""


Event = Asked | Granted | Denied | Answered | Failed | Checked | CheckFailed


# Effects: what the engine must do, in order.


@dataclass(frozen=True, slots=True)
class Reserve:
    """See whether the call can be paid for and recorded; answer Granted or Denied."""

    call: Call


@dataclass(frozen=True, slots=True)
class Run:
    """Make the call; answer Answered or Failed for an attempt, Checked or CheckFailed for a check."""

    call: Call


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """Tell the caller what followed from the last check."""

    outcome: CheckOutcome


@dataclass(frozen=True, slots=True)
class Supersede:
    """Tell the caller that an attempt's text is void."""

    attempt: int
    replacement: int
    reason: EscalationReason


@dataclass(frozen=True, slots=True)
class Finish:
    """The attempt's text is the answer."""

    attempt: int
    acceptance: Acceptance


@dataclass(frozen=True, slots=True)
class Abort:
    """There is no answer."""

    reason: Reason


Effect = Reserve | Run | ReportCheck | Supersede | Finish | Abort
Effects = tuple[Effect, ...]


class Phase(enum.Enum):
    """Where a task stands."""

    READY = enum.auto()
    RESERVING = enum.auto()
    ATTEMPTING = enum.auto()
    CHECKING = enum.auto()
    DONE = enum.auto()


ACCEPTS: dict[Phase, tuple[type[Event], ...]] = {
    Phase.READY: (Asked,),
    Phase.RESERVING: (Granted, Denied),
    Phase.ATTEMPTING: (Answered, Failed),
    Phase.CHECKING: (Checked, CheckFailed),
    Phase.DONE: (),
}
"""Which events each phase takes. Any other is a fault of the engine."""


class IllegalEvent(TierwiseError):
    """The engine reported an event that the phase does not take."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a task stands in its climb.

    Attributes:
        call: the call being reserved or run; None before the first.
        climb: why that call replaces the attempt before it; None when it does not.
        unreported: whether a check's outcome is still to be told.
        failure: why the last attempt failed; None when it left a draft.
        past: what the attempts so far have shown.
    """

    plan: Plan
    phase: Phase = Phase.READY
    call: Call | None = None
    climb: EscalationReason | None = None
    unreported: bool = False
    failure: Reason | None = None
    past: Past = NOTHING_YET


def step(state: State, event: Event) -> tuple[State, Effects]:
    """Take one event; answer the next state and the effects to carry out in order.

    Raises:
        IllegalEvent: the phase does not take the event.
    """
    if not isinstance(event, ACCEPTS[state.phase]):
        raise IllegalEvent(f"{type(event).__name__} in phase {state.phase.name}")
    match event:
        case Asked():
            return _reserve(
                state, Call(1, _kind(state.plan, state.plan.cascade[0]), state.plan.cascade[0])
            )
        case Granted():
            return _granted(state)
        case Denied(reason):
            return _denied(state, reason)
        case Answered():
            return _answered(state, event)
        case Failed():
            return _failed(state, event)
        case Checked(confidence):
            return _checked(state, confidence)
        case CheckFailed():
            return _escalate(replace(state, unreported=True), EscalationReason.CHECK_FAILED)
        case _:
            assert_never(event)


def _granted(state: State) -> tuple[State, Effects]:
    call = _current(state)
    if call.kind is CallKind.CHECK:
        return replace(state, phase=Phase.CHECKING), (Run(call),)
    effects: Effects = (Run(call),)
    if state.climb is not None:
        effects = (Supersede(call.attempt - 1, call.attempt, state.climb), *effects)
    if state.unreported:
        effects = (ReportCheck(CheckOutcome.ESCALATED), *effects)
    attempting = replace(
        state,
        phase=Phase.ATTEMPTING,
        climb=None,
        unreported=False,
        failure=None,
        past=state.past.with_asked(call.tier),
    )
    return attempting, effects


def _denied(state: State, reason: Reason) -> tuple[State, Effects]:
    call = _current(state)
    if call.kind is CallKind.CHECK:
        return _finish(state, call.attempt, Acceptance.ACCEPTED_LOW)
    if state.failure is not None:
        return _abort(state, state.failure)
    if state.climb is None:
        return _abort(state, reason)
    done, effects = _finish(state, call.attempt - 1, Acceptance.ACCEPTED_LOW)
    if state.unreported:
        effects = (ReportCheck(CheckOutcome.ACCEPTED_LOW), *effects)
    return done, effects


def _answered(state: State, event: Answered) -> tuple[State, Effects]:
    call = _current(state)
    if call.kind is CallKind.DIRECT:
        return _finish(state, call.attempt, Acceptance.UNCHECKED)
    if event.empty or not event.finish_reason.whole:
        return _escalate(state, EscalationReason.INCOMPLETE)
    return _reserve(state, Call(call.attempt, CallKind.CHECK, call.tier))


def _failed(state: State, event: Failed) -> tuple[State, Effects]:
    call = _current(state)
    if event.shown:
        return _abort(state, Reason.UPSTREAM_INTERRUPTED)
    failed = replace(state, failure=event.reason)
    reason = EscalationReason.ATTEMPT_FAILED
    if event.reason is Reason.CONTEXT_TOO_LONG:
        failed = replace(failed, past=state.past.with_outgrown(call.tier))
        reason = EscalationReason.CONTEXT_TOO_LONG
    following = after_failure(failed.plan, call.tier, event.reason, failed.past)
    if following is None:
        return _abort(failed, event.reason)
    return _climb(failed, following, reason)


def _checked(state: State, confidence: float | None) -> tuple[State, Effects]:
    call = _current(state)
    unreported = replace(state, unreported=True)
    if confidence is None:
        return _escalate(unreported, EscalationReason.CHECK_UNREADABLE)
    # Written so that a NaN, which compares false with everything, never accepts.
    if confidence >= state.plan.threshold:
        done, effects = _finish(state, call.attempt, Acceptance.ACCEPTED)
        return done, (ReportCheck(CheckOutcome.ACCEPTED), *effects)
    return _escalate(unreported, EscalationReason.LOW_CONFIDENCE)


def _escalate(state: State, reason: EscalationReason) -> tuple[State, Effects]:
    return _climb(state, stronger(state.plan, _current(state).tier)[0], reason)


def _climb(state: State, tier: Tier, reason: EscalationReason) -> tuple[State, Effects]:
    attempt = _current(state).attempt + 1
    return _reserve(replace(state, climb=reason), Call(attempt, _kind(state.plan, tier), tier))


def _reserve(state: State, call: Call) -> tuple[State, Effects]:
    return replace(state, phase=Phase.RESERVING, call=call), (Reserve(call),)


def _finish(state: State, attempt: int, acceptance: Acceptance) -> tuple[State, Effects]:
    return replace(state, phase=Phase.DONE), (Finish(attempt, acceptance),)


def _abort(state: State, reason: Reason) -> tuple[State, Effects]:
    return replace(state, phase=Phase.DONE), (Abort(reason),)


def _kind(plan: Plan, tier: Tier) -> CallKind:
    return CallKind.DRAFT if stronger(plan, tier) else CallKind.DIRECT


def _current(state: State) -> Call:
    if state.call is None:
        raise IllegalEvent("no call is under way")
    return state.call
