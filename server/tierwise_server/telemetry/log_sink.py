"""Writes log lines to a stream that may be full, slow or closed, without making anybody wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO, TypeAlias

MOST_WAITING: Final = 10_000
GATHER_S: Final = 0.02
"""How long the writer lets lines gather before it writes them.

Waking it for each line would cost the thread that logs a handover of the interpreter (measured: 0.1 ms of CPU a line).
"""
_MOST_AT_ONCE: Final = 256

Line: TypeAlias = str | Callable[[], str]
"""A line without its newline, or what makes it, in the writer's thread.

There many are made in a row; one by one, between other work, they cost several times as much (measured: 70 against 12
us a line).
"""


class LogSink:
    """Takes lines from any thread and writes them in one of its own, within about GATHER_S.

    Lines that find too many waiting are dropped and counted; once the stream takes lines again, one line says how many
    are missing. Close it to have what waits written.
    """

    def __init__(self, stream: TextIO, *, most_waiting: int = MOST_WAITING) -> None:
        self._stream = stream
        self._most_waiting = most_waiting
        self._lines: deque[Line] = deque()
        self._some_wait = threading.Event()
        self._closing = threading.Event()
        self._reported = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="tierwise-log", daemon=True)
        self._thread.start()

    def write(self, line: Line) -> None:
        """Queue a line. Never waits."""
        if len(self._lines) >= self._most_waiting:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._some_wait.is_set():
            self._some_wait.set()

    def close(self, timeout_s: float) -> bool:
        """Write what waits, for at most `timeout_s`; says whether all of it was written. The stream stays open."""
        self._closing.set()
        self._some_wait.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some_wait.wait()
            self._closing.wait(GATHER_S)
            # Cleared before the lines are taken, so that a line that comes meanwhile is never forgotten.
            self._some_wait.clear()
            while lines := self._take():
                self._put(lines)

    def _take(self) -> list[str]:
        """The lines that wait, but not too many at once, and then how many others were dropped."""
        waiting = min(len(self._lines), _MOST_AT_ONCE)
        taken = [self._lines.popleft() for _ in range(waiting)]
        lines = [line if isinstance(line, str) else _made(line) for line in taken]
        if lines and self.dropped > self._reported:
            missing, self._reported = self.dropped - self._reported, self.dropped
            lines.append(f'{{"level":"warning","event":"log_lines_dropped","count":{missing}}}')
        return lines

    def _put(self, lines: list[str]) -> None:
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The reader is gone or the stream was closed: there is nowhere left to say so.
            self.dropped += len(lines)


def _made(line: Callable[[], str]) -> str:
    """Make a line; one that cannot be made must not end the thread that writes all the others."""
    try:
        return line()
    except Exception as error:
        cause = type(error).__name__
        return f'{{"level":"error","event":"log_line_unwritable","cause":"{cause}"}}'
