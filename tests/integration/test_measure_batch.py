"""The same run through batches: the same results at half the price, and no batch handed in twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests import measuring
from tierwise_server import app
from tierwise_server.config.resolve import core_model
from tierwise_server.core.model import CallKind, Message, Prompt, Role
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.measure.batch import BatchSession
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.journal import FILE, read_entries
from tierwise_server.measure.run import Halt, RunOptions
from tierwise_server.measure.session import Ended, Session
from tierwise_server.providers.base import ModelCall
from tierwise_server.providers.batches import (
    MOST_CALLS,
    BatchAnswer,
    BatchCall,
    Batches,
    BatchStatus,
)
from tierwise_server.simulator import Simulator

EACH = 5
CALLS = 3 * EACH * 5
JUDGEMENTS = 3 * EACH * 4


class Through:
    """Batches that do what those inside do."""

    def __init__(self, inner: Batches) -> None:
        self._inner = inner

    async def submit(self, calls: Sequence[BatchCall]) -> BatchStatus:
        return await self._inner.submit(calls)

    async def status(self, batch_id: str) -> BatchStatus:
        return await self._inner.status(batch_id)

    def recent(self) -> AsyncIterator[BatchStatus]:
        return self._inner.recent()

    def results(self, batch_id: str) -> AsyncIterator[tuple[str, BatchAnswer | UpstreamError]]:
        return self._inner.results(batch_id)

    async def aclose(self) -> None:
        await self._inner.aclose()


class DiesBeforeHandingIn(Through):
    """Batches that are never handed in."""

    async def submit(self, calls: Sequence[BatchCall]) -> BatchStatus:
        del calls
        raise UpstreamError(Reason.UPSTREAM_UNAVAILABLE, "the connection was lost")


class DiesAfterHandingIn(Through):
    """Batches that are handed in, but the reply never comes."""

    async def submit(self, calls: Sequence[BatchCall]) -> BatchStatus:
        await self._inner.submit(calls)
        raise UpstreamError(Reason.UPSTREAM_UNAVAILABLE, "the connection was lost")


async def run(
    path: Path,
    simulator: Simulator,
    *,
    checked: bool = True,
    judging: bool = True,
    batches: Batches | None = None,
    stop_at_poll: int | None = None,
    options: RunOptions | None = None,
    most_calls: int = MOST_CALLS,
) -> tuple[Ended, Measurement]:
    config = measuring.config_for(simulator)
    model = core_model(config.resolved.models[measuring.JUDGE].settings)
    judge = model if judging and not checked else None
    stop = asyncio.Event()
    polls = 0

    async def no_wait(seconds: float) -> None:
        nonlocal polls
        assert seconds > 0
        polls += 1
        if polls == stop_at_poll:
            stop.set()
        await asyncio.sleep(0.01)

    async with measuring.engine_for(config) as engine:
        folder = measuring.a_folder(
            path, engine, measuring.sample(EACH, checked=checked), batched=True
        )
        session = BatchSession(
            folder,
            engine,
            options or RunOptions(),
            judge,
            stop=stop,
            batches=batches or batches_of(simulator),
            sleep=no_wait,
            most_calls=most_calls,
        )
        try:
            ended = await session.run()
        finally:
            assert session.batches is not None
            await session.batches.aclose()
    return ended, collect(folder)


def batches_of(simulator: Simulator) -> Batches:
    return app.batches_of(measuring.config_for(simulator), {"ANTHROPIC_API_KEY": "any"})


async def streamed(path: Path, simulator: Simulator) -> Measurement:
    async with measuring.engine_for(measuring.config_for(simulator)) as engine:
        folder = measuring.a_folder(path, engine, measuring.sample(EACH))
        await Session(folder, engine).run()
    return collect(folder)


def batched_calls(simulator: Simulator) -> int:
    return sum(entry.method == "BATCH" for entry in simulator.journal)


async def test_batches_give_the_results_of_streams_at_half_the_price(tmp_path: Path) -> None:
    async with Simulator(measuring.script(batch_s=0.03)) as simulator:
        whole = await streamed(tmp_path / "streamed", simulator)
        ended, measurement = await run(tmp_path / "batched", simulator)
        assert batched_calls(simulator) == CALLS
    assert ended.halt is Halt.DONE
    for one, other in zip(measurement.samples, whole.samples, strict=True):
        np.testing.assert_array_equal(one.raw.quality, other.raw.quality)
        np.testing.assert_array_equal(one.raw.confidence, other.raw.confidence)
        # What serving would cost is the same; only what was paid is half.
        np.testing.assert_array_equal(one.raw.cost_nano_usd, other.raw.cost_nano_usd)
        assert one.raw.latency_s is None
    assert measurement.state.paid_nano_usd == pytest.approx(
        whole.state.paid_nano_usd / 2, abs=CALLS
    )


async def test_a_judge_is_asked_in_a_batch_of_its_own(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        ended, measurement = await run(tmp_path / "run", simulator, checked=False)
        assert batched_calls(simulator) == CALLS + JUDGEMENTS
    assert ended.judgements == JUDGEMENTS
    assert all(sample.left_out == 0 for sample in measurement.samples)


async def test_a_batch_whose_reply_was_lost_is_found_and_not_handed_in_again(
    tmp_path: Path,
) -> None:
    async with Simulator(measuring.script()) as simulator:
        with pytest.raises(UpstreamError):
            await run(
                tmp_path / "run", simulator, batches=DiesAfterHandingIn(batches_of(simulator))
            )
        ended, measurement = await run(tmp_path / "run", simulator)
        assert batched_calls(simulator) == CALLS
        posts = sum(e.method == "POST" for e in simulator.journal)
    assert posts == 2
    assert ended.halt is Halt.DONE
    assert all(sample.left_out == 0 for sample in measurement.samples)


async def test_a_batch_whose_reply_was_lost_survives_being_told_to_stop(tmp_path: Path) -> None:
    """Told to stop before it is known whose the batch is, a run must not take it for never handed in."""
    async with Simulator(measuring.script(batch_s=0.2)) as simulator:
        with pytest.raises(UpstreamError):
            await run(
                tmp_path / "run", simulator, batches=DiesAfterHandingIn(batches_of(simulator))
            )
        ended, _ = await run(tmp_path / "run", simulator, stop_at_poll=1)
        assert ended.halt is Halt.TOLD
        ended, _ = await run(tmp_path / "run", simulator)
        assert ended.halt is Halt.DONE
        posts = sum(e.method == "POST" for e in simulator.journal)
        assert posts == 2
        assert batched_calls(simulator) == CALLS


async def a_stranger(simulator: Simulator) -> None:
    """Somebody else's batch of as many calls as the run's first."""
    tier = measuring.config_for(simulator).routing_table().tiers[0]
    call = ModelCall(CallKind.DIRECT, tier.model, Prompt("", (Message(Role.USER, ("Hi",)),)), 50)
    batches = batches_of(simulator)
    await batches.submit([BatchCall(f"stranger-{n}", call) for n in range(3 * 3 * EACH)])
    await batches.aclose()


async def test_a_batch_that_was_there_before_is_not_waited_for(tmp_path: Path) -> None:
    async with Simulator(measuring.script(batch_s=600)) as simulator:
        await a_stranger(simulator)
        with pytest.raises(UpstreamError):
            await run(
                tmp_path / "run", simulator, batches=DiesBeforeHandingIn(batches_of(simulator))
            )
        # It says that it waits for its own batch, the second one, and not for the stranger's.
        ended, _ = await run(tmp_path / "run", simulator, stop_at_poll=1)
        posts = sum(e.method == "POST" for e in simulator.journal)
    assert ended.halt is Halt.TOLD
    assert posts == 2


async def test_a_strangers_batch_of_the_same_time_and_size_is_told_from_ours(
    tmp_path: Path,
) -> None:
    async with Simulator(measuring.script(batch_s=0.1)) as simulator:
        with pytest.raises(UpstreamError):
            await run(
                tmp_path / "run", simulator, batches=DiesAfterHandingIn(batches_of(simulator))
            )
        await a_stranger(simulator)
        ended, measurement = await run(tmp_path / "run", simulator)
        posts = sum(e.method == "POST" for e in simulator.journal)
    assert posts == 3
    assert ended.halt is Halt.DONE
    assert all(sample.left_out == 0 for sample in measurement.samples)


async def test_a_batch_that_never_arrived_is_handed_in_again(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        dead = app.batches_of(
            measuring.config_for(simulator).model_copy(), {"ANTHROPIC_API_KEY": "any"}
        )
        await simulator.stop()
        with pytest.raises(UpstreamError):
            await run(tmp_path / "run", simulator, batches=dead)
        await simulator.start()
        ended, _ = await run(tmp_path / "run", simulator)
        assert batched_calls(simulator) == CALLS
    assert ended.standing.missing == 0


async def test_a_run_that_is_stopped_while_it_waits_finds_its_batch_later(tmp_path: Path) -> None:
    async with Simulator(measuring.script(batch_s=0.2)) as simulator:
        ended, _ = await run(tmp_path / "run", simulator, stop_at_poll=2)
        assert ended.halt is Halt.TOLD
        assert ended.standing.done == 0
        ended, _ = await run(tmp_path / "run", simulator)
        paths = Counter(e.path for e in simulator.journal if e.method == "BATCH")
    assert ended.halt is Halt.DONE
    assert sorted(paths.values()) == [2 * 3 * EACH, 3 * 3 * EACH]


async def test_a_request_that_the_batch_refuses_fails_alone(tmp_path: Path) -> None:
    script = measuring.script()
    refused = {"contains": "Task 1:", "model": "claude-opus-4-8"}
    script["rules"] = [{**refused, "fault": {"kind": "status", "status": 529}}, *script["rules"]]
    async with Simulator(script) as simulator:
        ended, measurement = await run(tmp_path / "run", simulator)
        assert ended.standing.failed == 3
        assert [sample.left_out for sample in measurement.samples] == [1, 1, 1]
        simulator.use(measuring.script())
        ended, measurement = await run(tmp_path / "run", simulator)
    assert ended.standing.failed == 0
    assert [sample.left_out for sample in measurement.samples] == [0, 0, 0]


async def test_the_cost_limit_holds_for_batches(tmp_path: Path) -> None:
    limit = 420_000_000
    async with Simulator(measuring.script()) as simulator:
        options = RunOptions(most_nano_usd=limit)
        ended, _ = await run(tmp_path / "run", simulator, options=options)
        assert ended.halt is Halt.MONEY
        assert 0 < ended.standing.spent_nano_usd <= limit
        assert batched_calls(simulator) < CALLS


async def test_what_does_not_fit_into_one_batch_goes_into_further_ones(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        ended, _ = await run(tmp_path / "run", simulator, checked=False, most_calls=25)
        sizes = Counter(e.path for e in simulator.journal if e.method == "BATCH")
    assert ended.halt is Halt.DONE
    assert ended.judgements == JUDGEMENTS
    assert sizes.total() == CALLS + JUDGEMENTS
    assert max(sizes.values()) == 25


async def test_money_that_ends_while_judging_is_said_to(tmp_path: Path) -> None:
    work = partial(run, tmp_path / "run", checked=False)
    async with Simulator(measuring.script()) as simulator:
        answered, _ = await work(simulator, judging=False)
        limit = answered.standing.spent_nano_usd + 200_000_000
        ended, _ = await work(simulator, options=RunOptions(most_nano_usd=limit))
        assert ended.halt is Halt.MONEY
        assert 0 < ended.judgements < JUDGEMENTS
        assert ended.standing.spent_nano_usd <= limit
        ended, _ = await work(simulator)
    assert ended.halt is Halt.DONE
    assert ended.judgements == JUDGEMENTS


class DiesReading(Through):
    """Batches whose results break off after so many."""

    def __init__(self, inner: Batches, after: int) -> None:
        super().__init__(inner)
        self._after = after

    async def results(
        self, batch_id: str
    ) -> AsyncGenerator[tuple[str, BatchAnswer | UpstreamError], None]:
        left = self._after
        async for result in self._inner.results(batch_id):
            if left == 0:
                raise UpstreamError(Reason.UPSTREAM_INTERRUPTED, "broken off")
            left -= 1
            yield result


async def test_results_that_are_read_again_are_paid_for_once(tmp_path: Path) -> None:
    """A batch that was read in part is read once more, also with --retry-failed."""
    async with Simulator(measuring.script()) as simulator:
        _, whole = await run(tmp_path / "whole", simulator)
        with pytest.raises(UpstreamError):
            await run(
                tmp_path / "run", simulator, batches=DiesReading(batches_of(simulator), after=20)
            )
        _, measurement = await run(tmp_path / "run", simulator, options=RunOptions(again=True))
    assert measurement.state.paid_nano_usd == whole.state.paid_nano_usd
    calls = [entry["call"] for entry in read_entries(tmp_path / "run" / FILE) if "call" in entry]
    assert len(calls) == len(set(calls)) == CALLS


class Garbles(Through):
    """Batches of which one answer cannot be read."""

    async def results(
        self, batch_id: str
    ) -> AsyncGenerator[tuple[str, BatchAnswer | UpstreamError], None]:
        async for name, result in self._inner.results(batch_id):
            garbled = UpstreamError(Reason.UPSTREAM_PROTOCOL, "the provider's answer is malformed")
            yield name, garbled if name.endswith("-0") else result


async def test_an_answer_that_cannot_be_read_is_paid_for_and_repeated_only_when_told_to(
    tmp_path: Path,
) -> None:
    async with Simulator(measuring.script()) as simulator:
        garbling = Garbles(batches_of(simulator))
        ended, measurement = await run(tmp_path / "run", simulator, batches=garbling)
        failed = [e for e in measurement.state.outcomes.values() if e["kind"] == "failed"]
        assert len(failed) == 2  # an answer, and in the second batch a check
        assert all(entry["paid_nano_usd"] > 0 for entry in failed)
        assert ended.standing.failed == 2
        assert ended.standing.missing == 0
        calls = batched_calls(simulator)
        ended, _ = await run(tmp_path / "run", simulator)
        assert batched_calls(simulator) == calls
        ended, _ = await run(tmp_path / "run", simulator, options=RunOptions(again=True))
    assert ended.standing.failed == 0


class Forgets(Through):
    """Batches that hold no result for one of their calls."""

    async def results(
        self, batch_id: str
    ) -> AsyncGenerator[tuple[str, BatchAnswer | UpstreamError], None]:
        async for name, result in self._inner.results(batch_id):
            if not name.endswith("-0"):
                yield name, result


async def test_a_call_without_a_result_leaves_the_run_not_whole(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        forgetting = Forgets(batches_of(simulator))
        ended, _ = await run(tmp_path / "run", simulator, batches=forgetting)
        assert ended.halt is Halt.DONE
        assert ended.standing.missing == 2  # an answer, and in the second batch a check
        assert not ended.whole
        ended, _ = await run(tmp_path / "run", simulator)
    assert ended.whole
