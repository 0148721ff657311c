"""Another HTTP gateway on the wall: whatever its upstream does, half an answer is never passed off as whole.

The gateway's upstream is our simulator. After every fault its caller must have been told: by an HTTP status, by an
error in the stream, or by a connection that breaks. A body that ends cleanly without the end of its dialect is silence,
and one that ends with it claims an answer that nobody gave.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.fault.wall.playing import Row
from tierwise_server.simulator import Simulator

CHUNKS: Final = ["Once ", "upon ", "a time ", "there ", "was a router."]
ANSWER: Final = "".join(CHUNKS)
PATHS: Final = {"messages": "/v1/messages", "chat-completions": "/v1/chat/completions"}


@dataclass(frozen=True, slots=True)
class Gateway:
    """What to ask, and how.

    Attributes:
        url: its base URL.
        dialect: messages or chat-completions.
        model: the model to name.
        key: what it takes for a key.
        patience_s: how long it may take until it says something.
    """

    url: str
    dialect: str
    model: str = "claude-haiku-4-5"
    key: str = "any"
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller was told: the text, whether the dialect's end came, and whether any failure was named."""

    text: str
    whole: bool
    failed: str


def faults() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the faults of the upstream part of the wall, each with its row."""
    for status in (400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529):
        yield f"status {status}", {"kind": "status", "status": status}
    for at in range(11):
        yield "error event", {"kind": "error_event", "at_event": at}
        yield "invalid JSON", {"kind": "invalid_json", "at_event": at}
        yield "invalid UTF-8", {"kind": "invalid_utf8", "at_event": at}
    for kind in ("cut", "end", "reset"):
        for at in range(0, 1300, 25):
            yield f"broken off: {kind}", {"kind": kind, "at_byte": at}
    for at in (0, 300, 700, 1000):
        yield "stall", {"kind": "stall", "at_byte": at}
    for kind in ("hang", "pings_only", "missing_stop", "missing_start", "html", "empty", "drop"):
        yield kind.replace("_", " "), {"kind": kind}
    yield "redirect", {"kind": "redirect"}


async def play_gateway(gateway: Gateway, simulator: Simulator) -> list[Row]:
    """Play every fault through a gateway whose upstream is `simulator`."""
    good = {"rules": [{"chunks": CHUNKS}]}
    timeout = aiohttp.ClientTimeout(total=gateway.patience_s)
    failures: dict[str, list[str]] = {"a whole answer": []}
    runs: dict[str, int] = {"a whole answer": 1}
    async with aiohttp.ClientSession(timeout=timeout) as session:
        simulator.use(good)
        first = await ask(session, gateway)
        if first != Told(ANSWER, whole=True, failed=""):
            failures["a whole answer"].append(f"{first}")
        for row, fault in faults():
            simulator.use({"rules": [{"chunks": CHUNKS, "fault": fault}]})
            struck = await ask(session, gateway)
            simulator.use(good)
            again = await ask(session, gateway)
            runs[row] = runs.get(row, 0) + 1
            wrong = verdict(struck, again)
            failures.setdefault(row, [])
            if wrong:
                failures[row].append(f"{fault}: {wrong}")
    return [
        Row(row, count, count - len(failures[row]), "; ".join(failures[row][:1]))
        for row, count in runs.items()
    ]


def verdict(struck: Told, again: Told) -> str:
    """What is wrong with what a caller was told of a fault, and of the good call after it; empty: nothing."""
    if struck.whole:
        return f"claims to be whole after {len(struck.text)} characters"
    if not struck.failed:
        return f"ends in silence after {len(struck.text)} characters"
    if not ANSWER.startswith(struck.text):
        return "told text that the upstream never sent"
    if again != Told(ANSWER, whole=True, failed=""):
        return f"the next good call: {again}"
    return ""


async def ask(session: aiohttp.ClientSession, gateway: Gateway) -> Told:
    """Ask a gateway for a streamed answer, as a careful caller would."""
    body = {
        "model": gateway.model,
        "max_tokens": 200,
        "stream": True,
        "messages": [{"role": "user", "content": "Tell me a story."}],
    }
    headers = {
        "x-api-key": gateway.key,
        "authorization": f"Bearer {gateway.key}",
        "anthropic-version": "2023-06-01",
    }
    url = gateway.url.rstrip("/") + PATHS[gateway.dialect]
    reader = _Reader(gateway.dialect)
    try:
        async with session.post(url, json=body, headers=headers) as response:
            if response.status != 200:
                return Told("", whole=False, failed=f"status {response.status}")
            async for line in response.content:
                reader.take(line)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reader.failed = reader.failed or type(error).__name__
        if isinstance(error, TimeoutError):
            return Told(reader.text, whole=False, failed="")
    return reader.told


class _Reader:
    """Reads the lines of a stream of either dialect."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self.text = ""
        self.whole = False
        self.failed = ""

    @property
    def told(self) -> Told:
        return Told(self.text, self.whole and not self.failed, self.failed)

    def take(self, line: bytes) -> None:
        name, _, value = line.strip().partition(b":")
        if name != b"data":
            return
        data = value.strip()
        if data == b"[DONE]":
            self.whole = self._dialect == "chat-completions"
            return
        event: Any = json.loads(data)
        if not isinstance(event, dict):
            return
        if event.get("error"):
            self.failed = "error in the stream"
        elif self._dialect == "messages":
            self._take_message(event)
        else:
            for choice in event.get("choices", ()):
                self.text += choice.get("delta", {}).get("content") or ""

    def _take_message(self, event: dict[str, Any]) -> None:
        if event.get("type") == "message_stop":
            self.whole = True
        elif event.get("type") == "content_block_delta":
            self.text += event["delta"].get("text", "")


def run_gateway(gateway: Gateway, host: str, port: int, told: Any) -> list[Row]:
    """Serve as the upstream, wait until the gateway reaches it, and play."""

    async def play() -> list[Row]:
        async with Simulator(host=host, port=port) as simulator:
            told(f"the gateway's upstream is {simulator.base_url}")
            return await play_gateway(gateway, simulator)

    return asyncio.run(play())
