"""Reads a TOML file, with one kind of failure."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

_LONGEST_BYTES: Final = 4 * 1024 * 1024


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a file's text and what it means.

    Raises:
        ValueError: it cannot be read or is no TOML; the message says why, in one line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("is not a file's name") from None
    if len(content) > _LONGEST_BYTES:
        raise ValueError("is longer than 4 MiB")
    return decode_toml(content)


def decode_toml(content: bytes) -> tuple[str, dict[str, Any]]:
    """Decode TOML.

    Raises:
        ValueError: it is no TOML; the message says why, in one line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 (line {line})") from None
    text = text.replace("\r\n", "\n")
    try:
        return text, tomllib.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not TOML: {_one_line(str(error))}") from None


def _one_line(message: str) -> str:
    return " ".join(message.split())
