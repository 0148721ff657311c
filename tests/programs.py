"""The `tierwise` command as a program of its own, for tests."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

WAIT_S = 30

DATA = tempfile.TemporaryDirectory(prefix="tierwise-tests-")
"""Where the programs keep their data; gone at the end."""


@dataclass
class Program:
    """A running command. `said` is what it wrote to standard error so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def until(self, words: str) -> str:
        """Wait until a line of standard error holds `words`; returns the line."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return line.strip()
        raise AssertionError(f"it ended without saying {words!r}: {''.join(self.said)}")

    def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        assert self.process.stderr is not None
        self.said += self.process.stderr.readlines()
        return self.process.wait(WAIT_S)


def command(*words: str) -> list[str]:
    """The command line of `tierwise` with these words."""
    return [sys.executable, "-m", "tierwise_server", *words]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would configure tierwise, with a place for its data, and with `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TIERWISE_", "OTEL_", "ANTHROPIC_"))
    }
    data = tempfile.mkdtemp(dir=DATA.name)
    plain = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100", "XDG_DATA_HOME": data}
    return {**kept, **plain, **extra}


def run(
    *words: str, environ: Mapping[str, str] | None = None, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with variables of its own."""
    return subprocess.run(
        command(*words),
        env=environment({**(environ or {}), **extra}),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@contextmanager
def running(*words: str, **extra: str) -> Iterator[Program]:
    """Start a command; it is ended with the context, whatever happens."""
    with started(command(*words), extra) as program:
        yield program


@contextmanager
def simulating(*words: str) -> Iterator[str]:
    """Start the simulator on a port of its own; gives its base URL."""
    with running("simulate", "--port", "0", *words) as simulator:
        yield simulator.until("simulating").rpartition(" ")[2]


@contextmanager
def started(words: Sequence[str], variables: Mapping[str, str]) -> Iterator[Program]:
    """Start a whole command line as `running` does."""
    process = subprocess.Popen(words, env=environment(variables), stderr=subprocess.PIPE, text=True)
    program = Program(process)
    try:
        yield program
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        if process.stderr is not None:
            process.stderr.close()


def run_at_a_terminal(
    *words: str, columns: int, environ: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command at a terminal of its own to its end; returns the exit code and all that the terminal was sent."""
    environ = environment({"TERM": "xterm", "COLUMNS": str(columns), **(environ or {})})
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command(*words), env=environ, stdin=its, stdout=its, stderr=its)
    os.close(its)
    try:
        sent = b"".join(iter(lambda: _read(ours), b""))
        return process.wait(WAIT_S), sent.decode()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        # How Linux says that nobody has the other end open any more.
        return b""
