"""Messages in a file, each after its length, so that two processes send the very same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def write_messages(path: Path, messages: Iterable[bytes]) -> None:
    """Write messages, each after its length in four bytes."""
    path.write_bytes(b"".join(len(m).to_bytes(4, "big") + m for m in messages))


def read_messages(path: Path) -> list[bytes]:
    """Read them back."""
    data = path.read_bytes()
    messages: list[bytes] = []
    while data:
        size = int.from_bytes(data[:4], "big")
        messages.append(data[4 : 4 + size])
        data = data[4 + size :]
    return messages
