from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.core.builders import EFFICIENT, FRONTIER, REASONING, a_plan
from tests.unit.measure.samples import TIERS, outcomes
from tierwise_server.core import cascade
from tierwise_server.core.model import CallKind, FinishReason
from tierwise_server.measure.outcomes import (
    Candidate,
    Outcomes,
    UnusableSample,
    losses,
    play,
)

NAN = float("nan")
CORE_TIERS = {"efficient": EFFICIENT, "frontier": FRONTIER, "reasoning": REASONING}


def test_play_pays_for_every_draft_and_check_on_the_way() -> None:
    sample = outcomes(
        [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0], [0.25, 0.5, 0.75]],
        confidence=[[0.9, 0.1, NAN], [0.2, 0.8, NAN], [NAN, 0.3, NAN]],
    )
    played = play(sample, Candidate(TIERS, 0.8))
    # Costs are 1, 3 and 10; a check costs 0.5.
    assert played.quality.tolist() == [1.0, 0.5, 0.75]
    assert played.cost_nano_usd.tolist() == [1.5, 5.0, 15.0]
    assert played.climbs.tolist() == [0, 1, 2]
    assert played.escalation_rate == pytest.approx(2 / 3)
    assert played.latency_s is None


def test_play_of_one_tier_asks_nothing_but_the_answer() -> None:
    sample = outcomes([[1.0, 0.5, 0.0]], confidence=[[0.1, 0.1, NAN]])
    played = play(sample, Candidate(("frontier",)))
    assert played.quality.tolist() == [0.5]
    assert played.cost_nano_usd.tolist() == [3.0]
    assert played.escalation_rate == 0.0


def test_play_adds_up_the_time_of_everything_asked() -> None:
    two = np.array([[0.9, NAN], [0.1, NAN]])
    sample = Outcomes(
        "answer_faq",
        ("efficient", "frontier"),
        np.ones((2, 2)),
        np.ones((2, 2)),
        two,
        np.zeros((2, 2)),
        latency_s=np.array([[1.0, 4.0], [1.0, 4.0]]),
        check_latency_s=np.array([[0.5, 0.0], [0.5, 0.0]]),
    )
    latency_s = play(sample, Candidate(("efficient", "frontier"), 0.5)).latency_s
    assert latency_s is not None
    assert latency_s.tolist() == [1.5, 5.5]


def test_losses_count_against_the_strongest_tier_and_may_be_gains() -> None:
    sample = outcomes([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    assert losses(sample, Candidate(("efficient",))).tolist() == [-1.0, 1.0]


@st.composite
def one_task(draw: st.DrawFn) -> tuple[list[float], list[float], float]:
    """Draw a task's quality and confidence per tier (NaN: unreadable), and a threshold."""
    share = st.integers(0, 10).map(lambda tenth: tenth / 10)
    quality = draw(st.lists(share, min_size=3, max_size=3))
    confidence = draw(st.lists(st.one_of(share, st.just(NAN)), min_size=3, max_size=3))
    return quality, confidence, draw(share)


@settings(max_examples=200)
@given(
    one_task(),
    st.sampled_from([TIERS, TIERS[:2], TIERS[1:], TIERS[:1], ("efficient", "reasoning")]),
)
def test_play_does_what_the_serving_cascade_does(
    task: tuple[list[float], list[float], float], tiers: tuple[str, ...]
) -> None:
    quality, confidence, threshold = task
    sample = outcomes([quality], confidence=[confidence])
    spent, answered_by, climbs = served(sample, tiers, threshold)
    played = play(sample, Candidate(tiers, threshold))
    assert played.cost_nano_usd[0] == spent
    assert played.quality[0] == quality[answered_by]
    assert played.climbs[0] == climbs


def served(sample: Outcomes, tiers: tuple[str, ...], threshold: float) -> tuple[float, int, int]:
    """Walk core's own step function over the recorded task; tell the cost, the answering column and the climbs."""
    state = cascade.State(a_plan(*(CORE_TIERS[tier] for tier in tiers), threshold=threshold))
    event: cascade.Event | None = cascade.Asked()
    spent, column, attempts = 0.0, -1, 0
    while event is not None:
        state, effects = cascade.step(state, event)
        event = None
        for effect in effects:
            if isinstance(effect, cascade.Reserve):
                event = cascade.Granted()
            elif isinstance(effect, cascade.Run):
                column = sample.index(effect.call.tier.name)
                if effect.call.kind is CallKind.CHECK:
                    spent += sample.check_cost_nano_usd[0, column]
                    said = float(sample.confidence[0, column])
                    event = cascade.Checked(None if np.isnan(said) else said)
                else:
                    spent += sample.cost_nano_usd[0, column]
                    attempts += 1
                    event = cascade.Answered(FinishReason.STOP)
    return spent, column, attempts - 1


@pytest.mark.parametrize(
    ("quality", "confidence", "complaint"),
    [
        ([[1.2, 0.0]], None, "quality must be finite"),
        ([[NAN, 0.0]], None, "quality must be finite"),
        ([[1.0, 0.0]], [[1.01, NAN]], "confidence must be finite"),
        ([[1.0, 0.0]], [[0.5, NAN], [0.5, NAN]], "confidence has shape"),
    ],
)
def test_outcomes_refuse_what_cannot_be_measured(
    quality: list[list[float]], confidence: list[list[float]] | None, complaint: str
) -> None:
    with pytest.raises(UnusableSample, match=complaint):
        outcomes(quality, confidence=confidence)


def test_outcomes_need_tasks() -> None:
    with pytest.raises(UnusableSample, match="no tasks"):
        outcomes(np.zeros((0, 2)))


def test_outcomes_name_the_tier_that_was_not_measured() -> None:
    with pytest.raises(UnusableSample, match="'gigantic' was not measured"):
        play(outcomes([[1.0, 0.0]]), Candidate(("gigantic",)))


def test_taken_rows_may_repeat() -> None:
    sample = outcomes([[1.0, 0.0], [0.5, 0.25]])
    assert sample.take(np.array([1, 1, 0])).quality[:, 0].tolist() == [0.5, 0.5, 1.0]


def test_a_candidate_is_named_as_people_say_it() -> None:
    assert str(Candidate(("efficient",))) == "efficient"
    assert str(Candidate(("efficient", "frontier"), 0.8)) == "efficient then frontier at 0.8"
