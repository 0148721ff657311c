"""Runs a named request once: records what its caller is sent, and sends it again to whoever asks again."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from tierwise.v1 import router_pb2
from tierwise_server.errors import LedgerUnavailable
from tierwise_server.idempotency.base import Claim, Place

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tierwise_server.idempotency.base import AnswerStore

log = structlog.get_logger("tierwise.rpc")

Write = Callable[[router_pb2.GenerateResponse], Awaitable[None]]

REPLAYED: Final = ("x-tierwise-replayed", "true")
"""Trailing metadata of an answer that was paid for before."""

MOST_BYTES: Final = 16 * 1024 * 1024
"""An answer of more is sent, and not remembered."""

_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer that was given before."""

    answer: bytes

    async def to(self, send: Write) -> None:
        """Send it again; `send` numbers it anew, as it may put heartbeats in."""
        for part in unpacked(self.answer):
            await send(router_pb2.GenerateResponse.FromString(part))


@dataclass(slots=True)
class _Recording:
    """What is sent to the caller that holds a claim; remembered once it is whole, and not too large."""

    send: Write
    store: AnswerStore
    claim: Claim
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    finished: bool = False

    async def write(self, message: router_pb2.GenerateResponse) -> None:
        """Send a message; the last one once the answer is remembered, so that it is never paid for again."""
        if not message.HasField("heartbeat"):
            part = message.SerializeToString()
            self.size += len(part)
            if self.size <= MOST_BYTES:
                self.parts.append(part)
            if message.HasField("finished"):
                await self._remember()
        await self.send(message)

    async def _remember(self) -> None:
        if self.size > MOST_BYTES:
            return
        try:
            await self.store.finish(self.claim, packed(self.parts))
            self.finished = True
        except LedgerUnavailable:
            # The answer is there and paid for: its caller gets it all the same.
            log.warning("answer_not_remembered")


@asynccontextmanager
async def turn_of(
    store: AnswerStore | None, place: Place, request: Message, send: Write, *, fail_open: bool
) -> AsyncIterator[Write | Replay]:
    """Take a request's turn: gives what to write its answer with, or the answer that was given before.

    Without a store, or an id of the caller's own, it simply runs. With `fail_open` it also runs while the store does
    not answer, and may then run twice.

    Raises:
        InvalidRequest: REQUEST_ID_REUSED.
        RequestError: REQUEST_IN_FLIGHT.
        LedgerUnavailable: the store does not answer.
    """
    if store is None or not place.request_id:
        yield send
        return
    found = await _claimed(store, place, request, fail_open=fail_open)
    if not isinstance(found, Claim):
        yield send if found is None else Replay(found)
        return
    recording = _Recording(send, store, found)
    try:
        yield recording.write
    finally:
        if not recording.finished:
            store.release(found)


async def _claimed(
    store: AnswerStore, place: Place, request: Message, *, fail_open: bool
) -> Claim | bytes | None:
    try:
        return await store.claim(place, body_hash(request))
    except LedgerUnavailable:
        if fail_open:
            return None
        raise


def body_hash(request: Message) -> bytes:
    """The SHA-256 of a request in its one deterministic form."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def packed(parts: list[bytes]) -> bytes:
    """Messages as one value: each behind its length, compressed."""
    return zlib.compress(b"".join(_LENGTH.pack(len(part)) + part for part in parts), 1)


def unpacked(answer: bytes) -> Iterator[bytes]:
    """The messages of a value that `packed` made."""
    data = zlib.decompress(answer)
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        yield data[at + 4 : at + 4 + length]
        at += 4 + length
