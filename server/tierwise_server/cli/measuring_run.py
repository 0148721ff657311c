"""`tierwise measure run` at the terminal: faults of the file, Ctrl-C, and how it ended."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from tierwise_server import app, config
from tierwise_server.cli.failing import say
from tierwise_server.cli.measuring_progress import telling
from tierwise_server.cli.serving import environment
from tierwise_server.cli.showing import usd
from tierwise_server.config.resolve import core_model
from tierwise_server.core.model import Model
from tierwise_server.engine import Engine
from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.measure.batch import BatchSession
from tierwise_server.measure.dataset import SampleTask, dataset_hash, read_dataset, stratified
from tierwise_server.measure.judge import choose_judge
from tierwise_server.measure.run import Halt, RunOptions
from tierwise_server.measure.runfolder import RunFolder, settings_for
from tierwise_server.measure.session import Ended, Session
from tierwise_server.measure.standing import Work
from tierwise_server.translation import engine_settings

MOST_FAULTS_SHOWN = 20
UNFINISHED = 3
"""The exit code of a run that ended early: stopped, out of money, or at a provider that fails every call."""
INCOMPLETE = 4
"""The exit code of a run that went to its end, but some answers or judgements failed."""


@dataclass(frozen=True, slots=True)
class RunArguments:
    """The command's arguments."""

    tasks: Path
    out: Path | None
    sample: int | None
    seed: int
    most_nano_usd: int | None
    concurrency: int
    batch: bool
    judge: bool
    judge_model: str | None
    again: bool
    repeat_lost: bool
    config_file: Path | None


def run_sample(arguments: RunArguments) -> int:
    """Run the sample and say how it ended; returns the exit code."""
    settings = config.load(arguments.config_file, environment())
    engine = Engine(
        table=settings.routing_table(),
        prices=settings.price_book(),
        providers=app.providers_of(settings, environment()),
        settings=engine_settings(settings),
    )
    tasks, whole_hash, cautions = _read(arguments)
    run_settings = settings_for(
        engine.table,
        tasks,
        price_book_version=engine.prices.version,
        dataset=arguments.tasks.name,
        whole_hash=whole_hash,
        seed=arguments.seed,
        now=dt.datetime.now(dt.UTC),
        batched=arguments.batch,
        checks=engine.settings,
        cautions=cautions,
    )
    # Not named by its sample, so that a larger one of the same file goes on where this one ends.
    path = arguments.out or Path(f"measure-{whole_hash[:8]}-{arguments.seed}")
    folder = RunFolder.make(path, run_settings, tasks)
    grown = len(folder.settings.grown_from)
    if grown:
        say(
            f"{path} has grown, {grown + 1} samples in all: each look at its table spends confidence"
        )
    options = RunOptions(
        arguments.concurrency, arguments.most_nano_usd, arguments.again, arguments.repeat_lost
    )
    judge = _judge(arguments, settings, engine)
    session = Session(folder, engine, options, judge)
    if arguments.batch:
        batches = app.batches_of(settings, environment())
        session = BatchSession(folder, engine, options, judge, batches=batches)
    say(f"{len(tasks)} tasks on {', '.join(t.name for t in engine.table.tiers)}, into {path}")
    ended = asyncio.run(_work(session))
    _conclude(ended, path, arguments)
    if ended.halt is not Halt.DONE:
        return UNFINISHED
    return 0 if ended.whole else INCOMPLETE


def _read(arguments: RunArguments) -> tuple[tuple[SampleTask, ...], str, list[str]]:
    dataset = read_dataset(arguments.tasks)
    for fault in dataset.faults[:MOST_FAULTS_SHOWN]:
        say(f"{arguments.tasks}, {fault}; the line is left out")
    more = len(dataset.faults) - MOST_FAULTS_SHOWN
    if more > 0:
        say(f"{arguments.tasks}: {more} more faults")
    if not dataset.tasks:
        raise ConfigurationError((Fault(str(arguments.tasks), "holds no task that can be read"),))
    cautions = []
    if dataset.faults:
        lines = len({fault.path for fault in dataset.faults})
        cautions.append(f"{lines} lines of the file could not be read and are left out")
    tasks = stratified(dataset.tasks, arguments.sample, arguments.seed)
    return tasks, dataset_hash(dataset.tasks), cautions


