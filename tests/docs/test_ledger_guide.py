"""What docs/guides/ledger.md shows works, and what it lists is what there is."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.docs.pages import Block, blocks
from tests.house.tree import ROOT
from tests.programs import environment
from tests.unit.ledger.rows import a_reservation, a_settlement, an_end, an_origin
from tierwise_server.config.examine import examine_raw
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import Use
from tierwise_server.ledger.sqlite import DATABASE_FILE

PAGE = "docs/guides/ledger.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
FIRST_CELL = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def table_under(heading: str) -> list[str]:
    """The first cells of the first table after a line."""
    rest = TEXT[TEXT.index(heading) :]
    return FIRST_CELL.findall(rest[: rest.index("\n\n")])


async def fill(folder: Path) -> None:
    async with open_ledger(LedgerSettings(folder)) as ledger:
        row = a_reservation(an_origin(labels={"team": "search"}))
        await ledger.reserve(row)
        await ledger.record([a_settlement(row), an_end(row.origin)])


@pytest.mark.parametrize("block", blocks("python", PAGE), ids=str)
def test_python_of_the_guide_runs(block: Block, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "data"))
    done = subprocess.run(
        [sys.executable, "-c", block.code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2026-11-23 search 40 ")
    assert "differs" not in done.stdout


def test_commands_of_the_guide_run(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path))
    (block,) = blocks("shell", PAGE)
    programs = str(Path(sys.executable).parent)
    variables = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TIERWISE_LEDGER__DIRECTORY": str(tmp_path),
        "REQUEST_ID": "request",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "label,requests," in done.stdout
    assert "search,1," in done.stdout
    assert "outcome: OK" in done.stdout
    assert done.stdout.endswith("every sum is that of its rows\n")


@pytest.mark.parametrize("block", blocks("sql", PAGE), ids=str)
async def test_sql_of_the_guide_runs(block: Block, tmp_path: Path) -> None:
    await fill(tmp_path)
    engine = sa.create_engine(f"sqlite:///{tmp_path / DATABASE_FILE}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(block.code)).all()
    if "HAVING" in block.code:
        assert rows == []
    else:
        assert rows == [("acme", "request", "answer_faq", "OK", 40 / 1e9)]


def test_the_guide_shows_both_languages() -> None:
    assert len(blocks("python", PAGE)) == 1
    assert len(blocks("sql", PAGE)) == 2


def test_the_guide_lists_every_state_and_every_use() -> None:
    assert table_under("| state |") == [state.name for state in RowState]
    assert table_under("| use |") == [use.name for use in Use]


def test_the_guides_configuration_is_one() -> None:
    (block,) = blocks("toml", PAGE)
    found = examine_raw(tomllib.loads(block.code), {"ANTHROPIC_API_KEY": "none"})
    assert found.config is not None, found.faults
    assert found.config.ledger.on_unavailable == "refuse"
    assert "db.internal" not in repr(found.config)
