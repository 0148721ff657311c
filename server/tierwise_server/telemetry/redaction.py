"""Keeps secrets and prompts out of log lines, and credentials out of whatever else is told. Pure.

Log lines have two nets, because either alone has holes: values under keys that name a secret or carry a prompt are
replaced, and the finished line is searched for what looks like a credential wherever it stands.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

REDACTED: Final = "[redacted]"

LONGEST_VALUE: Final = 2048
"""Characters of one value that a log line keeps."""
_MOST_ITEMS: Final = 64
_DEEPEST: Final = 4

_SECRET_KEYS: Final = frozenset(
    {"authorization", "proxy_authorization", "cookie", "set_cookie", "password", "secret"}
    | {"api_key", "x_api_key", "anthropic_api_key", "token", "access_token", "refresh_token"}
    | {"client_secret", "private_key", "headers", "metadata"}
)
_CONTENT_KEYS: Final = frozenset(
    {"prompt", "system", "messages", "content", "text", "texts", "answer", "completion", "body"}
)
_CLOSED_KEYS: Final = _SECRET_KEYS | _CONTENT_KEYS

# Only looked for when one of _HINTS is in the line: the search costs 14 us a line, the hints 0.3 us. No pattern takes
# in a quote or a backslash, so that what is left is still JSON.
_CREDENTIAL: Final = re.compile(
    r"""sk-ant-[\w-]{4,}|\bsk-[\w-]{16,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\bAKIA[0-9A-Z]{16}\b"""
    r"""|tw_[0-9a-z]{12}_\w{16,}|(?<=://)[^\s/@"\\]+(?=@)"""
    r"""|(?<=\b[Bb]earer\s)[^\s"\\,;]+|(?<=\b[Bb]asic\s)[^\s"\\,;]+"""
    r"""|(?<=\b[Xx]-[Aa]pi-[Kk]ey:)\s*[^\s"\\,;]+|(?<=\bapi_key=)[^\s"\\,;&]+"""
)
_HINTS: Final = ("sk-", "eyJ", "AKIA", "tw_", "://", "earer ", "asic ", "pi-", "api_key=")

# What is refused must not be an innocent name: a random id, "basic plan", or "ssh://git@host".
_CREDENTIAL_AS_NAME: Final = re.compile(
    r"sk-ant-[\w-]{8,}|(?<![A-Za-z0-9])sk-(?:[a-z0-9]{2,10}-[\w-]{20,}|[0-9a-f]{32}|[0-9A-Za-z]{48}\b)"
    r"|tw_[0-9a-z]{12}_\w{16,}|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]+\.|\b(?:[Bb]earer|[Bb]asic)\s+[\w.~+/=-]{16,}"
    r"|://[^\s/@:]+:[^\s/@]+@|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def safe_value(key: str, value: object) -> object:
    """The value as a log line may carry it: plain JSON, cut to size, `REDACTED` under a closed key."""
    return _plain(key, value, 0)


def _plain(key: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if _is_closed(key):
        return REDACTED
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    if isinstance(value, enum.Enum):
        return value.name
    if depth < _DEEPEST and isinstance(value, Mapping):
        items = list(value.items())[:_MOST_ITEMS]
        return {str(k): _plain(str(k), v, depth + 1) for k, v in items}
    if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain("", item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    # Never repr(): a task's holds its prompt.
    return f"<{type(value).__name__}>"


@lru_cache(maxsize=256)
def _is_closed(key: str) -> bool:
    return key.lower().replace("-", "_") in _CLOSED_KEYS


def without_credentials(line: str) -> str:
    """The line with everything that looks like a credential replaced."""
    for hint in _HINTS:
        if hint in line:
            return _CREDENTIAL.sub(REDACTED, line)
    return line


def is_credential(name: str) -> bool:
    """Whether a name that a caller gave holds what can hardly be anything but a credential."""
    return _CREDENTIAL_AS_NAME.search(name) is not None
