"""The same run through the provider's batches: half the price, no latencies, answers within a day.

Nothing here knows how a task is asked. The engine runs each unit against a provider that answers from the journal and
writes down what is missing; that is handed in as one batch, its results go into the journal, and the engine runs again:
first the answers are missing, then their checks, then nothing.

A batch is named before it is handed in. When a run was killed in between, the provider's list of recent batches is
searched for the name, so that nothing is handed in twice. The list does not tell names: they stand in the results, so
a batch that can be ours is waited for. None can be that the provider knew before ours was handed in.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tierwise_server.core.estimate import prompt_tokens, text_tokens
from tierwise_server.core.model import CallKind, Model, Tier, Usage
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.measure.judge import Judge, judge_jobs
from tierwise_server.measure.probing import Probe, units_of
from tierwise_server.measure.recording import Recorder, replayed, uncached_nano_usd, worst_nano_usd
from tierwise_server.measure.run import Halt, Job, Progress
from tierwise_server.measure.session import Session
from tierwise_server.measure.state import CallKey, Entry
from tierwise_server.providers.base import ModelCall, ProviderEvent
from tierwise_server.providers.batches import (
    MOST_CALLS,
    BatchAnswer,
    BatchCall,
    Batches,
    BatchStatus,
)

FIRST_POLL_S: Final = 2.0
LONGEST_POLL_S: Final = 60.0
CLOCK_SKEW_S: Final = 300.0
"""How far the provider's clock may be from ours when batches are searched by their time."""
LONGEST_HAND_IN_S: Final = 3600.0
"""A batch that is younger than this was not handed in by the call that is searched for."""


class ToldToStop(Exception):
    """The session was told to stop while it waited for a batch, which goes on without it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A call that the journal does not know yet."""

    key: str
    call: ModelCall
    tier: Tier


class WaitsForBatchError(UpstreamError):
    """The call is not made now: it goes into the next batch."""

    def __init__(self) -> None:
        super().__init__(Reason.UPSTREAM_UNAVAILABLE, "waits for a batch")


