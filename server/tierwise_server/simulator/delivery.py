"""Carries out a Reply on a connection, and keeps its entry true to what got out."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from aiohttp import web

from tierwise_server.simulator.journal import Entry, Journal
from tierwise_server.simulator.replies import Ending, Reply, Step

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: close() then sends RST."""
_FLUSH_POLL_S: Final = 0.001
_INT: Final = struct.Struct("i")
_KERNEL_TELLS: Final = sys.platform == "linux"
"""There TIOCOUTQ on a TCP socket counts bytes that the peer has not acknowledged (tcp(7))."""


async def deliver(
    reply: Reply, request: web.Request, entry: Entry, journal: Journal
) -> web.StreamResponse:
    """Write the reply; return the response for aiohttp to finish. `entry` follows what got out.

    Raises:
        ConnectionResetError: the client left while it was written.
    """
    await _wait(reply.wait_s)
    if reply.status == 0:
        await _break(request, reply.ending)
        return web.Response()
    entry.status = reply.status
    entry.deltas = reply.deltas
    entry.incur(reply.bill, reply.output_tokens)
    headers = {
        "content-type": reply.content_type,
        "request-id": entry.request_id,
        **reply.headers,
    }
    writes = list(_writes(reply.steps))
    if reply.ending is Ending.COMPLETE and len(writes) <= 1 and not (writes and writes[0].wait_s):
        response = await _at_once(reply, writes, headers, request)
        _count(entry, writes, reply)
        return response
    response = web.StreamResponse(status=reply.status, headers=headers)
    async for step in _in_steps(reply, writes, response, request):
        _count(entry, (step,), reply)
        journal.changed()
    return response


async def _at_once(
    reply: Reply, writes: list[Step], headers: dict[str, str], request: web.Request
) -> web.StreamResponse:
    """Head, body and end in one write."""
    body = writes[0].data if writes else b""
    response = web.Response(status=reply.status, headers=headers, body=body)
    if reply.content_length is None:
        response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write_eof()
    return response


async def _in_steps(
    reply: Reply, writes: list[Step], response: web.StreamResponse, request: web.Request
) -> AsyncIterator[Step]:
    """Yield each step once it is written; then end as the reply says."""
    if reply.content_length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = reply.content_length
    await response.prepare(request)
    for step in writes:
        await _wait(step.wait_s)
        await response.write(step.data)
        yield step
    await _wait(reply.hold_s)
    if reply.ending is Ending.COMPLETE:
        await response.write_eof()
    else:
        await _break(request, reply.ending)


def _writes(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps with those that need no wait joined to the one before."""
    parts: list[bytes] = []
    wait, tokens = 0.0, 0
    for step in steps:
        if step.wait_s > 0 and parts:
            yield Step(b"".join(parts), wait, tokens)
            parts, wait = [], 0.0
        wait += step.wait_s
        tokens = step.output_tokens
        parts.append(step.data)
    if parts:
        yield Step(b"".join(parts), wait, tokens)


def _count(entry: Entry, written: Iterable[Step], reply: Reply) -> None:
    for step in written:
        entry.bytes_sent += len(step.data)
        entry.output_tokens = max(step.output_tokens, reply.output_tokens)


async def _wait(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _break(request: web.Request, ending: Ending) -> None:
    """Close the connection now, after all that was written has left."""
    transport = request.transport
    if transport is None:
        return
    if ending is not Ending.RESET:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    # RST throws away what is not sent yet, and nobody is told when the last byte has left.
    while not transport.is_closing() and _unsent_bytes(transport, connection):  # noqa: ASYNC110
        await asyncio.sleep(_FLUSH_POLL_S)
    if not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()


def _unsent_bytes(transport: asyncio.WriteTransport, connection: socket.socket) -> int:
    """Bytes the peer has not taken: in the transport and, where the system tells, in the kernel."""
    buffered = transport.get_write_buffer_size()
    if buffered or not _KERNEL_TELLS:
        return buffered
    told = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
    return int(_INT.unpack(told)[0])
