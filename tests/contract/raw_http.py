"""One HTTP exchange, byte by byte, for what an SDK hides: how the connection itself ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

MESSAGES = "/v1/messages"
HEADERS = {"x-api-key": "test", "anthropic-version": "2023-06-01"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back.

    Attributes:
        head: the status line and headers; empty if the connection closed before.
        body: the body without HTTP framing, as far as it came.
        whole: whether the framing says that the body is complete.
        reset: whether the connection ended by RST.
    """

    head: str
    body: bytes
    whole: bool
    reset: bool

    @property
    def status(self) -> int:
        """The status, 0 without one."""
        return int(self.head.split(" ", 2)[1]) if self.head else 0

    def header(self, name: str) -> str:
        """One header's value, "" without it."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


def request_bytes(path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    """A POST request that asks for the connection to be closed after it."""
    content = json.dumps(body).encode()
    lines = {**HEADERS, **headers, "content-length": str(len(content)), "connection": "close"}
    head = [f"POST {path} HTTP/1.1", "host: simulator", *(f"{k}: {v}" for k, v in lines.items())]
    return "\r\n".join([*head, "", ""]).encode() + content


async def exchange(
    base_url: str, body: Mapping[str, Any], *, path: str = MESSAGES, **fault: Any
) -> Exchange:
    """Send one request, with a fault switch if any is given, and read until the connection ends."""
    headers = {"x-simulator-fault": json.dumps(fault)} if fault else {}
    url = URL(base_url)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            writer.write(request_bytes(path, body, headers))
            received, reset = await _read_all(reader)
        finally:
            writer.close()
    return _parsed(received, reset=reset)


async def leave_after(base_url: str, body: Mapping[str, Any], seen: bytes, **fault: Any) -> None:
    """Send one request with a fault switch, read until `seen` has come, and close the connection."""
    url = URL(base_url)
    headers = {"x-simulator-fault": json.dumps(fault)}
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            writer.write(request_bytes(MESSAGES, body, headers))
            await reader.readuntil(seen)
        finally:
            writer.close()


async def _read_all(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    received = bytearray()
    try:
        while data := await reader.read(1 << 16):
            received += data
    except ConnectionResetError:
        return bytes(received), True
    return bytes(received), False


def _parsed(received: bytes, *, reset: bool) -> Exchange:
    head, separator, rest = received.partition(b"\r\n\r\n")
    if not separator:
        return Exchange("", b"", whole=False, reset=reset)
    text = head.decode()
    if "transfer-encoding: chunked" in text.lower():
        body, whole = _unchunked(rest)
        return Exchange(text, body, whole, reset)
    length = int(Exchange(text, b"", whole=False, reset=False).header("content-length") or 0)
    return Exchange(text, rest, len(rest) == length, reset)


def _unchunked(framed: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    while framed:
        line, separator, rest = framed.partition(b"\r\n")
        size = int(line, 16) if separator else -1
        if size == 0:
            return bytes(body), rest == b"\r\n"
        if size < 0:
            break
        body += rest[:size]
        framed = rest[size + 2 :]
    return bytes(body), False