@dataclass(slots=True)
class CollectingProvider:
    """Answers from the journal; what is not there it writes down and fails.

    Attributes:
        asked: calls that this session has handed in: they are not handed in again, even if they failed for nothing.
    """

    recorder: Recorder
    name: Callable[[CallKind], CallKey]
    tier: Tier
    missing: list[Missing]
    asked: Set[str]

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Play the recorded call, or write it down. See the port."""
        key = str(self.name(call.kind))
        known = self.recorder.known(key)
        if known is None and key in self.asked:
            known = self.recorder.state.outcomes.get(key)
        if known is None:
            self.missing.append(Missing(key, call, self.tier))
            raise WaitsForBatchError
        yield replayed(known)

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class BatchSession(Session):
    """A session that hands its calls in as batches.

    Attributes:
        batches: the provider's.
        sleep: waits so many seconds between two polls.
        most_calls: that are handed in at once; the rest goes into further batches.
    """

    batches: Batches | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    wall_clock: Callable[[], float] = time.time  # noqa: TID251 - compared with the provider's clock
    most_calls: int = MOST_CALLS
    _asked: set[str] = field(default_factory=set)

    async def answer(self, recorder: Recorder) -> Halt:
        """Settle what an earlier session handed in, then answer every unit in as many rounds as it takes."""
        try:
            await self._settle(recorder)
            while True:
                missing = await self._missing(recorder)
                halt = await self._round("answering", missing, recorder)
                if halt is not None:
                    return halt
        except ToldToStop:
            return Halt.TOLD

    async def judge_answers(self, recorder: Recorder) -> tuple[Halt, Sequence[Job]]:
        """Judge in as many batches as it takes."""
        if self.judge is None:
            return Halt.DONE, ()
        jobs = judge_jobs(
            self._judge(self.judge, recorder), self.folder.tasks, self.folder.settings.tiers
        )
        halt: Halt | None = None
        try:
            while halt is None:
                missing = [
                    Missing(str(job.key), job.call, job.judge.tier)
                    for job in jobs
                    if recorder.known(str(job.key)) is None
                ]
                halt = await self._round("judging", missing, recorder)
        except ToldToStop:
            halt = Halt.TOLD
        return halt, jobs

    def _judge(self, model: Model, recorder: Recorder) -> Judge:
        return Judge(model, self.engine.providers[model.provider], recorder)

    async def _missing(self, recorder: Recorder) -> list[Missing]:
        """Run every unit that is not done against the journal; those it can finish are finished."""
        missing: list[Missing] = []

        def provider(name: Callable[[CallKind], CallKey], tier: Tier) -> CollectingProvider:
            return CollectingProvider(recorder, name, tier, missing, self._asked)

        probe = Probe(self.engine, recorder, provider)
        for unit in units_of(self.folder.tasks, self.engine.table.tiers):
            if recorder.state.done(*unit.place):
                continue
            before = len(missing)
            entry = await probe.outcome(unit)
            if len(missing) == before:
                await probe.note(unit, entry)
        return missing

    async def _round(self, step: str, missing: list[Missing], recorder: Recorder) -> Halt | None:
        """Hand in what is missing and read the results; None when it pays to go on."""
        fresh = [one for one in missing if one.key not in self._asked]
        if not fresh:
            return Halt.DONE
        if self.stop.is_set():
            return Halt.TOLD
        chosen = self._affordable(fresh[: self.most_calls], recorder)
        if not chosen:
            return Halt.MONEY
        self._asked |= {one.key for one in chosen}
        name, entry = await self._intend(chosen, recorder)
        status = await self._batches.submit(
            [BatchCall(f"{name}-{place}", one.call) for place, one in enumerate(chosen)]
        )
        await recorder.note({"kind": "batch", "name": name, "id": status.id})
        await self._finish(step, name, {**entry, "id": status.id}, recorder)
        return None

    def _affordable(self, fresh: list[Missing], recorder: Recorder) -> list[Missing]:
        limit = self.options.most_nano_usd
        if limit is None:
            return fresh
        left = limit - recorder.state.paid_nano_usd
        chosen = []
        for one in fresh:
            left -= _worst_nano_usd(one, recorder)
            if left < 0:
                break
            chosen.append(one)
        return chosen

    async def _intend(
        self, chosen: list[Missing], recorder: Recorder
    ) -> tuple[str, dict[str, Any]]:
        name = f"tw-{secrets.token_hex(8)}"
        entry = {
            "kind": "batch",
            "name": name,
            "calls": [one.key for one in chosen],
            "models": [one.tier.model.id for one in chosen],
            "input_tokens": [prompt_tokens(one.call.prompt, one.call.model) for one in chosen],
            "worst_nano_usd": [_worst_nano_usd(one, recorder) for one in chosen],
            "intended_at_s": self.wall_clock(),
            "after": await self._newest(),
        }
        await recorder.note(entry)
        return name, entry

    async def _newest(self) -> str:
        """The batch that the provider lists first: those from there on are older than what is handed in next."""
        async for status in self._batches.recent():
            return status.id
        return ""

    async def _settle(self, recorder: Recorder) -> None:
        """Read the batches that an earlier session left behind.

        Raises:
            ToldToStop: one has not ended; nothing is known of it that was not known before.
        """
        for name, entry in list(recorder.state.batches.items()):
            if entry.get("read"):
                continue
            known = entry.get("id") or await self._find(name, entry, recorder)
            if known is None:
                # It was never handed in, so nothing was billed and its calls are missing still.
                await recorder.note({"kind": "batch", "name": name, "read": True})
            else:
                await self._finish("answering", name, {**entry, "id": known}, recorder)

    async def _find(self, name: str, entry: Entry, recorder: Recorder) -> str | None:
        """Search the provider's batches for one that was handed in although we never heard its id.

        None means that there is none.
        """
        possible = [status async for status in self._possible(entry, recorder)]
        # Those that have ended tell their names at once; perhaps no other needs to be waited for.
        for status in sorted(possible, key=lambda one: not one.ended):
            await self._wait("answering", status, recorder)
            async for custom_id, _ in self._batches.results(status.id):
                if custom_id.startswith(f"{name}-"):
                    await recorder.note({"kind": "batch", "name": name, "id": status.id})
                    return status.id
                break
        return None

    async def _possible(self, entry: Entry, recorder: Recorder) -> AsyncIterator[BatchStatus]:
        """The batches that can be the one of this entry, by all that the list tells of them."""
        taken = {one.get("id") for one in recorder.state.batches.values()}
        begun_s = entry["intended_at_s"]
        async for status in self._batches.recent():
            if status.id == entry.get("after") or status.created_at_s < begun_s - CLOCK_SKEW_S:
                return
            if status.created_at_s > begun_s + LONGEST_HAND_IN_S + CLOCK_SKEW_S:
                continue
            if status.id not in taken and status.total == len(entry["calls"]):
                yield status

    async def _finish(self, step: str, name: str, entry: Entry, recorder: Recorder) -> None:
        """Wait for a batch and write its results down. Raises as `_wait` does."""
        status = await self._wait(step, await self._batches.status(entry["id"]), recorder)
        async for custom_id, result in self._batches.results(status.id):
            place = custom_id.removeprefix(f"{name}-")
            if not place.isdecimal() or int(place) >= len(entry["calls"]):
                continue
            sent = _Sent.of(entry, int(place))
            if recorder.known(sent.key) is None:
                await recorder.note(_result_entry(sent, result, recorder))
        await recorder.note({"kind": "batch", "name": name, "read": True})

    async def _wait(self, step: str, status: BatchStatus, recorder: Recorder) -> BatchStatus:
        """Wait until the batch has ended.

        Raises:
            ToldToStop: it has not, and the session was told to stop.
        """
        pause_s = FIRST_POLL_S
        while not status.ended:
            if self.stop.is_set():
                raise ToldToStop
            spent = recorder.state.paid_nano_usd
            self.tell(step, Progress(status.done, 0, status.total, spent, None))
            await self.sleep(pause_s)
            pause_s = min(LONGEST_POLL_S, pause_s * 1.5)
            status = await self._batches.status(status.id)
        self.tell(step, Progress(status.total, 0, status.total, recorder.state.paid_nano_usd, None))
        return status

    @property
    def _batches(self) -> Batches:
        if self.batches is None:
            raise ValueError("a batch session needs batches")
        return self.batches


def halved(nano_usd: int) -> int:
    """The price in a batch, never understated (platform.claude.com: batches cost half)."""
    return -(-nano_usd // 2)


def _worst_nano_usd(one: Missing, recorder: Recorder) -> int:
    return halved(worst_nano_usd(recorder.book, one.tier, one.call))


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is remembered of a call that was handed in."""

    key: str
    model: str
    input_tokens: int
    worst_nano_usd: int

    @classmethod
    def of(cls, entry: Entry, place: int) -> _Sent:
        """One call of a batch, as the journal's entry holds it; earlier entries hold no worst case."""
        worst = entry.get("worst_nano_usd")
        return cls(
            key=entry["calls"][place],
            model=entry["models"][place],
            input_tokens=entry["input_tokens"][place],
            worst_nano_usd=worst[place] if worst else 0,
        )


