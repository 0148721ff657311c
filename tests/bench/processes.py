"""The programs that a benchmark measures, each in a process of its own, pinned to a core where there are two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

MEASURED_CORE = 0
OTHER_CORE = 1


@dataclass(frozen=True, slots=True)
class Running:
    """A started program: where it listens, and what it has used."""

    process: subprocess.Popen[str]
    address: str

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system, all threads."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def rss_mb(self) -> float:
        """Memory in use, in MB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6


def pin(core: int) -> None:
    """Keep this process, and what it starts, on one core; does nothing where there is only one."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[min(core, len(cores) - 1)]})


@contextmanager
def program(module: str, arguments: Sequence[str] = (), *, core: int) -> Iterator[Running]:
    """Run `python -m module`; it is ready when it has printed `ready ADDRESS`."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(core), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process, _address(process))
    finally:
        process.terminate()
        process.wait(timeout=10)


def _address(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise RuntimeError("the program has no standard output")
    for line in process.stdout:
        word, _, address = line.strip().partition(" ")
        if word == "ready":
            return address
    raise RuntimeError("the program ended before it was ready")
