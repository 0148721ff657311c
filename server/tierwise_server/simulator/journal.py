"""What was served: one entry per request, in order of arrival, kept in memory and, if asked, in a file."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from tierwise_server.simulator.tokens import InputBill

RECORDED_HEADERS: Final = (
    "accept-encoding",
    "anthropic-beta",
    "anthropic-version",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-simulator-fault",
    "x-stainless-retry-count",
)
"""Request headers an entry keeps. Never one that holds a credential."""

IN_FLIGHT: Final = "in_flight"
CLIENT_LEFT: Final = "client_left"
STOPPED: Final = "simulator_stopped"
FAILED: Final = "simulator_failed"

DEFAULT_CAPACITY: Final = 100_000


@dataclass(slots=True)
class Entry:
    """One request and what became of it. Times are seconds of the monotonic clock.

    Attributes:
        sequence: 0 for the first request since the last reset.
        method: the HTTP method.
        path: the path, without its query.
        kind: answer, check, models, count_tokens or other; "" until the request is understood.
        model: the model as the request names it.
        stream: whether a stream was asked for.
        status: the HTTP status; 0 if none was sent.
        request_id: the request-id header.
        message_id: the answer's id.
        rule: the name of the rule that applied.
        fault: the kind of the fault switch that applied.
        outcome: completed, cut, reset, client_left, simulator_stopped, simulator_failed, or in_flight.
        input_tokens: uncached input tokens incurred.
        cache_read_input_tokens: tokens read from the prompt cache.
        cache_creation_input_tokens: tokens written to the prompt cache.
        output_tokens: output tokens incurred: of a stream that broke off, those of the events that got out.
        deltas: content deltas in the answer.
        bytes_sent: body bytes handed to the connection.
        started_s: when the request arrived.
        ended_s: when the response ended, however it did.
        client_left_s: when the client was seen to leave before the end.
        headers: the request's recorded headers.
    """

    sequence: int
    method: str
    path: str
    started_s: float
    kind: str = ""
    model: str = ""
    stream: bool = False
    status: int = 0
    request_id: str = ""
    message_id: str = ""
    rule: str = ""
    fault: str = ""
    outcome: str = IN_FLIGHT
    input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    output_tokens: int = 0
    deltas: int = 0
    bytes_sent: int = 0
    ended_s: float | None = None
    client_left_s: float | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def incur(self, bill: InputBill, output_tokens: int) -> None:
        """Set what the answer costs from here on."""
        self.input_tokens = bill.input_tokens
        self.cache_read_input_tokens = bill.cache_read_tokens
        self.cache_creation_input_tokens = bill.cache_write_tokens
        self.output_tokens = output_tokens

    def as_json(self) -> dict[str, Any]:
        """The entry in plain values."""
        return asdict(self)


class Journal:
    """The entries since the last reset, oldest first. The oldest fall out beyond `capacity`."""

    def __init__(self, path: Path | None = None, capacity: int = DEFAULT_CAPACITY) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._count = 0
        self._in_flight = 0
        self._change = asyncio.Event()
        self._waiting = 0

    def open_file(self) -> None:
        """Begin to write the file, after what it already holds. Raises OSError if that cannot be done."""
        if self._path is not None:
            # One line per request, whole as soon as it is written, so that a reader can follow the file.
            self._file = self._path.open("a", encoding="utf-8", buffering=1)

    def close_file(self) -> None:
        """End the entries still in flight, and close the file."""
        for entry in self:
            self.close(entry, STOPPED)
        if self._file is not None:
            self._file.close()
            self._file = None

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    @property
    def in_flight(self) -> int:
        """Requests not yet ended."""
        return self._in_flight

    @property
    def messages(self) -> tuple[Entry, ...]:
        """The entries of POST /v1/messages."""
        return tuple(e for e in self._entries if e.path == "/v1/messages" and e.method == "POST")

    def open(self, method: str, path: str, headers: Mapping[str, str]) -> Entry:
        """Begin the entry of a request that has just arrived."""
        entry = Entry(self._count, method, path, time.monotonic())
        entry.headers = {name: headers[name] for name in RECORDED_HEADERS if name in headers}
        self._count += 1
        self._in_flight += 1
        self._entries.append(entry)
        self.changed()
        return entry

    def close(self, entry: Entry, outcome: str) -> None:
        """End an entry, once; later calls change nothing."""
        if entry.outcome != IN_FLIGHT:
            return
        entry.outcome = outcome
        entry.ended_s = time.monotonic()
        if outcome == CLIENT_LEFT:
            entry.client_left_s = entry.ended_s
        self._in_flight -= 1
        if self._file is not None:
            self._file.write(json.dumps(entry.as_json()) + "\n")
        self.changed()

    def reset(self) -> None:
        """Forget every entry; numbering starts again at 0. The file keeps its lines."""
        self._entries.clear()
        self._count = 0
        self.changed()

    def changed(self) -> None:
        """Wake whoever waits in until(): an entry has changed."""
        if self._waiting:
            self._change.set()
            self._change = asyncio.Event()

    async def until(self, condition: Callable[[Journal], bool]) -> None:
        """Return once `condition` holds; it is tried at each change. Put a deadline around it."""
        self._waiting += 1
        try:
            while not condition(self):
                await self._change.wait()
        finally:
            self._waiting -= 1

    async def settled(self) -> None:
        """Return once no request is in flight."""
        await self.until(lambda journal: journal.in_flight == 0)
