"""All scenarios of the wall, and the rows that have none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from tests.fault.wall.catalogue import FAULTS, SCENARIOS

__all__ = ["FAULTS", "SCENARIOS", "WITHOUT"]

_MODULES: Final = (
    "upstream",
    "answers",
    "sweep",
    "callers",
    "fuzz",
    "sockets",
    "routing",
    "process",
    "programs",
    "races",
    "state",
    "clocks",
    "money",
    "rotation",
    "tenants",
    "isolation",
    "twice",
    "reloads",
    "last",
)
"""In the order in which they are played: what counts what the others told comes last."""

# Importing a module puts its scenarios on the wall.
for _module in _MODULES:
    import_module(f"tests.fault.wall.{_module}")

WITHOUT: Final[Mapping[str, str]] = {}
"""Rows of the catalogue without a scenario, and why."""
