"""An upstream below HTTP: answers every request with the bytes it is given. For what no server would send."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class RawUpstream:
    """What was received, and where to send it.

    Attributes:
        port: the loopback port it listens on.
        requests: the head of every request, in order.
        connections: how many connections were made.
    """

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def base_url(self) -> str:
        """The URL for plain HTTP."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_upstream(
    *writes: bytes, hold: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawUpstream]:
    """Answer every request with `writes`, one after the other; `hold` the connection, or take the next."""
    upstream = RawUpstream()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        try:
            await _answer(upstream, reader, writer, writes, hold=hold)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    async with server:
        yield upstream


async def _answer(
    upstream: RawUpstream,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    writes: Sequence[bytes],
    *,
    hold: bool,
) -> None:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        upstream.requests.append(head)
        await reader.readexactly(_length(head))
        for data in writes:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.001)
        if hold:
            await reader.read(1)
            return


def _length(head: bytes) -> int:
    for line in head.lower().splitlines():
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


def response(
    body: bytes, *, status: str = "200 OK", content_type: str = "text/event-stream", more: str = ""
) -> bytes:
    """A whole response whose length is told."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


def chunked_head(*, content_type: str = "text/event-stream") -> bytes:
    """The head of a response that comes in chunks."""
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    """One chunk; the empty one ends the body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
