"""`tierwise measure`: the commands' arguments. What computes is imported only when a command runs."""

from __future__ import annotations

import enum
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwise_server.cli.serving import ConfigFile
from tierwise_server.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from tierwise_server.cli.measuring_show import Choice

measure = typer.Typer(
    name="measure",
    help="Let a sample of your own tasks decide the routing table.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

NEEDS = ("jinja2", "jsonschema", "matplotlib", "numpy", "scipy")
NANO_PER_USD = 1_000_000_000

RunDir = Annotated[Path, typer.Argument(metavar="RUN", help="The run's directory.")]
Tolerance = Annotated[
    float,
    typer.Option(
        min=0, max=50, help="Points of quality (of 100) that may be lost against the best tier."
    ),
]
Confidence = Annotated[
    float, typer.Option(min=51, max=99.9, help="How sure to be that no more is lost, in percent.")
]

Price = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        metavar="POINTS",
        help="Choose by utility instead: the points of quality that the best tier's cost is worth.",
    ),
]
Guard = Annotated[
    float | None,
    typer.Option(min=51, max=99.9, help="With --price: how sure a row must be to beat the best."),
]


class Lost(enum.StrEnum):
    """What becomes of calls that were under way when an earlier run was killed."""

    REPEAT = "repeat"
    LEAVE = "leave"


class Fallback(enum.StrEnum):
    """What is kept where nothing cheaper can be certified."""

    STRONGEST = "strongest"
    CURRENT = "current"


KeptRow = Annotated[
    Fallback, typer.Option(help="What to keep where nothing cheaper can be certified.")
]
TasksFile = Annotated[
    Path, typer.Argument(metavar="TASKS.jsonl", help="Your tasks, one JSON object a line.")
]
OutDir = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="The run's directory; measure-HASH-SEED by default."),
]
SampleSize = Annotated[
    int | None, typer.Option(min=1, help="How many tasks to draw, spread over task types.")
]
Seed = Annotated[int, typer.Option(help="Which tasks are drawn.")]
MaxCost = Annotated[
    str | None, typer.Option(metavar="USD", help="The most that the whole run may cost.")
]
Concurrency = Annotated[
    int, typer.Option(min=1, max=256, help="How many answers are asked for at a time.")
]
Batch = Annotated[
    bool, typer.Option("--batch", help="Use the batches API: half the price, no latencies.")
]
Judging = Annotated[
    bool, typer.Option("--judge/--no-judge", help="Let a model judge what no check decides.")
]
JudgeModel = Annotated[
    str | None, typer.Option(metavar="ID", help="Which model; one that fills no tier if it can.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Also repeat failed calls that were billed.")
]
LostCalls = Annotated[
    Lost, typer.Option(help="Calls under way when a run was killed: may have been billed.")
]


@measure.command()
def run(
    tasks: TasksFile,
    out: OutDir = None,
    sample: SampleSize = None,
    seed: Seed = 0,
    max_cost: MaxCost = None,
    concurrency: Concurrency = 8,
    batch: Batch = False,
    judge: Judging = True,
    judge_model: JudgeModel = None,
    retry_failed: RetryFailed = False,
    lost: LostCalls = Lost.REPEAT,
    config_file: ConfigFile = None,
) -> None:
    """Run a sample on every tier and judge the answers. Spends money; the same command again resumes.

    Ctrl-C ends it cleanly; after that, or after a crash, nothing that was answered is asked again.
    """
    _require()
    from tierwise_server.cli.measuring_run import RunArguments, run_sample

    arguments = RunArguments(
        tasks=tasks,
        out=out,
        sample=sample,
        seed=seed,
        most_nano_usd=None if max_cost is None else _nano_usd(max_cost),
        concurrency=concurrency,
        batch=batch,
        judge=judge,
        judge_model=judge_model,
        again=retry_failed,
        repeat_lost=lost is Lost.REPEAT,
        config_file=config_file,
    )
    raise typer.Exit(run_sample(arguments))


