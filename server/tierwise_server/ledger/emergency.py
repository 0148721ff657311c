"""The emergency file: where settlements wait while the store is away.

Its room is taken in advance, so that a full disk cannot refuse them. Every line is a checksum and an entry; a line that
a crash or a failing disk spoiled costs that entry's precision only, because its row is in the ledger, reserved, and
will be charged its worst case. Prompts and answers never go in.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.ledger.columns import entry_columns, entry_of

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import RequestRow, Settlement

log = structlog.get_logger("tierwise.ledger")

SIZE_BYTES = 16 * 1024 * 1024
"""Room for about ten thousand requests of one call each: nine minutes at twenty a second."""


class FileTaken(ConfigurationError):
    """A file that another server has, or has just done away with."""


class EmergencyFile:
    """One file, locked for as long as its server lives. Its methods may be called in any thread.

    Raises:
        FileTaken: another server has it.
        ConfigurationError: it cannot be made.
    """

    def __init__(self, path: Path, size_bytes: int = SIZE_BYTES) -> None:
        self._lock = threading.Lock()
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError((_fault(path, error),)) from None
        try:
            _lock(self._file)
            _preallocate(self._file, size_bytes)
        except OSError as error:
            os.close(self._file)
            kind = FileTaken if isinstance(error, BlockingIOError) else ConfigurationError
            raise kind((_fault(path, error),)) from None
        self._size = os.fstat(self._file).st_size
        content = self._content()
        self._end = len(content)
        if content and not content.endswith(b"\n"):
            # A crash tore the last line; what comes next begins a line of its own.
            self._end += os.pwrite(self._file, b"\n", self._end)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._end == 0

    @property
    def filled(self) -> float:
        """The share of its room that is taken, 0 to 1."""
        return self._end / self._size if self._size else 0.0

    def append(self, entries: Sequence[Settlement | RequestRow]) -> int:
        """Write entries durably; returns how many of them, from the first on, there was room for."""
        written = 0
        data = bytearray()
        with self._lock:
            for entry in entries:
                line = _line(entry)
                if self._end + len(data) + len(line) > self._size:
                    break
                data += line
                written += 1
            if data:
                os.pwrite(self._file, data, self._end)
                os.fsync(self._file)
                self._end += len(data)
        return written

    def read(self) -> tuple[list[Settlement | RequestRow], int]:
        """Everything that waits, and the mark to give to `clear` when it does not have to any more."""
        with self._lock:
            content = self._content()
        entries = []
        for line in content.splitlines():
            entry = _entry(line)
            if entry is None:
                log.warning("a line of the emergency file is spoiled", file=str(self._path))
            else:
                entries.append(entry)
        return entries, len(content)

    def clear(self, mark: int) -> bool:
        """Forget what `read` returned; answers False, and forgets nothing, when more has been written since."""
        with self._lock:
            if mark != self._end:
                return False
            os.pwrite(self._file, bytes(self._end), 0)
            os.fsync(self._file)
            self._end = 0
            return True

    def close(self) -> None:
        """Close the file, once; what waits in it stays there, and where nothing waits the file goes."""
        with self._lock:
            file, self._file = self._file, -1
            if file < 0:
                return
            if self.empty:
                # While it is still locked: whoever finds it now finds that it is gone.
                self._path.unlink(missing_ok=True)
            os.close(file)

    def _content(self) -> bytes:
        """The used part of the file: all up to the zeros."""
        return os.pread(self._file, self._size, 0).rstrip(b"\0")


def _fault(path: Path, error: OSError) -> Fault:
    return Fault("ledger.directory", f"{path} cannot be used: {error.strerror}")


def _lock(file: int) -> None:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fstat(file).st_nlink == 0:
        raise BlockingIOError(errno.EWOULDBLOCK, "its server has just done away with it")


def _preallocate(file: int, size_bytes: int) -> None:
    if os.fstat(file).st_size < size_bytes:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size_bytes)
        else:
            os.pwrite(file, bytes(size_bytes - os.fstat(file).st_size), os.fstat(file).st_size)
        os.fsync(file)


def _line(entry: Settlement | RequestRow) -> bytes:
    text = json.dumps(entry_columns(entry), separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _entry(line: bytes) -> Settlement | RequestRow | None:
    """The entry of a line; None when it is spoiled."""
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return entry_of(json.loads(text))
    except (KeyError, TypeError, ValueError):
        return None
