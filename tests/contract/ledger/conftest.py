"""What the ledger's contract tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.ledger.worlds import NAMES, World, a_world
from tests.postgres import Cluster, postgres

__all__ = ["postgres"]


@pytest.fixture(params=NAMES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each ledger in turn, empty."""

    def cluster() -> Cluster:
        found: Cluster = request.getfixturevalue("postgres")
        return found

    # Fetched here: a fixture that may skip cannot be asked for inside the event loop of another.
    if request.param == "postgres":
        cluster()
    async with a_world(request.param, tmp_path, cluster) as world:
        yield world