@measure.command()
def review(
    folder: RunDir,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; review.html in the run.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="How many tasks to review, spread over task types.")
    ] = 30,
    seed: Annotated[int, typer.Option(help="Which tasks, and in which order answers stand.")] = 0,
    read: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read back what a reviewer exported.")
    ] = None,
) -> None:
    """Write a page on which a person grades answers, offline and blinded; or read it back with --read."""
    _require()
    from tierwise_server.cli.measuring_show import read_review, write_review

    if read is not None:
        read_review(folder, read)
    else:
        write_review(folder, out or folder / "review.html", sample, seed)


@measure.command()
def report(
    folder: RunDir,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; report in the run's directory.")
    ] = None,
    tolerance: Tolerance = 2.0,
    confidence: Confidence = 90.0,
    fallback: KeptRow = Fallback.STRONGEST,
    price: Price = None,
    guard: Guard = None,
) -> None:
    """Write tables and pictures: one HTML file, PNG and SVG files, JSON and CSV. Spends nothing.

    The proposed table is the one that `table` proposes with the same options.
    """
    choice = _choice(tolerance, confidence, fallback, price, guard)
    from tierwise_server.cli.measuring_show import write_report

    write_report(folder, out or folder / "report", choice)


@measure.command()
def table(
    folder: RunDir,
    config_file: ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the whole proposed configuration to this file."),
    ] = None,
    tolerance: Tolerance = 2.0,
    confidence: Confidence = 90.0,
    fallback: KeptRow = Fallback.STRONGEST,
    expires_days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long the evidence is to be believed.")
    ] = 180,
    price: Price = None,
    guard: Guard = None,
) -> None:
    """Propose the routing table as a diff of the configuration. Changes no file but --out.

    With --price nothing is certified: rows have the most quality for their cost, and task types lean on each other.
    """
    choice = _choice(tolerance, confidence, fallback, price, guard)
    from tierwise_server.cli.measuring_show import TableArguments, show_table

    show_table(TableArguments(folder, config_file, out, choice, expires_days))


@measure.command()
def replay(
    folder: RunDir,
    config_file: ConfigFile = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="In place of the table's, where tasks climb."),
    ] = None,
) -> None:
    """Say what the recorded run would have been under another table or threshold. Calls no model."""
    _require()
    from tierwise_server.cli.measuring_show import show_replay

    show_replay(folder, config_file, threshold)


def _choice(
    tolerance: float,
    confidence: float,
    fallback: Fallback,
    price: float | None,
    guard: float | None,
) -> Choice:
    """The options by which rows are chosen, as shares of 1."""
    if price is None and guard is not None:
        raise typer.BadParameter("needs --price", param_hint="--guard")
    if price is not None and fallback is Fallback.CURRENT:
        raise typer.BadParameter("goes with --tolerance, not with --price", param_hint="--fallback")
    _require()
    from tierwise_server.cli.measuring_show import Choice

    return Choice(
        tolerance=tolerance / 100,
        confidence=confidence / 100,
        keep_current=fallback is Fallback.CURRENT,
        price=None if price is None else price / 100,
        guard=None if guard is None else guard / 100,
    )


def _require() -> None:
    """Say in one line what to install where the numbers' libraries are missing."""
    import importlib.util

    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        message = f"measure needs {', '.join(missing)}; install with: pip install 'tierwise[server,measure]'"
        raise ConfigurationError((Fault("", message),))


def _nano_usd(text: str) -> int:
    try:
        amount = Decimal(text.removeprefix("$"))
        nano_usd = int(amount * NANO_PER_USD)
    except (InvalidOperation, ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no amount in USD", param_hint="--max-cost") from None
    if nano_usd <= 0:
        raise typer.BadParameter("must be more than 0", param_hint="--max-cost")
    return nano_usd
