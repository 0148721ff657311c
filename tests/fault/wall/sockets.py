"""F36 to F39: what can be done to the port itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from typing import Final

from tests.fault.wall.callers import GENERATE
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally, World, secretive, with_config
from tests.fault.worlds import GOOD
from tests.raw_grpc import framed, raw_caller

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS: Final = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
CLIENT_HELLO: Final = bytes.fromhex("160301002f0100002b0303") + b"\x11" * 40


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


async def is_closed(reader: asyncio.StreamReader, within_s: float) -> bool:
    """Whether the server closes the connection in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
            return True
    return False


async def connected(world: World) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = world.served.endpoint.rpartition(":")
    return await asyncio.open_connection(host, int(port))


@scenario("F36", "silent handshakes are closed; half calls harm nobody")
async def slow_loris(tally: Tally) -> None:
    config = with_config({"server": {"handshake_timeout_s": 0.3}})
    silent = {"nothing": b"", "half a preface": PREFACE[:10], "no settings": PREFACE}
    halves = {
        "no body": b"",
        "half a frame": b"\x00\x00\x00",
        "less than announced": framed(b"x" * 100)[:50],
        "longer than any message": b"\x00\xff\xff\xff\xff",
    }
    async with tally.world([dict(GOOD)], config=config, limit_s=60) as world:
        for name, words in silent.items():

            async def play(_: int, words: bytes = words, name: str = name) -> None:
                reader, writer = await connected(world)
                writer.write(words)
                try:
                    assert await is_closed(reader, 5.0), f"{name} is not closed"
                finally:
                    writer.close()

            await tally.together(len(tally.times(20)), play, at_once=20)
        for name, body in halves.items():
            for number in tally.times(20):
                with tally.run(name):
                    async with raw_caller(world.served.endpoint) as caller:
                        await caller.call(GENERATE, body, end=number % 2 == 0)
                        assert (await world.ask()).status == "OK"
        await world.is_well_again()


@scenario("F37", "the connection is closed; nothing is logged for each; others are served")
async def other_protocols(tally: Tally) -> None:
    noises = {
        "HTTP/1": b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        "TLS": CLIENT_HELLO,
        "noise": bytes(tally.chance.randbytes(500)),
        "zeros": bytes(500),
    }
    async with tally.world([dict(GOOD)], limit_s=60) as world:
        before = len(tally.witness.log.getvalue())
        for name, noise in noises.items():
            for _ in tally.times(25):
                with tally.run(name):
                    reader, writer = await connected(world)
                    writer.write(noise)
                    try:
                        assert await is_closed(reader, 10.0), f"{name} is not closed"
                    finally:
                        writer.close()
        with tally.run("the log"):
            assert len(tally.witness.log.getvalue()) == before
        await world.is_well_again()


@scenario("F38", "the server lives and serves others during and after each flood")
async def floods(tally: Tally) -> None:
    # Literals alone, without the table of the connection, so that the same bytes may come again.
    headers = _literal(
        (":method", "POST"),
        (":scheme", "http"),
        (":path", GENERATE),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    async with tally.world([dict(GOOD)], limit_s=120) as world:
        floods = {
            "rapid reset": lambda at: (
                frame(1, 4, 2 * at + 1, headers) + frame(3, 0, 2 * at + 1, b"\x00\x00\x00\x08")
            ),
            "pings": lambda at: frame(6, 0, 0, struct.pack(">Q", at)),
            "settings": lambda _: SETTINGS,
            "empty data": lambda at: frame(1, 4, 1, headers) if at == 0 else frame(0, 0, 1, b""),
            "window updates": lambda _: frame(8, 0, 0, struct.pack(">I", 0x7FFFFFFF)),
            "continuations": lambda at: (
                frame(1, 0, 1, headers[:1]) if at == 0 else frame(9, 0, 1, b"")
            ),
        }
        worst_s = 0.0
        for name, flood in floods.items():
            for _ in tally.times(5):
                with tally.run(name):
                    began = time.monotonic()
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(_flood(world, flood, len(tally.times(5000))))
                        assert (await world.ask()).status == "OK"
                    worst_s = max(worst_s, time.monotonic() - began)
                    assert (await world.ask()).status == "OK"
        with tally.run("afterwards"):
            await world.is_well_again()
    tally.detail = (
        f"5,000 frames each; the slowest flood with a good call in it took {worst_s:.2f} s"
    )


def _literal(*pairs: tuple[str, str]) -> bytes:
    block = b""
    for name, value in pairs:
        block += b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


async def _flood(world: World, flood: object, count: int) -> None:
    assert callable(flood)
    reader, writer = await connected(world)
    try:
        writer.write(PREFACE + SETTINGS)
        # The server may hang up on a flood, which is its good right.
        with contextlib.suppress(ConnectionError):
            for at in range(count):
                writer.write(flood(at))
                if at % 100 == 0:
                    await writer.drain()
            await writer.drain()
        await is_closed(reader, 0.2)
    finally:
        writer.close()


def open_files() -> int:
    """How many files and sockets this process holds."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is counted


@scenario("F39", "a good caller is served among them, and no file stays open afterwards")
async def idle_connections(tally: Tally) -> None:
    count = len(tally.times(400))
    async with tally.world([dict(GOOD)], limit_s=120) as world:
        assert (await world.ask()).status == "OK"
        before = open_files()
        for _ in tally.times(5):
            with tally.run():
                async with contextlib.AsyncExitStack() as stack:
                    for _ in range(count):
                        await stack.enter_async_context(raw_caller(world.served.endpoint))
                    assert (await world.ask()).status == "OK"
                async with asyncio.timeout(10):
                    while open_files() > before + 5:  # noqa: ASYNC110 - sockets close without telling
                        await asyncio.sleep(0.01)
        await world.is_well_again()
    tally.detail = f"{count} connections at once"


@scenario(
    "half messages",
    "a deadline, metadata and frames of nonsense: no call hangs, nobody is asked twice",
)
async def strange_metadata(tally: Tally) -> None:
    strange = [
        [("grpc-timeout", given)] for given in ("-1S", "abc", "", "99999999999999H", "1X")
    ] + [
        [("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01")],
        [("authorization", "Bearer one"), ("authorization", "Bearer two")],
        [("x-many", "value")] * 60,
        [("x-line", "a\nb"), ("x-escape", "\x1b[31mred")],
    ]
    async with tally.world([dict(GOOD)], limit_s=60) as world:
        for headers in strange:
            for _ in tally.times(10):
                with tally.run(str(headers[0])):
                    async with raw_caller(world.served.endpoint) as caller:
                        body = framed(secretive().SerializeToString())
                        reply = await caller.call(GENERATE, body, headers)
                        async with asyncio.timeout(5):
                            await caller.read_until_end(reply)
                    assert (await world.ask()).status == "OK"
        await world.is_well_again()