def _result_entry(
    sent: _Sent, result: BatchAnswer | UpstreamError, recorder: Recorder
) -> Mapping[str, Any]:
    entry = {"call": sent.key, "model": sent.model, "duration_s": 0.0, "tries": 1}
    if isinstance(result, UpstreamError):
        failure = {"kind": "failed", "reason": result.reason.name, "message": result.message}
        return entry | failure | _bill_of_failure(sent, result)
    usage = result.usage or Usage(
        input_tokens=sent.input_tokens, output_tokens=round(text_tokens(result.text)) + 1
    )
    cost = recorder.book.cost(sent.model, usage)
    nano_usd = 0 if cost is None else cost.total_nano_usd
    return entry | {
        "kind": "answered",
        "usage": asdict(usage),
        "estimated": result.usage is None,
        "cost_nano_usd": nano_usd,
        "alone_nano_usd": uncached_nano_usd(recorder.book, sent.model, usage),
        "paid_nano_usd": halved(nano_usd),
        "text": result.text,
        "response_id": result.response_id,
        "finish_reason": result.finish_reason.name,
        "raw_finish_reason": result.raw_finish_reason,
        "first_token_s": None,
    }


def _bill_of_failure(sent: _Sent, failure: UpstreamError) -> dict[str, Any]:
    """An answer that came and cannot be read is taken as paid for, at its worst case; all others cost nothing."""
    came = failure.reason is Reason.UPSTREAM_PROTOCOL
    return {
        "usage": asdict(Usage(input_tokens=sent.input_tokens)) if came else None,
        # Serving knows no batches, and so no such failure.
        "cost_nano_usd": 0,
        "paid_nano_usd": sent.worst_nano_usd if came else 0,
        "estimated": came,
    }
