"""The programs that a benchmark measures, each in a process of its own, pinned to a core where there are two."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

# Read before anything is pinned, and handed on as numbers: what a pinned process starts is pinned with it.
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
MEASURED_CORE = _CORES[0]
OTHER_CORE = _CORES[-1]


@dataclass(frozen=True, slots=True)
class Running:
    """A started program: where it listens, and what it has used."""

    process: subprocess.Popen[str]
    address: str

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system, all threads."""
        return _cpu_s(self.process.pid)

    @property
    def rss_mb(self) -> float:
        """Memory in use, in MB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6


def _cpu_s(pid: int) -> float:
    clock = ctypes.c_int()
    # The kernel's own count, to the nanosecond; psutil knows ticks of 10 ms, a few of them per round.
    if hasattr(_LIBC, "clock_getcpuclockid") and not _LIBC.clock_getcpuclockid(
        pid, ctypes.byref(clock)
    ):
        return time.clock_gettime(clock.value)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


_LIBC = ctypes.CDLL(None)


def pin(core: int) -> None:
    """Keep this process on one core, where the system allows that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


@contextmanager
def program(module: str, arguments: Sequence[str] = (), *, core: int) -> Iterator[Running]:
    """Run `python -m module CORE ...`; it is ready when it has printed `ready ADDRESS`.

    Its log goes nowhere, as a terminal would be measured with it: run the module by hand to see why it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(core), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
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
