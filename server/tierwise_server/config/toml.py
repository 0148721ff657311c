"""Reads a TOML file, with one kind of failure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tierwise_server.config.files import read_regular

_LONGEST_BYTES: Final = 4 * 1024 * 1024
_DEEPEST: Final = 64
"""Tables and lists in each other: ten times what any section has, and far from where recursion ends."""
_TOO_DEEP: Final = f"is nested too deeply, over {_DEEPEST} levels"
_PART: Final = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
# The parser takes time by the cube of a dotted key's parts, so too many are found before it begins.
_DEEP_KEY: Final = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}[ \t]*+\.[ \t]*+){{{_DEEPEST}}}")


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a file's text and what it means.

    Raises:
        ValueError: it cannot be read or is no TOML; the message says why, in one line.
    """
    try:
        content = read_regular(path, _LONGEST_BYTES + 1)
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
    if _DEEP_KEY.search(text):
        raise ValueError(_TOO_DEEP)
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:
        raise ValueError(f"is not TOML: {_one_line(str(error))}") from None
    if _is_too_deep(raw):
        raise ValueError(_TOO_DEEP)
    return text, raw


def _is_too_deep(raw: dict[str, Any]) -> bool:
    level: list[Any] = [raw]
    for _ in range(_DEEPEST):
        level = [item for holder in level for item in _holders(holder)]
    return bool(level)


def _holders(value: dict[str, Any] | list[Any]) -> Iterable[dict[str, Any] | list[Any]]:
    items = value.values() if isinstance(value, dict) else value
    return (item for item in items if isinstance(item, (dict, list)))


def _one_line(message: str) -> str:
    return " ".join(message.split())
