"""The emergency files of a data directory: one for each server that runs, and those that dead ones left.

A file's name says which ledger it belongs to, and its lock whether its server lives. So any number of servers of one
ledger share a directory, and whoever starts takes care of what the dead could not record.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
import structlog

from tierwise_server.errors import ConfigurationError
from tierwise_server.ledger.emergency import SIZE_BYTES, EmergencyFile, FileTaken

if TYPE_CHECKING:
    from tierwise_server.ledger.settings import LedgerSettings

log = structlog.get_logger("tierwise.ledger")

PREFIX: Final = "ledger-emergency"
SUFFIX: Final = ".jsonl"

_MOST_NAMES: Final = 8
"""A server that starts at the same time may take a new file for a dead one's, in the moment before it is locked."""


def new_file(settings: LedgerSettings, size_bytes: int = SIZE_BYTES) -> EmergencyFile:
    """Make the file of a server that starts; its caller closes it.

    Raises:
        ConfigurationError: it cannot be made.
    """
    for _ in range(_MOST_NAMES - 1):
        try:
            return EmergencyFile(_path(settings, secrets.token_hex(4)), size_bytes)
        except FileTaken:
            continue
    return EmergencyFile(_path(settings, secrets.token_hex(4)), size_bytes)


def orphaned_files(settings: LedgerSettings) -> list[EmergencyFile]:
    """Take over the files in which something waits and whose servers are dead; who gets them closes them.

    One that cannot be read is left alone, and told in the log.
    """
    found = []
    for path in sorted(settings.directory.glob(f"{PREFIX}-{ledger_name(settings.url)}-*{SUFFIX}")):
        try:
            file = EmergencyFile(path, 0)
        except FileTaken:
            continue
        except (ConfigurationError, OSError) as error:
            log.warning("an emergency file cannot be used", cause=str(error))
            continue
        if file.empty:
            file.close()
        else:
            log.info("an emergency file of a server that is gone is taken over", file=str(path))
            found.append(file)
    return found


def ledger_name(url: str) -> str:
    """A short name of the ledger with a URL: the same whoever connects and by what password."""
    if not url:
        return "embedded"
    parsed = sa.make_url(url)
    place = (parsed.host, parsed.port, parsed.database, sorted(parsed.query.items()))
    return hashlib.sha256(repr(place).encode()).hexdigest()[:8]


def _path(settings: LedgerSettings, token: str) -> Path:
    return settings.directory / f"{PREFIX}-{ledger_name(settings.url)}-{token}{SUFFIX}"
