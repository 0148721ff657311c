"""A TCP proxy that spoils what passes through it, in toxiproxy's words (github.com/Shopify/toxiproxy).

It knows nothing of HTTP: for what goes wrong below it, where the simulator's switches cannot reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Latency:
    """Every chunk comes so many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """So many bytes come in a second."""

    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Slicer:
    """Everything comes in pieces of so many bytes, with a pause between them."""

    size_bytes: int
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LimitData:
    """The connection closes after so many bytes."""

    limit_bytes: int


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """The connection is reset after so many bytes."""

    limit_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SlowClose:
    """When the upstream closes, the connection stays open for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Timeout:
    """After so many bytes nothing comes any more, and the connection stays open."""

    limit_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Down:
    """Connections are taken and closed at once."""


Toxic = Latency | Bandwidth | Slicer | LimitData | ResetPeer | SlowClose | Timeout | Down


class FaultProxy:
    """Listens on a loopback port inside its context; what comes back from the upstream passes the toxic.

    Attributes:
        base_url: where to ask instead of the upstream.
        upstream: the base URL of the upstream; set it before the first connection.
        toxic: what is wrong now; None: nothing. Counts begin with each connection.
        open: connections open now.
    """

    def __init__(self, toxic: Toxic | None = None) -> None:
        self.base_url = ""
        self.upstream = ""
        self.toxic = toxic
        self.open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def closed(self) -> None:
        """Return once no connection is open. Put a deadline around it."""
        while self.open:  # noqa: ASYNC110 - connections end without telling
            await asyncio.sleep(0.001)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        try:
            # What fails at either end is what the proxy is for.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                if not isinstance(self.toxic, Down):
                    await self._link(reader, writer)
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = urlsplit(self.upstream).port
        upstream, to_upstream = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as tasks:
                there = tasks.create_task(_copy(reader, to_upstream))
                back = tasks.create_task(self._spoil(upstream, writer))
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
        finally:
            to_upstream.close()

    async def _spoil(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        async for chunk in _chunks(upstream):
            limit = _limit_of(self.toxic)
            held = chunk if limit is None else chunk[: max(0, limit - passed)]
            async for piece in self._paced(held):
                writer.write(piece)
                await writer.drain()
            passed += len(chunk)
            if limit is not None and passed >= limit:
                await self._end(writer)
                return
        if isinstance(self.toxic, SlowClose):
            await asyncio.sleep(self.toxic.seconds)

    async def _paced(self, chunk: bytes) -> AsyncIterator[bytes]:
        toxic = self.toxic
        if isinstance(toxic, Latency):
            await asyncio.sleep(toxic.seconds)
        if isinstance(toxic, Bandwidth):
            for at in range(len(chunk)):
                await asyncio.sleep(1 / toxic.bytes_per_s)
                yield chunk[at : at + 1]
        elif isinstance(toxic, Slicer):
            for at in range(0, len(chunk), toxic.size_bytes):
                yield chunk[at : at + toxic.size_bytes]
                await asyncio.sleep(toxic.pause_s)
        elif chunk:
            yield chunk

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.toxic, Timeout):
            await asyncio.Event().wait()
        if isinstance(self.toxic, ResetPeer):
            # Closing a socket that lingers for no time sends RST instead of FIN.
            handle: socket.socket = writer.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


def _limit_of(toxic: Toxic | None) -> int | None:
    return toxic.limit_bytes if isinstance(toxic, LimitData | ResetPeer | Timeout) else None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async for chunk in _chunks(reader):
        writer.write(chunk)
        await writer.drain()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(CHUNK_BYTES):
        yield chunk
