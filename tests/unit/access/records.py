"""Keys for tests."""

from __future__ import annotations

from typing import Any

from tierwise_server.access.entries import Key
from tierwise_server.access.secret import new_key, read_key

NOW_S = 1_800_000_000.0


def a_key(**fields: Any) -> tuple[str, Key]:
    """Make a key: what its owner has, and what is kept."""
    secret = new_key()
    shown = read_key(secret)
    assert shown is not None
    values: dict[str, Any] = {
        "key_id": shown.key_id,
        "tenant": "acme",
        "name": "test",
        "digest": shown.digest,
        "created_at_s": NOW_S,
        **fields,
    }
    return secret, Key(**values)
