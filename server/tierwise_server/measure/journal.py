"""The run's journal: one JSON line per fact, on disk before anything follows from it.

An intent is written before a call is made and its outcome after; each line is synced before the program goes on. So
after kill -9 or a loss of power everything that was received is known, and what was asked and never answered stands
there as an intent without an outcome: such a call is `lost`. It may have been billed; it is counted at its worst case.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from tierwise_server.errors import TierwiseError

FILE: Final = "journal.jsonl"

Entry = Mapping[str, Any]


class RunInUse(TierwiseError):
    """Another process is working in the run directory."""


class RunDamaged(TierwiseError):
    """The journal holds a line, not its last, that is no entry; the message says where."""


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a journal; a last line that was cut off is left out.

    Raises:
        RunDamaged: any other line is no entry.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                entry = json.loads(line)
            except ValueError:
                raise RunDamaged(f"{path}: line {number} is no journal entry") from None
            yield entry


class Journal:
    """Appends entries. One process at a time; safe for any number of tasks of its event loop.

    Use as a context manager: entering takes the directory's lock and drops a line that was cut off.

    Raises:
        RunInUse: on entering, when another process holds the lock.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: TextIO | None = None
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._written = 0
        self._synced = 0

    def __enter__(self) -> Journal:
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise RunInUse(f"{self._path.parent} is in use by another process") from None
        _drop_torn_line(self._path)
        sync_folder(self._path.parent)
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def entries(self) -> Iterator[dict[str, Any]]:
        """What is in the journal now."""
        return read_entries(self._path)

    def write(self, entry: Entry) -> None:
        """Append an entry; it is on disk when this returns.

        Raises:
            OSError: it could not be written.
        """
        if self._file is None:
            raise ValueError("the journal is not open")
        line = json.dumps(entry, separators=(",", ":"), ensure_ascii=True)
        with self._writing:
            self._file.write(line + "\n")
            self._file.flush()
            self._written += 1
            mine = self._written
        with self._syncing:
            # Whoever waited here may find that another's sync has covered its line as well.
            if self._synced < mine:
                reached = self._written
                os.fsync(self._file.fileno())
                self._synced = reached

    async def add(self, entry: Entry) -> None:
        """Append an entry without holding up the event loop; it is on disk when this returns."""
        await asyncio.to_thread(self.write, entry)


def _drop_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def sync_folder(folder: Path) -> None:
    """Put the folder's entries on disk, so that new files survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by one with this text, wholly or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
