"""How far a grader agrees with people: hand-computed, and its intervals cover the truth though answers share tasks."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise_server.measure.judge_quality import agreement, kappa

TRIALS = 200


def test_kappa_is_cohens() -> None:
    """Of 50, both say yes 20 times and no 15 times: agreed 0.7, by chance 0.5."""
    one = np.array([True] * 25 + [False] * 25)
    other = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert kappa(one, other) == pytest.approx(0.4)
    assert kappa(one, one) == 1.0


def test_agreement_counts_tasks() -> None:
    people = {("a", "low"): 1.0, ("a", "high"): 1.0, ("b", "low"): 0.0, ("c", "low"): 1.0}
    judge = {("a", "low"): 1.0, ("a", "high"): 0.5, ("b", "low"): 0.1, ("d", "low"): 1.0}
    found = agreement(judge, people)
    assert found is not None
    assert found.n == 2
    assert found.within_a_point.value == pytest.approx((0.5 + 1.0) / 2)
    assert found.bias.value == pytest.approx((-0.25 + 0.1) / 2)
    assert agreement(judge, {}) is None


def test_a_judge_that_was_never_wrong_may_be() -> None:
    people = {(f"t{number}", "low"): float(number % 2) for number in range(18)}
    found = agreement(people, people)
    assert found is not None
    assert found.kappa is not None
    assert found.kappa.value == found.kappa.high == 1.0
    assert found.kappa.low < 0.7


def test_intervals_hold_though_answers_share_their_task() -> None:
    """Ten tasks of three answers, alike within a task: as rows, 30 would promise far too much."""
    rng = np.random.default_rng(7)
    held = np.zeros(2)
    for _ in range(TRIALS):
        people, judge = {}, {}
        for task in range(10):
            # The judge is off by as much in the whole task; within a point in half the tasks.
            gap = rng.choice([-0.3, 0.05])
            for tier in ("low", "mid", "high"):
                people[f"t{task}", tier] = 0.6
                judge[f"t{task}", tier] = 0.6 + gap
        found = agreement(judge, people)
        assert found is not None
        held += (
            found.within_a_point.low <= 0.5 <= found.within_a_point.high,
            found.bias.low <= -0.125 <= found.bias.high,
        )
    assert (held / TRIALS >= 0.88).all(), held / TRIALS
