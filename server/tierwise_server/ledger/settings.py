"""What an operator decides about the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

MEMORY_URL = "memory:"
"""The URL of a ledger that forgets everything at the end."""


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where the ledger is and how long things may take.

    Attributes:
        directory: the data directory; made if it is not there. Holds the embedded store, and an emergency file of each
            server always.
        url: a PostgreSQL URL, "memory:", or empty for the embedded store in `directory`.
        reserve_timeout_s: a reservation that is not durable after this long is refused.
        write_timeout_s: a transaction that takes longer is broken off.
        read_timeout_s: the same for questions about what was spent.
        reservation_lease_s: a reservation older than this is given up for lost; more than any request may take.
        owner_lease_s: a server of a shared store that has not been heard of for this long is dead.
        keep_content_days: how long prompts and answers are kept; 0: they are never stored.
        most_waiting: how many writes may wait before more are refused.
    """

    directory: Path
    url: str = ""
    reserve_timeout_s: float = 2.0
    write_timeout_s: float = 5.0
    read_timeout_s: float = 60.0
    reservation_lease_s: float = 900.0
    owner_lease_s: float = 30.0
    keep_content_days: int = 0
    most_waiting: int = 10_000
    wall_clock: Callable[[], float] = time.time  # noqa: TID251 - leases and retention end on dates


def data_directory(environ: Mapping[str, str]) -> Path:
    """Where data is kept that nobody gave a place: the user's data directory, as the XDG base directories have it.

    Source: specifications.freedesktop.org/basedir-spec.
    """
    named = environ.get("XDG_DATA_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".local" / "share"
    return base / "tierwise"
