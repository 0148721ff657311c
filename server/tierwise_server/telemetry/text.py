"""Strings of callers and providers, made safe to put on spans, metrics and logs."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 128
"""Characters of a caller's or a provider's string that telemetry keeps."""

# C0, DEL and C1 controls, line separators, marks that turn the direction of text, and lone surrogates, which no
# exporter can encode.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def plain(text: str, longest: int = LONGEST) -> str:
    """Drop what is not printable and cut to `longest` characters."""
    if len(text) <= longest and text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("", text[: longest * 2])[:longest]
