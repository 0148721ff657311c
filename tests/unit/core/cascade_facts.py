"""The events of the cascade: which are legal when, for enumeration and as random choices."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st

from tests.unit.core.builders import a_model, a_plan, a_tier
from tierwise_server.core.cascade import (
    Answered,
    Asked,
    Checked,
    CheckFailed,
    Denied,
    Effect,
    Event,
    Failed,
    Granted,
    Phase,
    Reserve,
    Run,
)
from tierwise_server.core.model import CallKind, FinishReason, Tier
from tierwise_server.core.table import Plan
from tierwise_server.errors import Reason

ONE_OF_EACH: tuple[Event, ...] = (
    Asked(),
    Granted(),
    Denied(Reason.BUDGET_EXCEEDED),
    Answered(FinishReason.STOP),
    Failed(Reason.UPSTREAM_OVERLOADED),
    Checked(0.9),
    CheckFailed(),
)

# Written out here, apart from the table under test.
LEGAL = {
    Phase.READY: {"Asked"},
    Phase.RESERVING: {"Granted", "Denied"},
    Phase.ATTEMPTING: {"Answered", "Failed"},
    Phase.CHECKING: {"Checked", "CheckFailed"},
    Phase.DONE: set[str](),
}

# One fact of every sort that may lead elsewhere, for a threshold of 0.8.
AFTER_RESERVE: tuple[Event, ...] = (Granted(), Denied(Reason.BUDGET_EXCEEDED))
AFTER_CHECK: tuple[Event, ...] = (
    Checked(0.8),
    Checked(0.7),
    Checked(math.nan),
    Checked(None),
    CheckFailed(),
)
AFTER_DRAFT: tuple[Event, ...] = (
    Answered(FinishReason.STOP),
    Answered(FinishReason.STOP, empty=True),
    Answered(FinishReason.REFUSAL),
    Failed(Reason.UPSTREAM_TIMEOUT),
    Failed(Reason.UPSTREAM_REJECTED),
    Failed(Reason.UPSTREAM_AUTH),
    Failed(Reason.CONTEXT_TOO_LONG),
)
AFTER_DIRECT: tuple[Event, ...] = (*AFTER_DRAFT, Failed(Reason.UPSTREAM_TIMEOUT, shown=True))


def facts_after(effect: Effect) -> tuple[Event, ...]:
    """List what an engine may report after this last effect; nothing when the task is over."""
    match effect:
        case Reserve():
            return AFTER_RESERVE
        case Run(call):
            return {
                CallKind.CHECK: AFTER_CHECK,
                CallKind.DRAFT: AFTER_DRAFT,
                CallKind.DIRECT: AFTER_DIRECT,
            }[call.kind]
    return ()


REASONS = st.sampled_from(Reason)
CONFIDENCES = st.one_of(
    st.none(),
    st.integers(1, 10).map(lambda score: score / 10),
    st.floats(),
)
ATTEMPT_FACTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Answered(FinishReason.STOP)),
    st.builds(Answered, st.sampled_from(FinishReason), st.booleans()),
    st.just(Failed(Reason.CONTEXT_TOO_LONG)),
    st.builds(Failed, REASONS, st.booleans()),
)
CHECK_FACTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Checked, CONFIDENCES), st.just(CheckFailed())
)
# Granted three times in four, so that climbs are long.
RESERVE_FACTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Granted()), st.just(Granted()), st.just(Granted()), st.builds(Denied, REASONS)
)


def random_facts_after(effect: Effect) -> st.SearchStrategy[Event] | None:
    """Offer anything that an engine may report after this last effect; None when the task is over."""
    match effect:
        case Reserve():
            return RESERVE_FACTS
        case Run(call):
            return CHECK_FACTS if call.kind is CallKind.CHECK else ATTEMPT_FACTS
    return None


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Make a plan of one to five tiers, some of them overflow, whose models and fallbacks hold different lengths."""
    lengths = st.sampled_from([100, 200, 300, 400, 500])
    held = draw(st.lists(st.lists(lengths, min_size=1, max_size=3), min_size=1, max_size=5))
    tiers = [_tier(at, first, others) for at, (first, *others) in enumerate(held)]
    climbed = draw(st.integers(1, len(tiers)))
    overflow = tuple(tiers[climbed:])
    standing_in = draw(st.integers(0, len(overflow)))
    return a_plan(
        *tiers[:climbed],
        overflow=overflow,
        fallback=overflow[len(overflow) - standing_in :],
        threshold=draw(st.one_of(st.just(0.8), st.floats(0.0, 1.0))),
    )


def _tier(at: int, held: int, others: list[int]) -> Tier:
    spare = tuple(a_model(f"spare-{at}-{i}", context_tokens=c) for i, c in enumerate(others))
    return replace(a_tier(f"tier-{at}", context_tokens=held), fallbacks=spare)
