"""The guide to telemetry says what the code does."""

from __future__ import annotations

import re

from tests.docs.telemetry_tables import tables
from tests.house.tree import ROOT
from tierwise_server.telemetry import TelemetrySettings, names

GUIDE = ROOT / "docs" / "guides" / "telemetry.md"


def guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    shown = guide().split("<!-- tables: begin -->\n")[1].split("\n<!-- tables: end -->")[0]
    assert shown == tables()


def test_the_pinned_conventions_are_named() -> None:
    assert names.SEMCONV in guide()
    assert names.GENAI_SEMCONV[:12] in guide()


def test_every_variable_that_is_read_is_in_the_guide() -> None:
    """Asks the reader itself: the environment notes what it is asked for."""
    asked: set[str] = set()

    class Asked(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override] # of str to str
            asked.add(key)
            return default

    TelemetrySettings.from_environment(Asked())
    shared = {re.sub(r"_(TRACES|METRICS)_(?!SAMPLER|EXPORTER)", "_", name) for name in asked}
    assert shared
    assert not [name for name in sorted(shared) if f"`{name}`" not in guide()]
