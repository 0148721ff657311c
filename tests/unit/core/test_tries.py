"""What a provider is asked beyond once for each request is bounded where it does not answer, and free where it does."""

from __future__ import annotations

import pytest

from tierwise_server.core.tries import (
    FALLBACKS_AT_START,
    FALLBACKS_PER_ANSWER,
    MOST_FALLBACKS,
    TryBudget,
)


def asked(budget: TryBudget, requests: int, *, answers: float = 0.0, fallbacks: int = 2) -> int:
    """Make so many requests whose first call is tried twice more and replaced so often; return the tries.

    `answers` is the share of calls that are answered of those that are made as fallbacks.
    """
    tries, owed = 0, 0.0
    for _ in range(requests):
        for at in range(1 + fallbacks):
            if at and not budget.take_fallback():
                break
            budget.call()
            tries += 1
            owed += answers if at else 0.0
            if owed >= 1.0:
                owed -= 1.0
                budget.answered()
                break
            tries += sum(budget.take() for _ in range(2 if at == 0 else 0))
    return tries


@pytest.mark.parametrize("fallbacks", [0, 1, 2, 5])
def test_a_provider_that_is_down_is_asked_hardly_more_than_once_per_request(fallbacks: int) -> None:
    budget = TryBudget(reserve=20.0)
    assert asked(budget, 1000, fallbacks=fallbacks) <= 1100 + 20 + 1.1 * FALLBACKS_AT_START
    assert asked(budget, 10_000, fallbacks=fallbacks) <= 11_001


@pytest.mark.parametrize("answers", [0.11, 0.5, 1.0])
def test_fallbacks_are_free_while_one_in_ten_is_answered(answers: float) -> None:
    refused = 0

    def shed() -> None:
        nonlocal refused
        refused += 1

    asked(TryBudget(shed=shed), 10_000, answers=answers, fallbacks=1)
    assert refused == 0


def test_after_a_long_outage_a_tenth_of_the_requests_find_the_model_that_is_back() -> None:
    budget = TryBudget()
    asked(budget, 5_000)
    assert budget.fallbacks < 1.0
    asked(budget, 11, answers=1.0)
    assert budget.fallbacks >= FALLBACKS_PER_ANSWER - 2
    asked(budget, 1_000, answers=1.0)
    assert budget.fallbacks == pytest.approx(MOST_FALLBACKS, abs=1)


def test_no_retries_are_made_while_nobody_answers() -> None:
    budget = TryBudget(reserve=5.0)
    while budget.take_fallback():
        pass
    assert not budget.take()
    budget.answered()
    assert budget.take()


def test_answers_that_break_off_are_none() -> None:
    budget = TryBudget()
    for _ in range(200):
        budget.answered()
        budget.broke_off()
    assert budget.fallbacks == FALLBACKS_AT_START


def test_fallbacks_do_not_depend_on_how_many_retries_there_are() -> None:
    assert TryBudget(reserve=0.0, ratio=0.0).take_fallback()
