"""A wire between the ledger and its database that can be cut, or go silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Passes bytes on while `flowing` is set. A silent wire takes connections and bytes and gives nothing back."""

    target: int
    port: int = 0
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    ends: set[asyncio.StreamWriter] = field(default_factory=set)

    def go_silent(self) -> None:
        self.flowing.clear()

    def strand(self) -> None:
        """Let the connections that are open never answer again; new ones do."""
        self.flowing.clear()
        self.flowing = asyncio.Event()
        self.flowing.set()

    def mend(self) -> None:
        self.flowing.set()

    def cut(self) -> None:
        """Break every connection."""
        for end in self.ends:
            end.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the ledger."""
        self.ends.add(writer)
        flowing = self.flowing
        try:
            await flowing.wait()
            inward, outward = await asyncio.open_connection("127.0.0.1", self.target)
            self.ends.add(outward)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pass(flowing, reader, outward))
                    tasks.create_task(self._pass(flowing, inward, writer))
            finally:
                self.ends.discard(outward)
                outward.close()
        except OSError:
            return
        finally:
            self.ends.discard(writer)
            writer.close()

    async def _pass(
        self, flowing: asyncio.Event, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await flowing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def a_wire(target: int) -> AsyncIterator[Wire]:
    """Lay a wire to a port of this machine; it flows at first."""
    wire = Wire(target)
    wire.mend()
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        wire.mend()
        wire.cut()
        await asyncio.sleep(0.01)
