"""A call is asked again before its answer begins, in time, as often as the policy says, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.providers.calls import CALL
from tests.unit.providers.clock import Clock
from tierwise_server.core.tries import TryBudget
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun, ModelCall, Provider, ProviderEvent, TextPiece
from tierwise_server.providers.retrying import RetryingProvider, RetryPolicy
from tierwise_server.providers.scripted import ScriptedProvider, Step, answer


def failure(*, retryable: bool = True, retry_after_s: float | None = None) -> UpstreamError:
    return UpstreamError(
        Reason.UPSTREAM_OVERLOADED, "busy", retryable=retryable, retry_after_s=retry_after_s
    )


def in_turn(*scripts: Sequence[Step]) -> ScriptedProvider:
    """A provider that plays the next script at each call, and the last one for ever."""
    left = list(scripts)

    def script(_call: ModelCall) -> Sequence[Step]:
        return left.pop(0) if len(left) > 1 else left[0]

    return ScriptedProvider(script)


def retrying(
    inner: Provider,
    clock: Clock,
    *,
    draw: float = 0.5,
    policy: RetryPolicy | None = None,
    budget: TryBudget | None = None,
) -> RetryingProvider:
    return RetryingProvider(
        inner,
        policy or RetryPolicy(),
        budget=budget,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        draw=lambda: draw,
    )


async def ask(provider: Provider, call: ModelCall = CALL) -> list[ProviderEvent]:
    async with provider.stream(call) as events:
        return [event async for event in events]


async def test_an_answer_at_the_first_try_is_passed_on_as_it_is() -> None:
    inner, clock = in_turn(answer("Hi.")), Clock()
    assert await ask(retrying(inner, clock)) == list(answer("Hi."))
    assert clock.slept_s == []


async def test_a_retryable_failure_is_tried_again_and_the_answer_says_how_often() -> None:
    inner, clock = in_turn([failure()], [failure()], answer("Hi.")), Clock()
    first, *rest = await ask(retrying(inner, clock))
    assert first == Begun("scripted", None, tries=3)
    assert rest == list(answer("Hi."))[1:]
    assert len(inner.calls) == 3
    assert inner.open_streams == 0


async def test_the_tries_are_limited_and_the_failure_says_how_many_there_were() -> None:
    inner, clock = in_turn([failure()]), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock))
    assert len(inner.calls) == caught.value.tries == 3
    assert len(clock.slept_s) == 2


async def test_a_failure_that_asking_again_cannot_cure_is_final() -> None:
    inner, clock = in_turn([failure(retryable=False)]), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock))
    assert len(inner.calls) == caught.value.tries == 1
    assert clock.slept_s == []


@pytest.mark.parametrize("before", [(), (TextPiece("par"),)])
async def test_nothing_is_tried_again_once_the_answer_has_begun(before: tuple[Step, ...]) -> None:
    inner, clock = in_turn([failure()], [Begun("x", None), *before, failure()]), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock))
    assert len(inner.calls) == caught.value.tries == 2
    assert inner.open_streams == 0


@pytest.mark.parametrize(
    ("draw", "waits_s"), [(0.0, [0, 0, 0, 0]), (0.5, [0.25, 0.5, 1.0, 1.5]), (1.0, [0.5, 1, 2, 3])]
)
async def test_waits_are_drawn_below_a_bound_that_doubles_up_to_a_limit(
    draw: float, waits_s: list[float]
) -> None:
    policy = RetryPolicy(most_tries=5, longest_wait_s=3.0)
    clock = Clock()
    with pytest.raises(UpstreamError):
        await ask(retrying(in_turn([failure()]), clock, draw=draw, policy=policy))
    assert clock.slept_s == waits_s


async def test_the_providers_advice_is_kept_to_and_never_undercut() -> None:
    inner, clock = in_turn([failure(retry_after_s=7.0)], answer("Hi.")), Clock()
    await ask(retrying(inner, clock, draw=0.5))
    assert clock.slept_s == [7.25]


async def test_advice_beyond_the_deadline_fails_at_once_and_is_handed_on() -> None:
    inner, clock = in_turn([failure(retry_after_s=7.0)], answer("Hi.")), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock), replace(CALL, time_left_s=7.0))
    assert caught.value.retry_after_s == 7.0
    assert clock.slept_s == []


async def test_advice_of_an_hour_fails_at_once_even_without_a_deadline() -> None:
    inner, clock = in_turn([failure(retry_after_s=3600.0)], answer("Hi.")), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock))
    assert caught.value.retry_after_s == 3600.0
    assert clock.slept_s == []


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun() -> None:
    inner, clock = in_turn([failure()]), Clock()
    with pytest.raises(UpstreamError):
        await ask(retrying(inner, clock, draw=1.0), replace(CALL, time_left_s=1.25))
    assert clock.slept_s == [0.5]
    assert len(inner.calls) == 2


async def test_each_try_is_told_the_time_that_is_left() -> None:
    clock = Clock()

    def script(call: ModelCall) -> Sequence[Step]:
        clock.now_s += 2.0
        return [failure()]

    inner = ScriptedProvider(script)
    with pytest.raises(UpstreamError):
        await ask(retrying(inner, clock, draw=1.0), replace(CALL, time_left_s=10.0))
    assert [call.time_left_s for call in inner.calls] == [10.0, 7.5, 4.5]


async def test_a_failed_try_is_closed_before_the_wait() -> None:
    inner = in_turn([failure()], answer("Hi."))
    open_during_wait: list[int] = []

    async def sleep(_seconds: float) -> None:
        open_during_wait.append(inner.open_streams)

    await ask(RetryingProvider(inner, sleep=sleep))
    assert open_during_wait == [0]


async def test_a_failure_of_the_consumer_is_not_taken_for_the_providers() -> None:
    inner, clock = in_turn(answer("Hi.")), Clock()
    with pytest.raises(UpstreamError, match="mine"):
        async with retrying(inner, clock).stream(CALL):
            raise UpstreamError(Reason.INTERNAL, "mine", retryable=True)
    assert len(inner.calls) == 1
    assert inner.open_streams == 0


async def failing_calls(provider: Provider, count: int) -> None:
    for _ in range(count):
        with pytest.raises(UpstreamError):
            await ask(provider)


async def test_a_provider_that_is_down_gets_hardly_more_tries_than_calls() -> None:
    inner = in_turn([failure()])
    provider = retrying(inner, Clock(), budget=TryBudget(reserve=100.0, ratio=0.1))
    await failing_calls(provider, 50)
    assert len(inner.calls) == 50 + 100
    at_start = len(inner.calls)
    await failing_calls(provider, 10_000)
    assert len(inner.calls) - at_start == pytest.approx(1.1 * 10_000, abs=6)
    assert len(inner.calls) <= 100 + 1.1 * 10_050


async def test_calls_that_go_well_fill_the_budget_again_up_to_its_reserve() -> None:
    budget = TryBudget(reserve=2.0, ratio=0.5)
    inner = in_turn([failure()], [failure()], [failure()], *[answer("Hi.")] * 10)
    provider = retrying(inner, Clock(), budget=budget)
    await failing_calls(provider, 1)
    assert budget.tokens == 0.0
    for tokens in (0.5, 1.0, 1.5, 2.0, 2.0):
        await ask(provider)
        assert budget.tokens == tokens


async def test_without_a_token_a_call_fails_as_it_failed_first() -> None:
    inner, clock = in_turn([failure()]), Clock()
    provider = retrying(inner, clock, budget=TryBudget(reserve=0.0))
    with pytest.raises(UpstreamError, match="busy") as caught:
        await ask(provider)
    assert caught.value.tries == 1
    assert clock.slept_s == []


async def test_one_budget_may_be_shared_by_providers() -> None:
    budget = TryBudget(reserve=2.0, ratio=0.0)
    first, second = in_turn([failure()]), in_turn([failure()])
    await failing_calls(retrying(first, Clock(), budget=budget), 1)
    await failing_calls(retrying(second, Clock(), budget=budget), 1)
    assert (len(first.calls), len(second.calls)) == (3, 1)


@pytest.mark.parametrize(("used", "tries"), [(0, 3), (1, 2), (2, 1), (9, 1)])
async def test_retries_that_the_request_has_used_up_are_not_made_again(
    used: int, tries: int
) -> None:
    inner, clock = in_turn([failure()]), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock), replace(CALL, retries_used=used))
    assert len(inner.calls) == caught.value.tries == tries


async def test_a_call_that_was_not_even_asked_counts_no_try() -> None:
    refused = UpstreamError(Reason.OVERLOADED, "no place", tries=0)
    inner, clock = in_turn([failure()], [refused]), Clock()
    with pytest.raises(UpstreamError) as caught:
        await ask(retrying(inner, clock))
    assert caught.value is refused
    assert caught.value.tries == 1
    assert len(inner.calls) == 2


async def test_closing_closes_the_inner_provider() -> None:
    inner = in_turn(answer("Hi."))
    await RetryingProvider(inner).aclose()
    assert inner.closed
