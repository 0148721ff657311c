from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_server.measure.outcomes import FloatArray, UnusableSample
from tierwise_server.measure.shrinkage import choose, shrunk_gains


def drawn(rng: np.random.Generator, skills: FloatArray, n: int) -> list[FloatArray]:
    """Right or wrong answers of options with these skills, shape (types, options)."""
    return [(rng.random((n, skills.shape[1])) < row).astype(np.float64) for row in skills]


def test_gains_count_from_the_fallback() -> None:
    rng = np.random.default_rng(0)
    gains = shrunk_gains(drawn(rng, np.full((4, 3), 0.5), 30), fallback=1)
    assert gains.fallback == 1
    assert gains.mean[:, 1].tolist() == gains.sd[:, 1].tolist() == [0.0] * 4


def test_without_a_fallback_the_best_on_average_is_taken() -> None:
    skills = np.tile([0.2, 0.9, 0.5], (5, 1))
    assert shrunk_gains(drawn(np.random.default_rng(1), skills, 50)).fallback == 1


def test_gains_lie_between_the_type_and_all_types() -> None:
    samples = drawn(np.random.default_rng(2), np.random.default_rng(3).random((6, 4)), 12)
    gains = shrunk_gains(samples, fallback=0)
    seen = np.stack([s.mean(axis=0) - s.mean(axis=0)[0] for s in samples])
    centre = seen.mean(axis=0)
    inside = (gains.mean - np.minimum(seen, centre) >= -1e-9) & (
        np.maximum(seen, centre) - gains.mean >= -1e-9
    )
    assert inside.all()


def test_more_labels_shrink_less() -> None:
    rng = np.random.default_rng(4)
    skills = np.stack([np.full(20, 0.5), rng.uniform(0.2, 0.8, 20)], axis=1)
    few = shrunk_gains(drawn(rng, skills, 5), fallback=0).weight[:, 1].mean()
    many = shrunk_gains(drawn(rng, skills, 500), fallback=0).weight[:, 1].mean()
    assert few < 0.7 < 0.9 < many


def test_shrunk_gains_err_less_than_what_was_seen() -> None:
    rng = np.random.default_rng(5)
    seen_error, shrunk_error = 0.0, 0.0
    for _ in range(50):
        skills = np.stack([np.full(15, 0.6), rng.normal(0.6, 0.1, 15)], axis=1)
        samples = drawn(rng, skills, 10)
        truth = skills[:, 1] - skills[:, 0]
        seen = np.array([s[:, 1].mean() - s[:, 0].mean() for s in samples])
        seen_error += float(np.mean((seen - truth) ** 2))
        shrunk_error += float(np.mean((shrunk_gains(samples, 0).mean[:, 1] - truth) ** 2))
    assert shrunk_error < 0.5 * seen_error


def test_a_lone_type_stands_on_its_own() -> None:
    sample = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    gains = shrunk_gains([sample], fallback=0)
    assert gains.mean.tolist() == [[0.0, 0.5]]
    assert choose(gains).tolist() == [1]


@given(st.integers(0, 1000), st.sampled_from([0.6, 0.8, 0.95, 0.999]))
@settings(max_examples=40)
def test_a_stricter_guard_leaves_the_fallback_in_no_more_types(seed: int, guard: float) -> None:
    rng = np.random.default_rng(seed)
    gains = shrunk_gains(drawn(rng, rng.random((6, 3)), 8), fallback=0)
    free, guarded = choose(gains), choose(gains, guard)
    assert np.all((guarded == 0) | (free != 0))


def test_the_guard_keeps_equal_options_out() -> None:
    rng = np.random.default_rng(6)
    left = [
        np.mean(choose(shrunk_gains(drawn(rng, np.full((12, 6), 0.6), 5), 0), guard=0.95) != 0)
        for _ in range(200)
    ]
    assert np.mean(left) < 0.05


def test_the_guard_lets_a_clear_gain_through() -> None:
    skills = np.tile([0.4, 0.4], (8, 1))
    skills[0, 1] = 0.95
    picks = choose(shrunk_gains(drawn(np.random.default_rng(7), skills, 60), 0), guard=0.95)
    assert picks[0] == 1


def test_a_guarded_table_of_five_labels_a_type_does_no_harm() -> None:
    """Nine options whose skills differ by type: chasing the best of five labels is worse than the best single."""
    rng = np.random.default_rng(8)
    guarded, free = [], []
    for _ in range(100):
        skills = np.clip(rng.normal([0.62, *np.linspace(0.2, 0.58, 8)], 0.08, (14, 9)), 0, 1)
        gains = shrunk_gains(drawn(rng, skills, 5), fallback=0)
        types = np.arange(14)
        single = skills[:, 0].mean()
        guarded.append(skills[types, choose(gains, guard=0.95)].mean() - single)
        free.append(skills[types, choose(gains)].mean() - single)
    assert min(guarded) > -0.005
    assert np.mean(guarded) >= -0.0005
    assert min(free) < -0.01


def test_gains_need_types_of_the_same_options() -> None:
    with pytest.raises(UnusableSample, match="same options"):
        shrunk_gains([np.zeros((3, 2)), np.zeros((3, 3))])
    with pytest.raises(UnusableSample, match="each with tasks"):
        shrunk_gains([np.zeros((0, 2)), np.zeros((3, 2))])
