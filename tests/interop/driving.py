"""Talks to a driver: one call in, what came of it out."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from tests.house.tree import ROOT
from tests.messages import Plain
from tests.programs import environment

Called = dict[str, Any]

LONGEST_WAIT_S: Final = 40
"""How long a driver may be silent: more than any case's deadline, less than a test's."""


@dataclass
class Played:
    """What a driver wrote of one call.

    Attributes:
        events: every event, as kind and plain event.
        texts: every piece of text.
        end: how it ended: one of the keys `answer`, `response`, `error`, `refused`.
    """

    events: list[tuple[str, Plain]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> dict[str, Any]:
        """The error; fails when there is none."""
        assert self.end.keys() == {"error"}, self.end
        error: dict[str, Any] = self.end["error"]
        return error

    @property
    def answer(self) -> dict[str, Any]:
        """The answer; fails when there is none."""
        assert self.end.keys() == {"answer"}, self.end
        answer: dict[str, Any] = self.end["answer"]
        return answer

    @property
    def told(self) -> list[tuple[str, Plain]]:
        """The events as transcripts write them: neighbouring text joined, heartbeats left out."""
        joined: list[tuple[str, Plain]] = []
        pieces: dict[int, list[str]] = {}
        for kind, event in self.events:
            rest = {name: value for name, value in event.items() if name != "text"}
            if kind == "text_delta" and joined and joined[-1] == (kind, rest):
                pieces[len(joined) - 1].append(event["text"])
            elif kind != "heartbeat":
                pieces[len(joined)] = [event["text"]] if kind == "text_delta" else []
                joined.append((kind, rest))
        for place, texts in pieces.items():
            if texts:
                joined[place][1]["text"] = "".join(texts)
        return joined


class Driver:
    """One driver, for many calls; `variables` are its environment, beside the machine's."""

    def __init__(self, command: tuple[str | Path, ...], **variables: str) -> None:
        self._command = command
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()

    def play(self, call: Called, on_event: Callable[[str], None] = lambda _: None) -> Played:
        """Make a call; `on_event` is told the kind of each event while the call runs.

        Raises:
            AssertionError: the driver broke off, was silent, or wrote what is not of its protocol.
        """
        played = Played()
        try:
            self._send(call)
            while not played.end:
                self._take(json.loads(self._line()), played, on_event)
        except BaseException:
            self.stop()
            raise
        return played

    def stop(self) -> None:
        """End the program, whatever it does."""
        self._end(kill=True)

    def finish(self) -> None:
        """Close its input, at which it ends well.

        Raises:
            AssertionError: it does not.
        """
        assert self._end(kill=False) == 0

    def _end(self, *, kill: bool) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with process:
            # `with` closes the pipes and waits.
            if kill:
                process.kill()
            elif process.stdin is not None:
                process.stdin.close()
            if self._reader is not None:
                self._reader.join()
        return process.returncode

    def _send(self, call: Called) -> None:
        if self._process is None:
            self._lines = queue.Queue()
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=environment(self._variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            output = self._process.stdout
            self._reader = threading.Thread(target=_read, args=(output, self._lines), daemon=True)
            self._reader.start()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        self._process.stdin.flush()

    def _line(self) -> bytes:
        try:
            line = self._lines.get(timeout=LONGEST_WAIT_S)
        except queue.Empty:
            raise AssertionError("the driver says nothing") from None
        assert line, "the driver broke off"
        return line

    @staticmethod
    def _take(said: dict[str, Any], played: Played, on_event: Callable[[str], None]) -> None:
        match said:
            case {"event": event, **rest} if not rest:
                [(kind, fields)] = event.items()
                played.events.append((kind, fields))
                on_event(kind)
            case {"text": str(text), **rest} if not rest:
                played.texts.append(text)
            case {"end": end, **rest} if not rest:
                assert end.keys() <= {"answer", "response", "error", "refused"}
                assert len(end) == 1
                played.end = end
            case _:
                raise AssertionError(f"a driver does not say {said}")


def _read(output: IO[bytes] | None, lines: queue.Queue[bytes]) -> None:
    assert output is not None
    for line in output:
        lines.put(line)
    lines.put(b"")
