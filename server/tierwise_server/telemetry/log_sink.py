"""Writes log lines to a stream that may be full, slow or closed, without making anybody wait."""

from __future__ import annotations

import queue
import threading
from typing import Final, TextIO

MOST_WAITING: Final = 10_000
_MOST_AT_ONCE: Final = 256


class LogSink:
    """Takes lines from any thread and writes them in one of its own.

    Lines that find too many waiting are dropped and counted; once the stream takes lines again, one line says how many
    are missing. Close it to have what waits written.
    """

    def __init__(self, stream: TextIO, *, most_waiting: int = MOST_WAITING) -> None:
        self._stream = stream
        self._most_waiting = most_waiting
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reported = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="tierwise-log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue a line, without its newline. Never waits."""
        if self._lines.qsize() >= self._most_waiting:
            self.dropped += 1
        else:
            self._lines.put(line)

    def close(self, timeout_s: float) -> bool:
        """Write what waits, for at most `timeout_s`; says whether all of it was written. The stream stays open."""
        self._lines.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            lines, last = self._take()
            if self.dropped > self._reported:
                missing, self._reported = self.dropped - self._reported, self.dropped
                lines.append(f'{{"level":"warning","event":"log_lines_dropped","count":{missing}}}')
            self._put(lines)
            if last:
                return

    def _take(self) -> tuple[list[str], bool]:
        """Wait for a line and take those that wait behind it."""
        lines: list[str] = []
        line = self._lines.get()
        while line is not None:
            lines.append(line)
            if len(lines) >= _MOST_AT_ONCE:
                return lines, False
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return lines, False
        return lines, True

    def _put(self, lines: list[str]) -> None:
        if not lines:
            return
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The reader is gone or the stream was closed: there is nowhere left to say so.
            self.dropped += len(lines)
