"""Runs the sample: every task on every tier, so many at a time, within the budget, until done or told to stop."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tierwise_server.core.model import CallKind, Model
from tierwise_server.core.prices import PriceBook
from tierwise_server.core.table import RoutingTable
from tierwise_server.engine import Engine
from tierwise_server.errors import TierwiseError
from tierwise_server.measure.journal import Journal
from tierwise_server.measure.probing import Probe, Unit, units_of, worst_nano_usd
from tierwise_server.measure.purse import Purse
from tierwise_server.measure.recording import Recorder
from tierwise_server.measure.runfolder import (
    RunFolder,
    RunMismatch,
    check_differences,
    check_facts,
    tiers_version,
)
from tierwise_server.measure.state import RunState, answer_key, is_refusal


class Unpriced(TierwiseError):
    """A model has no price: nothing could be said of what it costs."""


class Halt(enum.Enum):
    """Why a run ended."""

    DONE = "done"
    TOLD = "stopped"
    MONEY = "out of money"
    FAILING = "failing"


MOST_FAILURES_IN_A_ROW = 20
"""After so many, and twice the concurrency, without one success the provider is thought to be down; refusals that lie
in the task do not count."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    Attributes:
        concurrency: units under way at a time.
        most_nano_usd: the most that the run may spend in all, over all its resumptions; None: no limit.
        again: whether calls that failed although they were billed are made again.
        repeat_lost: whether calls that were under way when an earlier run was killed are made again. They may have been
            billed; they are counted at their worst case either way.
    """

    concurrency: int = 8
    most_nano_usd: int | None = None
    again: bool = False
    repeat_lost: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step of a run is. `left_s` is an estimate from this session's pace; None before there is one."""

    done: int
    failed: int
    total: int
    spent_nano_usd: int
    left_s: float | None


