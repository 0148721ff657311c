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
    check_priced,
    recording,
    unit_jobs,
)
from tierwise_server.measure.runfolder import RunFolder
from tierwise_server.measure.standing import Standing, Work, judged, standing

Tell = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended, and where the run stands now."""

    halt: Halt
    standing: Standing
    judged: Work

    @property
    def judgements(self) -> int:
        """How many judgements there are."""
        return self.judged.done

    @property
    def whole(self) -> bool:
        """Whether every answer and every judgement is there."""
        answered = self.standing.done == self.standing.total
        return self.halt is Halt.DONE and answered and self.judged.done == self.judged.total


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
            Unpriced: a model has no price.
            RequestError: the provider refuses us altogether.
        """
        if self.judge is not None:
            check_priced(self.judge, self.engine.prices)
        async with recording(self.folder, self.engine, self.options) as recorder:
            halt = await self.answer(recorder)
            jobs: Sequence[Job] = ()
            if halt in (Halt.DONE, Halt.FAILING):
                # One tier's model may fail and the judge be well: what is answered can be judged.
                judging, jobs = await self.judge_answers(recorder)
                halt = halt if judging is Halt.DONE else judging
            state = recorder.state
            return Ended(halt, standing(self.folder, state), judged(jobs, state))

    async def answer(self, recorder: Recorder) -> Halt:
        """Answer and check what is missing."""
        jobs = unit_jobs(self.folder, Probe(self.engine, recorder))
        return await self.work("answering", jobs, recorder)

    async def judge_answers(self, recorder: Recorder) -> tuple[Halt, Sequence[Job]]:
        """Judge what is not judged; also says which judgements are due."""
        if self.judge is None:
            return Halt.DONE, ()
        judge = Judge(self.judge, self.engine.providers[self.judge.provider], recorder)
        jobs = judge_jobs(judge, self.folder.tasks, self.folder.settings.tiers)
        halt = await self.work("judging", jobs, recorder)
        return halt, jobs

    async def work(self, step: str, jobs: Sequence[Job], recorder: Recorder) -> Halt:
        """Do the jobs of one step."""

        def tell(progress: Progress) -> None:
            self.tell(step, progress)

        if not jobs:
            return Halt.DONE
        return await Runner(jobs, recorder, self.options, tell, self.stop).run()
