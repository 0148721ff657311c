from __future__ import annotations

import numpy as np
import pytest

from tests.unit.measure.samples import drawn_pair, outcomes
from tierwise_server.measure.outcomes import Candidate, UnusableSample
from tierwise_server.measure.utility import choose_by_utility, gain_curves, utility

NAN = float("nan")
CHEAP, STRONG = Candidate(("frontier",)), Candidate(("reasoning",))
CUT = Candidate(("frontier", "reasoning"), 0.9)


def test_utility_is_quality_less_priced_cost() -> None:
    sample = outcomes([[1.0, 1.0], [0.0, 1.0]], confidence=[[0.9, NAN], [0.3, NAN]])
    # Costs are 3 and 10, a check 0.5; at 0.10 the strongest tier's 10 are worth 0.1.
    assert utility(sample, STRONG, 0.10).tolist() == pytest.approx([0.9, 0.9])
    assert utility(sample, CHEAP, 0.10).tolist() == pytest.approx([0.97, -0.03])
    assert utility(sample, CUT, 0.10).tolist() == pytest.approx([0.965, 0.865])


def test_each_type_gets_the_row_that_pays() -> None:
    rng = np.random.default_rng(0)
    samples = [
        drawn_pair(rng, 200, weak=0.9, strong=0.9, telling=False, task_type="easy"),
        drawn_pair(rng, 200, weak=0.6, strong=0.95, telling=True, task_type="telling"),
        drawn_pair(rng, 200, weak=0.3, strong=0.95, telling=False, task_type="hard"),
    ]
    rows = choose_by_utility(samples)
    assert rows == {"easy": CHEAP, "telling": CUT, "hard": STRONG}


def test_a_high_price_makes_the_cheap_tier_good_enough() -> None:
    rng = np.random.default_rng(1)
    sample = drawn_pair(rng, 200, weak=0.6, strong=0.9, telling=False)
    assert choose_by_utility([sample], price=0.1)["answer_faq"] == STRONG
    assert choose_by_utility([sample], price=0.9)["answer_faq"] == CHEAP


def test_learned_rows_are_no_worse_than_fixed_rules_on_fresh_tasks() -> None:
    """Over many draws the learned row beats both 8 of 10 and the strongest tier alone."""
    rng = np.random.default_rng(2)
    fixed = Candidate(("frontier", "reasoning"), 0.8)
    learned_less: list[tuple[float, float]] = []
    for _ in range(30):
        skill = {"a": (0.85, 0.9, True), "b": (0.4, 0.9, False), "c": (0.7, 0.9, True)}
        seen, fresh = (
            [
                drawn_pair(rng, n, weak=w, strong=s, telling=t, task_type=name)
                for name, (w, s, t) in skill.items()
            ]
            for n in (60, 1_000)
        )
        rows = choose_by_utility(seen)
        learned, rule, strong = (
            np.mean([utility(f, row).mean() for f, row in zip(fresh, choice, strict=True)])
            for choice in ([rows[f.task_type] for f in fresh], [fixed] * 3, [STRONG] * 3)
        )
        learned_less.append((learned - rule, learned - strong))
    assert np.min(np.mean(learned_less, axis=0)) > 0.0


def test_a_guard_keeps_the_strongest_tier_until_there_is_evidence() -> None:
    rng = np.random.default_rng(3)
    few = [
        drawn_pair(rng, 5, weak=0.85, strong=0.9, telling=False, task_type=name) for name in "abcd"
    ]
    assert set(choose_by_utility(few, guard=0.999).values()) == {STRONG}


def test_gain_is_what_the_stronger_answer_adds() -> None:
    sample = drawn_pair(np.random.default_rng(4), 400, weak=0.6, strong=0.9, telling=True)
    curves = gain_curves([sample], "frontier", "reasoning")["answer_faq"]
    gain = curves.gain(np.array([0.3, 0.9]))
    assert gain is not None
    # Where the draft is wrong (0.3), three in four of the strongest's answers are right.
    assert gain == pytest.approx([0.75, 0.0], abs=0.08)


def test_gain_is_unknown_without_labels() -> None:
    sample = outcomes(np.ones((5, 2)), confidence=[[0.9, NAN]] * 5)
    curves = gain_curves([sample], "frontier", "reasoning")["answer_faq"]
    assert curves.gain(np.array([0.5])) is None


def test_rows_without_any_confidence_are_single_tiers() -> None:
    rows = choose_by_utility([outcomes(np.ones((50, 3)))])
    assert rows["answer_faq"] == Candidate(("efficient",))


def test_utility_needs_a_scale_and_the_same_tiers() -> None:
    with pytest.raises(UnusableSample, match="cost nothing"):
        utility(outcomes(np.ones((2, 2)), cost=(0.0, 0.0)), STRONG)
    with pytest.raises(UnusableSample, match="same tiers"):
        choose_by_utility([outcomes(np.ones((2, 2))), outcomes(np.ones((2, 3)))])
