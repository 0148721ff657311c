"""An upstream of raw bytes, and the golden streams that it sends: cut anywhere, or mutated."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from tests.unit.providers.anthropic.message_streams import (
    EMPTY_ANSWER,
    SHORT,
    SHORT_TEXT,
    THOUGHTFUL,
    THOUGHTFUL_TEXT,
    answer,
    event,
)
from tests.unit.providers.calls import CALL
from tierwise_server.errors import UpstreamError
from tierwise_server.providers.anthropic import AnthropicProvider
from tierwise_server.providers.base import Completed, TextPiece
from tierwise_server.providers.watchdog import Patience

ENDINGS: Final = ("fin", "clean", "reset", "stall", "error")
IDLE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Golden:
    """A whole stream, its text, and the first byte at which it is whole."""

    name: str
    body: bytes
    text: str
    whole_at: int


_MIXED: Final = SHORT.replace(b"\n\n", b"\n\n: a comment\n\n").replace(
    event("message_stop"), event("tomorrow", note="unknown") + event("message_stop")
)
_CRLF: Final = SHORT.replace(b"\n", b"\r\n")

GOLDEN: Final = (
    Golden("short", SHORT, SHORT_TEXT, len(SHORT)),
    Golden("thinking", THOUGHTFUL, THOUGHTFUL_TEXT, len(THOUGHTFUL)),
    Golden("empty", EMPTY_ANSWER, "", len(EMPTY_ANSWER)),
    # A CR alone ends a line as well, so the last LF is not needed.
    Golden("CRLF", _CRLF, SHORT_TEXT, len(_CRLF) - 1),
    Golden("comments", _MIXED, SHORT_TEXT, _MIXED.rindex(b"\n\n: a comment") + 2),
    Golden(
        "cut by length",
        cut := answer(["日本"] * 5, end_usage={"output_tokens": 5}, stop_reason="max_tokens"),
        "日本" * 5,
        len(cut),
    ),
)

ERROR: Final = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


class RawUpstream:
    """Sends, to each request, the bytes and the ending that its headers `x-body` and `x-ending` name."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            headers = await _head_of(reader)
            await reader.readexactly(int(headers["content-length"]))
            body = self.bodies.get(headers["x-body"], b"")[: int(headers.get("x-cut", 1 << 40))]
            await _send(writer, body, headers["x-ending"])
        writer.close()


async def _head_of(reader: asyncio.StreamReader) -> dict[str, str]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
    pairs = (line.partition(": ") for line in lines if line)
    return {name.lower(): value for name, _, value in pairs}


async def _send(writer: asyncio.StreamWriter, body: bytes, ending: str) -> None:
    if ending == "error":
        body += b"\n\n" + ERROR
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    writer.write(head + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n")
    if body:
        writer.write(b"%x\r\n%s\r\n" % (len(body), body))
    if ending in ("clean", "error"):
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    if ending == "stall":
        await asyncio.sleep(10 * IDLE_S)
    if ending == "reset":
        # What was sent must have a chance to arrive: a reset throws away what was not read.
        await asyncio.sleep(0.002)
        handle: socket.socket = writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Read:
    """What a provider made of a stream: its text, and the reason of its failure, None where it was whole."""

    text: str
    reason: str | None
    message: str = ""


class StreamReading:
    """The real provider in front of a raw upstream."""

    def __init__(self, upstream: RawUpstream, provider: AnthropicProvider) -> None:
        self.upstream = upstream
        self._provider = provider

    async def read(self, headers: Mapping[str, str]) -> Read:
        """Make a call; anything but a failure that the port promises is raised."""
        text, whole = "", False
        call = replace(CALL, headers=dict(headers))
        try:
            async with self._provider.stream(call) as events:
                async for got in events:
                    if isinstance(got, TextPiece):
                        text += got.text
                    whole = whole or isinstance(got, Completed)
        except UpstreamError as error:
            return Read(text, error.reason.name, error.message)
        assert whole, "the stream ended without Completed and without an error"
        return Read(text, None)


@asynccontextmanager
async def stream_reading() -> AsyncIterator[StreamReading]:
    """Listen, and make a provider that asks there."""
    upstream = RawUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    patience = Patience(first_event_s=IDLE_S, idle_s=IDLE_S, no_progress_s=IDLE_S)
    provider = AnthropicProvider("sk-any", base_url=base_url, patience=patience)
    try:
        yield StreamReading(upstream, provider)
    finally:
        await provider.aclose()
        server.close()
