"""A gRPC caller made by hand on HTTP/2, which does what gRPC's own libraries refuse to do."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes

Header = tuple[str, str]


@dataclass
class Reply:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False

    @property
    def status(self) -> int:
        """The gRPC status."""
        return int((self.trailers or self.headers)["grpc-status"])

    @property
    def packed_status(self) -> bytes:
        """The google.rpc.Status in the trailers."""
        packed = (self.trailers or self.headers)["grpc-status-details-bin"]
        return base64.b64decode(packed + "=" * (-len(packed) % 4))

    @property
    def messages(self) -> list[bytes]:
        """The whole messages so far."""
        found, at = [], 0
        while at + 5 <= len(self.data):
            (length,) = struct.unpack(">I", self.data[at + 1 : at + 5])
            if at + 5 + length > len(self.data):
                break
            found.append(bytes(self.data[at + 5 : at + 5 + length]))
            at += 5 + length
        return found


@dataclass
class RawCaller:
    """One connection. It gives the server a window of so many bytes, and more when told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: H2Connection
    replies: dict[int, Reply] = field(default_factory=dict)

    async def call(
        self, method: str, body: bytes, headers: Sequence[Header] = (), *, end: bool = True
    ) -> Reply:
        """Send a call; its reply fills while this caller reads."""
        stream = self.http.get_next_available_stream_id()
        usual = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        self.http.send_headers(stream, [*usual, *headers])
        self.http.send_data(stream, body, end_stream=end)
        self.replies[stream] = reply = Reply()
        await self.flush()
        return reply

    def open_window(self, by: int) -> None:
        """Let the server send more, on the connection and on every stream."""
        self.http.increment_flow_control_window(by)
        for stream, reply in self.replies.items():
            if not reply.ended:
                self.http.increment_flow_control_window(by, stream)

    async def flush(self) -> None:
        """Send what is to be sent."""
        self.writer.write(self.http.data_to_send())
        await self.writer.drain()

    async def read_until_end(self, reply: Reply) -> None:
        """Read until the reply is whole. Gives no window."""
        while not reply.ended:
            received = await self.reader.read(65_536)
            if not received:
                raise ConnectionError("the server closed the connection")
            for event in self.http.receive_data(received):
                self._take(event)
            await self.flush()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=stream):
                self.replies[stream].headers = _texts(event.headers)
            case DataReceived(stream_id=stream):
                self.replies[stream].data += event.data
            case TrailersReceived(stream_id=stream):
                self.replies[stream].trailers = _texts(event.headers)
            case StreamEnded(stream_id=stream) | StreamReset(stream_id=stream):
                self.replies[stream].ended = True
            case _:
                pass


def _texts(headers: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    # Decoded by h2, as the configuration asks; its types do not say so.
    return {str(name): str(value) for name, value in headers}


def framed(message: bytes) -> bytes:
    """Put gRPC's five bytes before a message."""
    return b"\x00" + struct.pack(">I", len(message)) + message


@asynccontextmanager
async def raw_caller(endpoint: str, *, window: int = 65_535) -> AsyncIterator[RawCaller]:
    """Connect to a plaintext server."""
    host, _, port = endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    # What h2 would refuse to send is what is wanted here.
    config = H2Configuration(
        header_encoding="utf-8",
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    http = H2Connection(config)
    http.initiate_connection()
    http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
    caller = RawCaller(reader, writer, http)
    await caller.flush()
    try:
        yield caller
    finally:
        writer.close()
