"""Short ways to examine a configuration written in a test."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tierwise_server.config import Config, Examination
from tierwise_server.config.examine import examine_raw
from tierwise_server.config.toml import decode_toml

TODAY = dt.date(2026, 11, 24)


def examined(
    toml: str = "",
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    today: dt.date = TODAY,
) -> Examination:
    """Examine a configuration given as text."""
    text, raw = decode_toml(textwrap.dedent(toml).encode())
    return examine_raw(raw, environ or {}, text=text, folder=folder, today=today)


def config(toml: str = "", environ: Mapping[str, str] | None = None) -> Config:
    """A configuration that must have no faults."""
    found = examined(toml, environ)
    assert found.config is not None, [str(fault) for fault in found.faults]
    return found.config


def faults(toml: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Every fault of a configuration, in words."""
    return [str(fault) for fault in examined(toml, environ).faults]


def warnings(toml: str, *, today: dt.date = TODAY) -> list[str]:
    """Every warning of a configuration that must have no faults, in words."""
    found = examined(toml, today=today)
    assert not found.faults, [str(fault) for fault in found.faults]
    return [str(warning) for warning in found.warnings]
