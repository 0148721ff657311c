"""The soak in small: what must hold of a server however long it runs, and that a soak sees what does not."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.fault.soak import SPARE, Reading, Soak, soak


@pytest.mark.fault
async def test_a_slice_of_the_soak_finds_nothing() -> None:
    found = await soak(0, block=250)
    assert list(found.faults()) == []
    assert found.calls == 1000
    assert found.ends.keys() >= {"OK", "left", "Route OK"}
    assert found.ends.total() == found.calls


def grown(memory_mb: float = 0.0, files: int = 0, threads: int = 0) -> Soak:
    """A soak of ten readings that grow by so much with every one."""
    readings = [
        Reading(1000 * n, 100 + memory_mb * n, 30 + files * n, 10 + threads * n) for n in range(10)
    ]
    return Soak(random.Random(1), readings, Counter())


def test_growth_is_found() -> None:
    assert list(grown().faults()) == []
    assert list(grown(files=SPARE).faults()) == [f"{5 * SPARE} more files"]
    assert list(grown(threads=SPARE).faults()) == [f"{5 * SPARE} more threads"]
    assert grown(memory_mb=0.2).bytes_per_call == pytest.approx(200)
