"""Reads what the configuration names: regular files only, and never more than there is room for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Read a file, up to `most_bytes` of it.

    Raises:
        OSError: it cannot be read, or is no regular file: a pipe would be waited for, and a device has no end.
        ValueError: it is no file's name.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as opened:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return opened.read(most_bytes)
