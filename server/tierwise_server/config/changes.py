"""Reading a configuration again while a server runs: which files count, what may change, what waits for a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tierwise_server.config.examine import load
from tierwise_server.config.files import read_regular
from tierwise_server.config.findings import Loc, path_of
from tierwise_server.config.settings import Config
from tierwise_server.errors import ConfigurationError, Fault

RELOADED: Final[tuple[Loc, ...]] = (
    ("profile",),
    ("routing",),
    ("tiers",),
    ("models",),
    ("prices",),
    ("check",),
    ("server", "heartbeat_s"),
    ("server", "max_concurrent_requests"),
    ("server", "tls"),
    ("auth", "certificates"),
    ("auth", "certificate_keys"),
)
"""What a running server takes over; every other key waits for its next start."""
_LONGEST_FILE_BYTES: Final = 8 * 1024 * 1024
_TLS: Final = ("cert_file", "key_file", "client_ca_file")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration came from.

    Attributes:
        path: the file, if there is one.
        environ: the variables over it.
        seen: what the file held before it was read first; without it, what it holds when watching begins.
    """

    path: Path | None
    environ: Mapping[str, str]
    seen: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path | None, environ: Mapping[str, str]) -> Source:
        """Look at the file before it is read, so that no change between the two is missed. Blocks."""
        return cls(path, environ, fingerprints(() if path is None else (path,)))


class Watched:
    """Tells when files that changed have been left alone. `seen` is what they held when they were read last."""

    def __init__(self, seen: Mapping[Path, str]) -> None:
        self._seen = self._before = seen

    def settled(self, now: Mapping[Path, str]) -> bool:
        """Whether they changed since they were read and are as at the look before: their writer has finished."""
        settled = now != self._seen and now == self._before
        self._before = now
        return settled

    def taken(self, seen: Mapping[Path, str]) -> None:
        """They were read, and held this."""
        self._seen = seen


def fingerprints(files: Iterable[Path]) -> dict[Path, str]:
    """What is in each file, as a hash; empty for one that cannot be read. Blocks."""
    found: dict[Path, str] = {}
    for path in files:
        try:
            found[path] = hashlib.sha256(read_regular(path, _LONGEST_FILE_BYTES)).hexdigest()
        except (OSError, ValueError):
            found[path] = ""
    return found


def load_again(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Like `load`, for a file that somebody may be writing at this moment.

    Raises:
        ConfigurationError: it cannot be used, is empty, or changed while it was read.
    """
    before = _content(path)
    config = load(path, environ)
    # A writer that truncates first would put the shipped defaults into force.
    if before is not None and not before.strip():
        raise ConfigurationError(
            (Fault(str(path), "is empty; a running server keeps what it has"),)
        )
    if _content(path) != before:
        raise ConfigurationError((Fault(str(path), "changed while it was read"),))
    return config


def watched_files(path: Path | None, config: Config) -> tuple[Path, ...]:
    """The files that a running server looks at again: the configuration's own, and those that it names."""
    tls = config.server.tls
    named = (config.prices.file, *(getattr(tls, key) for key in _TLS))
    return tuple(file for file in (path, *named) if file is not None)


def waiting_for_restart(running: Config, new: Config) -> tuple[str, ...]:
    """The keys whose new values a running server cannot take over, in the order of the sections."""
    old_values, new_values = running.model_dump(), new.model_dump()
    changed = [path_of(loc) for loc in _changed(old_values, new_values, ())]
    old_tls, new_tls = running.server.tls, new.server.tls
    # A port is encrypted, and asks for certificates, for as long as it is open.
    switched = [
        f"server.tls.{key}"
        for key in _TLS
        if (getattr(old_tls, key) is None) != (getattr(new_tls, key) is None)
    ]
    return (*changed, *switched)


def _changed(old: Any, new: Any, loc: Loc) -> Iterator[Loc]:
    if old == new or loc in RELOADED:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changed(old.get(key), new.get(key), (*loc, key))
    else:
        yield loc


def _content(path: Path | None) -> bytes | None:
    try:
        return None if path is None else read_regular(path, _LONGEST_FILE_BYTES)
    except (OSError, ValueError):
        return None
