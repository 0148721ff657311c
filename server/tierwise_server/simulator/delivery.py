"""Carries out a Reply on a connection, and keeps its entry true to what got out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from aiohttp import web

from tierwise_server.simulator.journal import Entry, Journal
from tierwise_server.simulator.replies import Ending, Reply, Step

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: close() then sends RST."""
_FLUSH_POLL_S: Final = 0.001


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
    # RST throws away what is still buffered, and a transport tells nobody when its buffer is empty.
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - see above
        await asyncio.sleep(_FLUSH_POLL_S)
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
