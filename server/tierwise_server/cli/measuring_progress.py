"""How far `tierwise measure run` is, with cost so far and time left: bars at a terminal, plain lines elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from tierwise_server.cli.failing import say
from tierwise_server.cli.showing import usd
from tierwise_server.measure.run import Progress
from tierwise_server.measure.session import Tell

LINES_PER_STEP = 10
"""A log wants to show that a run moves, not every answer of it."""


@contextmanager
def telling() -> Iterator[Tell]:
    """Show progress on standard error for as long as the context is open."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=console) as bars:
        yield _bars(bars)


def _bars(bars: Bars) -> Tell:
    shown: dict[str, TaskID] = {}

    def tell(step: str, progress: Progress) -> None:
        if step not in shown:
            shown[step] = bars.add_task(step, total=progress.total, note="")
        bars.update(
            shown[step], completed=_over(progress), total=progress.total, note=_note(progress)
        )

    return tell


def _lines() -> Tell:
    shown: dict[str, int] = {}

    def tell(step: str, progress: Progress) -> None:
        part = _over(progress) * LINES_PER_STEP // max(1, progress.total)
        if shown.get(step) != part:
            shown[step] = part
            say(f"{step}: {_over(progress)} of {progress.total} · {_note(progress)}")

    return tell


def _over(progress: Progress) -> int:
    return progress.done + progress.failed


def _note(progress: Progress) -> str:
    parts = [usd(progress.spent_nano_usd)]
    if progress.left_s is not None and progress.left_s > 0:
        parts.append(f"about {dt.timedelta(seconds=round(progress.left_s))} left")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return " · ".join(parts)
