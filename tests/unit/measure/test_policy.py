from __future__ import annotations

import numpy as np
import pytest

from tests.unit.measure.samples import drawn_pair, outcomes
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.outcomes import Candidate, UnusableSample
from tierwise_server.measure.policy import dominated_tiers, measure, measure_table, propose

NAN = float("nan")
CHEAP, STRONG = Candidate(("frontier",)), Candidate(("reasoning",))


def test_a_cheap_tier_that_is_as_good_gets_the_row() -> None:
    proposal = propose(outcomes(np.ones((200, 2))), Tolerance(0.02))
    assert proposal.candidate == CHEAP
    assert proposal.certified
    assert proposal.more_needed == 0
    assert proposal.bound == pytest.approx(1 - 0.1 ** (1 / 200))
    assert proposal.why == (
        "frontier: loses at most 1.1 pp against reasoning at 90% confidence (n=200), for 30% of its cost."
    )


def test_a_telling_confidence_gets_a_cascade_at_the_threshold_that_tells() -> None:
    sample = drawn_pair(np.random.default_rng(0), 300, weak=0.6, strong=0.9, telling=True)
    proposal = propose(sample, Tolerance(0.02))
    assert proposal.candidate == Candidate(("frontier", "reasoning"), 0.9)
    measured = proposal.measured
    # Every task pays 3 and a check of 0.5; the wrong ones pay 10 more.
    assert measured.cost_nano_usd.value == pytest.approx(3.5 + 10 * measured.escalation.value)
    assert measured.cost_share == pytest.approx(measured.cost_nano_usd.value / 10)
    assert measured.loss.value == 0.0


def test_a_confidence_that_tells_nothing_leaves_the_task_to_the_strongest() -> None:
    sample = drawn_pair(np.random.default_rng(1), 300, weak=0.6, strong=0.9, telling=False)
    proposal = propose(sample, Tolerance(0.02))
    assert proposal.candidate == STRONG
    assert proposal.more_needed is None
    assert proposal.why == "reasoning: no cheaper row looks to be within 2 pp of reasoning (n=300)."


def test_too_few_tasks_are_said_to_be_too_few() -> None:
    proposal = propose(outcomes(np.ones((30, 2))), Tolerance(0.02))
    assert proposal.candidate == STRONG
    assert proposal.bound == 0.0
    assert proposal.more_needed == 84
    assert proposal.why == "reasoning: cannot certify 2 pp with n=30, about 84 more needed."


def test_the_row_in_force_is_kept_but_not_vouched_for() -> None:
    proposal = propose(outcomes(np.ones((30, 2))), Tolerance(0.02), fallback=CHEAP)
    assert proposal.candidate == CHEAP
    assert not proposal.certified
    assert proposal.bound is None


def test_a_cascade_that_saves_nothing_goes_straight_to_the_strongest() -> None:
    # The draft and its check cost 9 of 10, and two drafts in three are thrown away.
    quality = [[0.0, 1.0]] * 200 + [[1.0, 1.0]] * 100
    said = [[0.2, NAN]] * 200 + [[0.9, NAN]] * 100
    sample = outcomes(quality, confidence=said, cost=(8.5, 10.0))
    proposal = propose(sample, Tolerance(0.05))
    assert any(v.certified for v in proposal.verdicts)
    assert proposal.candidate == STRONG


def test_the_cheapest_of_the_proven_rows_is_taken() -> None:
    proposal = propose(outcomes(np.ones((300, 3))), Tolerance(0.02))
    assert proposal.candidate == Candidate(("efficient",))


def test_what_escalating_gains_counts_not_what_the_draft_got_wrong() -> None:
    # The cheap tier is wrong on half of the tasks, and so is the strongest: nothing is lost by staying.
    quality = [[0.0, 0.0]] * 100 + [[1.0, 1.0]] * 100
    said = [[0.2, NAN]] * 100 + [[0.9, NAN]] * 100
    assert propose(outcomes(quality, confidence=said), Tolerance(0.02)).candidate == CHEAP


def test_the_proposed_table_is_the_right_one_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    right = 0
    for _ in range(60):
        sample = drawn_pair(rng, 300, weak=0.7, strong=0.9, telling=True)
        right += propose(sample, Tolerance(0.02)).candidate.threshold == 0.9
    assert right == 60


def test_measured_intervals_hold_their_values() -> None:
    sample = drawn_pair(np.random.default_rng(3), 100, weak=0.6, strong=0.9, telling=True)
    measured = measure(sample, CHEAP)
    for interval in (measured.quality, measured.cost_nano_usd, measured.loss, measured.escalation):
        assert interval.low <= interval.value <= interval.high
        assert interval.n == 100
    assert measured.escalation.value == 0.0
    assert measure(sample, STRONG).loss.high == 0.0


def test_a_table_is_measured_by_the_traffic_of_its_types() -> None:
    easy = outcomes([[1.0, 1.0]] * 10, task_type="easy")
    hard = outcomes([[0.0, 1.0]] * 30, task_type="hard")
    rows = {"easy": CHEAP, "hard": STRONG}
    by_sample = measure_table([easy, hard], rows)
    assert by_sample.cost_nano_usd.value == pytest.approx((10 * 3 + 30 * 10) / 40)
    assert by_sample.loss.value == 0.0
    by_traffic = measure_table([easy, hard], rows, {"easy": 9, "hard": 1})
    assert by_traffic.cost_nano_usd.value == pytest.approx(3.7)
    assert by_traffic.cost_share == pytest.approx(0.37)
    assert measure_table([hard], {"hard": CHEAP}).loss.value == 1.0


def test_a_table_needs_a_row_and_a_weight_for_every_type() -> None:
    sample = outcomes(np.ones((5, 2)))
    with pytest.raises(UnusableSample, match="no row or weight"):
        measure_table([sample], {})
    with pytest.raises(UnusableSample, match="no row or weight"):
        measure_table([sample], {"answer_faq": CHEAP}, {})
    with pytest.raises(UnusableSample, match="no sample"):
        measure_table([], {})


def test_a_fallback_must_have_been_measured() -> None:
    with pytest.raises(UnusableSample, match="not measured"):
        propose(outcomes(np.ones((5, 2))), fallback=Candidate(("gigantic",)))


def test_a_dearer_tier_that_is_worse_is_named_as_dominated() -> None:
    quality = np.concatenate([np.ones((100, 1)), np.full((100, 1), 0.6)], axis=1)
    (found,) = dominated_tiers(outcomes(quality))
    assert (found.tier, found.by) == ("reasoning", "frontier")
    assert found.proven
    assert found.loss_bound < 0.0


def test_a_dearer_tier_that_is_no_better_so_far_is_not_proven_dominated() -> None:
    (found,) = dominated_tiers(outcomes(np.ones((20, 2))))
    assert found.tier == "reasoning"
    assert not found.proven
    assert found.loss_bound == pytest.approx(1 - 0.1 ** (1 / 20))


def test_a_ladder_that_pays_for_itself_has_no_dominated_tier() -> None:
    sample = outcomes([[0.0, 0.5, 1.0], [0.5, 0.5, 1.0]])
    assert dominated_tiers(sample) == ()


def test_twins_do_not_dominate_each_other() -> None:
    assert dominated_tiers(outcomes(np.ones((10, 2)), cost=(1.0, 1.0))) == ()