class Job(Protocol):
    """A piece of work: calls that the journal may know already."""

    @property
    def worst_nano_usd(self) -> int:
        """What it may cost at most."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        ...

    @property
    def calls(self) -> tuple[str, ...]:
        """The keys of the calls it may make."""
        ...

    async def do(self) -> bool:
        """Do it; False when it failed."""
        ...


Tell = Callable[[Progress], None]


@asynccontextmanager
async def recording(
    folder: RunFolder, engine: Engine, options: RunOptions
) -> AsyncIterator[Recorder]:
    """Open the run's journal for work; settles what an earlier run left under way.

    Raises:
        RunMismatch: the engine's tiers or prices are not those of the run.
        Unpriced: a model has no price.
        RunInUse: another process works in the directory.
    """
    check_engine(folder, engine)
    with Journal(folder.path) as journal:
        state = RunState.of(journal.entries())
        lost = dict(state.intents)

        def again(key: str) -> bool:
            entry = state.outcomes[key]
            return options.repeat_lost if entry["kind"] == "lost" else options.again

        recorder = Recorder(journal, state, engine.prices, again)
        for key, worst in lost.items():
            await recorder.note({"kind": "lost", "call": key, "paid_nano_usd": worst})
        yield recorder


def check_engine(folder: RunFolder, engine: Engine) -> None:
    """See that the engine serves what the run measures.

    Raises:
        RunMismatch: it has other tiers, models, prices or checks.
        Unpriced: a model has no price.
    """
    check_tiers(folder, engine.table)
    for difference in check_differences(folder.settings, check_facts(engine.settings)):
        raise RunMismatch(f"{folder.path} was made for other work: {difference}")
    if engine.prices.version != folder.settings.price_book_version:
        raise RunMismatch(f"{folder.path} was made with other prices")
    for tier in engine.table.tiers:
        check_priced(tier.model, engine.prices)


def check_priced(model: Model, book: PriceBook) -> None:
    """See that the model has a price.

    Raises:
        Unpriced: it has none.
    """
    if book.rates(model.id, 0) is None:
        raise Unpriced(
            f"model {model.id!r} has no price; give it one in the configuration's prices"
        )


def check_tiers(folder: RunFolder, table: RoutingTable) -> None:
    """See that a table's tiers are those of the run.

    Raises:
        RunMismatch: it has other tiers or models.
    """
    if tiers_version(table) != folder.settings.tiers_version:
        raise RunMismatch(f"{folder.path} was made with other tiers or models")


@dataclass(frozen=True, slots=True)
class UnitJob:
    """A unit as a job."""

    probe: Probe
    unit: Unit

    @property
    def worst_nano_usd(self) -> int:
        """See Job."""
        return worst_nano_usd(self.probe.engine.prices, self.unit)

    @property
    def done(self) -> bool:
        """See Job."""
        return self.probe.recorder.state.done(*self.unit.place)

    @property
    def calls(self) -> tuple[str, ...]:
        """See Job."""
        kinds = (CallKind.DIRECT, CallKind.CHECK)
        return tuple(str(answer_key(*self.unit.place, kind)) for kind in kinds)

    async def do(self) -> bool:
        """See Job."""
        outcome = await self.probe.measure(self.unit)
        return bool(outcome["outcome"] == "answered")


@dataclass(slots=True)
class Runner:
    """Works through the jobs that are not done yet. One per step of a session.

    Attributes:
        stop: set it to end cleanly: what is under way is finished, nothing else begun.
        halt: why it ended, or ends as soon as what is under way is finished.
    """

    jobs: Sequence[Job]
    recorder: Recorder
    options: RunOptions
    tell: Tell = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    monotonic: Callable[[], float] = time.monotonic
    halt: Halt = Halt.DONE
    _begun_s: float = 0.0
    _finished: int = 0
    _failed: int = 0
    _failing: int = 0
    _todo: int = 0

    async def run(self) -> Halt:
        """Run until done, stopped or out of money. Spends money.

        Raises:
            RequestError: the provider refuses us altogether.
        """
        todo = [job for job in self.jobs if not job.done]
        purse = Purse(self.options.most_nano_usd, self.recorder.state.paid_nano_usd)
        priced = iter([(job, self._worst(job)) for job in todo])
        self._begun_s, self._todo = self.monotonic(), len(todo)
        self._say()
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self.options.concurrency, len(todo))):
                    workers.create_task(self._work(priced, purse))
        except BaseExceptionGroup as group:
            raise _first(group) from None
        return self.halt

    async def _work(self, priced: Iterator[tuple[Job, int]], purse: Purse) -> None:
        for job, worst in priced:
            if self.halt is Halt.DONE and self.stop.is_set():
                self.halt = Halt.TOLD
            if self.halt is not Halt.DONE:
                return
            if not await purse.take(worst):
                self.halt = Halt.MONEY
                return
            try:
                worked = await job.do()
            finally:
                await purse.settle(worst, self.recorder.state.paid_nano_usd)
            self._finished += 1
            self._failed += not worked
            if worked:
                self._failing = 0
            elif self._is_unwell(job):
                self._failing += 1
            if self._failing >= max(MOST_FAILURES_IN_A_ROW, 2 * self.options.concurrency):
                self.halt = Halt.FAILING
            self._say()

    def _is_unwell(self, job: Job) -> bool:
        """Whether the job's failure says that the provider is not well.

        One that is played from the journal says nothing of the provider as it is now, and a refusal nothing at all.
        """
        ends = (self.recorder.state.outcomes[call] for call in self.recorder.made & {*job.calls})
        return any(end["kind"] != "answered" and not is_refusal(end) for end in ends)

    def _worst(self, job: Job) -> int:
        if self.options.most_nano_usd is None or any(map(self._is_given_up, job.calls)):
            return 0
        return job.worst_nano_usd

    def _is_given_up(self, call: str) -> bool:
        known = self.recorder.known(call)
        return known is not None and known["kind"] != "answered"

    def _say(self) -> None:
        pace_s = (self.monotonic() - self._begun_s) / self._finished if self._finished else None
        left = self._todo - self._finished
        self.tell(
            Progress(
                done=len(self.jobs) - left - self._failed,
                failed=self._failed,
                total=len(self.jobs),
                spent_nano_usd=self.recorder.state.paid_nano_usd,
                left_s=None if pace_s is None else pace_s * left,
            )
        )


def unit_jobs(folder: RunFolder, probe: Probe) -> tuple[UnitJob, ...]:
    """Every tier on every task."""
    units = units_of(folder.tasks, probe.engine.table.tiers)
    return tuple(UnitJob(probe, unit) for unit in units)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended the group: the others follow from it."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
