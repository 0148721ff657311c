"""What `tierwise measure` shows of a run: the proposed table, the replay, the report and the review page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tierwise_server import config
from tierwise_server.cli.serving import environment
from tierwise_server.measure import table as tables
from tierwise_server.measure import toml_rows
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.grading import Grader, read_labels
from tierwise_server.measure.replay import ReplaySummary, replay
from tierwise_server.measure.run import check_tiers
from tierwise_server.measure.runfolder import RunFolder
from tierwise_server.measure.statistics import Interval

NANO_PER_USD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """By what rows are chosen; tolerance, confidence, price and guard are shares of 1."""

    tolerance: float
    confidence: float
    keep_current: bool
    price: float | None
    guard: float | None

    def rows(
        self, measurement: Measurement, expires_after: dt.timedelta = tables.EXPIRES_AFTER
    ) -> tuple[tables.ProposedRow, ...]:
        """The proposed rows, the same for the report as for the table."""
        by = (
            Tolerance(self.tolerance, self.confidence)
            if self.price is None
            else tables.Pricing(self.price, self.guard)
        )
        fallback: tables.Fallback = "current" if self.keep_current else "strongest"
        return tables.propose_rows(measurement, by, fallback=fallback, expires_after=expires_after)


@dataclass(frozen=True, slots=True)
class TableArguments:
    """The command's arguments."""

    folder: Path
    config_file: Path | None
    out: Path | None
    choice: Choice
    expires_days: int


def opened(folder: Path) -> Measurement:
    """A run, ready for statistics; says what is missing."""
    measurement = collect(RunFolder.open(folder))
    for name in measurement.empty:
        typer.echo(f"{name}: no task has a graded answer at every tier; it is left out", err=True)
    return measurement


def show_table(arguments: TableArguments) -> None:
    """Print the proposal as a diff, and write the whole file where asked to."""
    measurement = opened(arguments.folder)
    rows = arguments.choice.rows(measurement, dt.timedelta(days=arguments.expires_days))
    path = arguments.config_file
    old = "" if path is None else path.read_text(encoding="utf-8")
    new = toml_rows.replace_rows(old, tables.rows_with_comments(rows))
    name = "tierwise.toml" if path is None else str(path)
    typer.echo(toml_rows.diff(old, new, name, f"{name} (proposed)"), nl=False)
    for row in rows:
        typer.echo(f"{row.sample.task_type}: {row.proposal.why}", err=True)
    if arguments.out is not None:
        arguments.out.write_text(new, encoding="utf-8")
        found = config.examine(arguments.out, environment())
        for fault in found.faults:
            typer.echo(f"warning: {arguments.out}: {fault}", err=True)
        typer.echo(f"written: {arguments.out}; look at it, then serve with --config", err=True)


def show_replay(folder: Path, config_file: Path | None, threshold: float | None) -> None:
    """Print what the table would have made of the run, per task type and in all."""
    measurement = opened(folder)
    table = config.load(config_file, environment()).routing_table()
    check_tiers(measurement.folder, table)
    _, summaries = replay(measurement, table, threshold)
    shown = Table("task type", box=box.SIMPLE_HEAD, title_justify="left")
    shown.title = f"routing table {table.version}" + (
        "" if threshold is None else f", threshold {threshold:g}"
    )
    for name in ("n", "quality", "USD a task", "escalates", "seconds", "left out"):
        shown.add_column(name, justify="right")
    for summary in summaries:
        shown.add_row(*_replay_row(summary))
    Console(highlight=False, width=120).print(shown)


def _replay_row(summary: ReplaySummary) -> tuple[str, ...]:
    latency = summary.latency_s
    return (
        summary.task_type,
        str(summary.quality.n),
        _interval(summary.quality),
        _interval(summary.cost_nano_usd, 1 / NANO_PER_USD, 6),
        _interval(summary.escalation, 100, 0) + " %",
        "" if latency is None else _interval(latency, 1, 2),
        str(summary.left_out),
    )


def _interval(interval: Interval, scale: float = 1.0, digits: int = 3) -> str:
    value, low, high = (x * scale for x in (interval.value, interval.low, interval.high))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def write_report(folder: Path, out: Path, choice: Choice) -> None:
    """Write the report and say where it is."""
    # Loaded here: drawing takes a second to load, which the other commands need not wait.
    from tierwise_server.measure import report
    from tierwise_server.measure.analysis import analyse

    measurement = opened(folder)
    rows = choice.rows(measurement) if measurement.samples else ()
    page = report.write(analyse(measurement, rows), out)
    for row in rows:
        typer.echo(f"{row.sample.task_type}: {row.proposal.why}")
    if not rows:
        typer.echo("no table is proposed: nothing was graded; the report has costs and latencies")
    typer.echo(f"report: {page}")


def write_review(folder: Path, out: Path, sample: int, seed: int) -> None:
    """Write the review page and say where it is."""
    from tierwise_server.measure.review import review_page

    page, count = review_page(RunFolder.open(folder), sample, seed)
    out.write_text(page, encoding="utf-8")
    typer.echo(f"{out}: {count} tasks; open it in a browser, export, then read it back with --read")


def read_review(folder: Path, exported: Path) -> None:
    """Read back what a reviewer exported."""
    from tierwise_server.measure.review import read_export

    run = RunFolder.open(folder)
    count = read_export(run, exported.read_text(encoding="utf-8"))
    typer.echo(f"{count} answers graded by a person")
    labelled = {task for task, _ in read_labels(run.path)}
    for kind, tasks in sorted_out(collect(run), labelled).items():
        if tasks:
            typer.echo(f"{len(tasks)} {kind}")


_DECIDED = "tasks decided by people: every answer is graded"
_IN_PART = "tasks graded in part: people are shown beside the judge, which decides until every answer is graded"
_CHECKED = "tasks with checks, which decide: people are shown beside them"


def sorted_out(measurement: Measurement, labelled: Collection[str]) -> dict[str, list[str]]:
    """The labelled tasks by what their labels do."""
    found: dict[str, list[str]] = {_DECIDED: [], _IN_PART: [], _CHECKED: []}
    checked = {task.id for task in measurement.folder.tasks if task.checks}
    by_people = {
        task
        for (task, _), grade in measurement.grades.final.items()
        if grade.grader is Grader.HUMAN
    }
    for task in labelled:
        kind = _CHECKED if task in checked else _DECIDED if task in by_people else _IN_PART
        found[kind].append(task)
    return found
