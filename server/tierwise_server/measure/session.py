"""One session of a run: open the directory, answer what is missing, judge what is not judged, and say how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tierwise_server.core.model import Model
from tierwise_server.engine import Engine
from tierwise_server.measure.judge import Judge, judge_jobs
from tierwise_server.measure.probing import Probe
from tierwise_server.measure.recording import Recorder
from tierwise_server.measure.run import (
    Halt,
    Job,
    Progress,
    Runner,
    RunOptions,
    Standing,
    recording,
    standing,
    unit_jobs,
)
from tierwise_server.measure.runfolder import RunFolder

Tell = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended, and where the run stands now."""

    halt: Halt
    standing: Standing
    judgements: int


@dataclass(slots=True)
class Session:
    """Works on a run until it is done, stopped or out of money.

    Attributes:
        engine: the serving engine; its tiers and prices must be those of the run.
        judge: the model that judges answers no check decides; None judges nothing.
        tell: hears of progress, under the name of the step.
        stop: set it to end cleanly.
    """

    folder: RunFolder
    engine: Engine
    options: RunOptions = field(default_factory=RunOptions)
    judge: Model | None = None
    tell: Tell = lambda _step, _progress: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Ended:
        """Run the session. Spends money.

        Raises:
            RunMismatch: the directory was made with other tiers or prices.
            RunInUse: another process works in it.
            Unpriced: there is a limit, and a model without a price.
            RequestError: the provider refuses us altogether.
        """
        async with recording(self.folder, self.engine, self.options) as recorder:
            halt = await self._answer(recorder)
            judging = self.judging(recorder)
            if halt is Halt.DONE:
                halt = await self.work("judging", judging, recorder)
            done = sum(job.done for job in judging)
            return Ended(halt, standing(self.folder, recorder.state), done)

    async def _answer(self, recorder: Recorder) -> Halt:
        return await self.work("answering", unit_jobs(self.folder, self.probe(recorder)), recorder)

    def probe(self, recorder: Recorder) -> Probe:
        """What measures units."""
        return Probe(self.engine, recorder)

    def judging(self, recorder: Recorder) -> Sequence[Job]:
        """The judgements that the answers so far need."""
        if self.judge is None:
            return ()
        judge = Judge(self.judge, self.engine.providers[self.judge.provider], recorder)
        return judge_jobs(judge, self.folder.tasks, self.folder.settings.tiers)

    async def work(self, step: str, jobs: Sequence[Job], recorder: Recorder) -> Halt:
        """Do the jobs of one step."""

        def tell(progress: Progress) -> None:
            self.tell(step, progress)

        if not jobs:
            return Halt.DONE
        return await Runner(jobs, recorder, self.options, tell, self.stop).run()
