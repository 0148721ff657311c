"""The version of a routing table: a fingerprint of everything that decides."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from tierwise_server.core.table import RoutingTable

_DIGITS: Final = 12


def table_version(table: RoutingTable) -> str:
    """Fingerprint a table's content: tiers with their models, rows, default, escalation; not its version or prices.

    12 hexadecimal digits. Equal content gives equal versions, however its file is ordered or spaced.
    """
    content = _plain(dataclasses.replace(table, version=""))
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_DIGITS]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, float) else value