def _judge(arguments: RunArguments, settings: config.Config, engine: Engine) -> Model | None:
    if not arguments.judge:
        return None
    known = {
        model_id: core_model(model.settings)
        for model_id, model in settings.resolved.models.items()
        if model.settings.context_tokens and model.settings.max_output_tokens
    }
    if arguments.judge_model is None:
        return choose_judge(known, [tier.model for tier in engine.table.tiers], engine.prices)
    if arguments.judge_model not in known:
        message = f"there is no model {arguments.judge_model!r}; known: {', '.join(sorted(known))}"
        raise ConfigurationError((Fault("--judge-model", message),))
    return known[arguments.judge_model]


async def _work(session: Session) -> Ended:
    with _stopping(session), telling() as session.tell:
        try:
            return await session.run()
        finally:
            for provider in session.engine.providers.values():
                await provider.aclose()
            if isinstance(session, BatchSession) and session.batches is not None:
                await session.batches.aclose()


@contextmanager
def _stopping(session: Session) -> Iterator[None]:
    """The first Ctrl-C lets what is under way finish; the second ends it."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if session.stop.is_set() and main is not None:
            main.cancel()
        else:
            say("stopping: what is under way is finished first; once more ends it at once")
            session.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    except asyncio.CancelledError:
        say("stopped at once; run the same command again to resume")
        raise typer.Exit(130) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _conclude(ended: Ended, path: Path, arguments: RunArguments) -> None:
    now, judged = ended.standing, ended.judged
    judgements = f"{judged.done} of {judged.total} judgements" if judged.total else "no judgements"
    typer.echo(f"{now.done} of {now.total} answers, {judgements}, {usd(now.spent_nano_usd)}")
    if now.lost:
        typer.echo(
            f"{now.lost} calls were under way when a run was killed; they may have been billed and are"
            " counted at their worst case"
        )
    for line in _failures(ended, arguments):
        typer.echo(line)
    if ended.halt is Halt.MONEY:
        typer.echo(
            f"stopped: the next call might exceed --max-cost {usd(arguments.most_nano_usd)};"
            " the same command with more money resumes"
        )
    elif ended.halt is Halt.FAILING:
        typer.echo("stopped: the provider fails every call; the same command resumes")
    elif ended.halt is Halt.TOLD:
        typer.echo("stopped; the same command resumes")
    elif now.done:
        typer.echo(f"next: tierwise measure report {path}")


def _failures(ended: Ended, arguments: RunArguments) -> Iterator[str]:
    now = ended.standing
    if now.failed:
        reasons = ", ".join(f"{name} {count}" for name, count in now.reasons.items())
        yield f"{now.failed} answers failed; their tasks are left out of every comparison ({reasons})"
        yield from _what_becomes_of(now, arguments)
    if ended.judged.failed:
        yield f"{ended.judged.failed} judgements failed; what they would compare is left out"
        yield from _what_becomes_of(ended.judged, arguments)
    missing = now.missing + ended.judged.missing
    if missing and ended.halt is Halt.DONE:
        yield f"{missing} calls were handed in and no result came; the same command asks again"


def _what_becomes_of(work: Work, arguments: RunArguments) -> Iterator[str]:
    left = 0 if arguments.repeat_lost else work.left
    again = work.failed - work.kept - left
    if again > 0:
        yield f"  the same command tries {again} of them again"
    if work.kept:
        yield f"  {work.kept} were refused or billed: only --retry-failed tries them again"
    if left:
        yield f"  {left} were lost and may have been billed: tried again without --lost leave"
