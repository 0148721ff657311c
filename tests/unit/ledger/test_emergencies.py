"""Servers of one ledger share a data directory: each has an emergency file, and the dead leave theirs to the next."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import pytest

from tests.unit.ledger.rows import a_reservation, a_settlement, an_end
from tests.unit.ledger.waiting import until
from tierwise_server.ledger.bookkeeper import Limits, bookkeeping
from tierwise_server.ledger.emergencies import ledger_name, new_file, orphaned_files
from tierwise_server.ledger.emergency import EmergencyFile, FileTaken
from tierwise_server.ledger.entries import RequestRow, Settlement
from tierwise_server.ledger.faulty import FaultyLedger, LedgerFault
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.settings import LedgerSettings

SIZE: Final = 64 * 1024
URL: Final = "postgresql://tierwise@db.internal/tierwise"
RESERVATION: Final = a_reservation()
ENTRIES: list[Settlement | RequestRow] = [a_settlement(RESERVATION), an_end(RESERVATION.origin)]


@pytest.fixture
def settings(tmp_path: Path) -> LedgerSettings:
    return LedgerSettings(tmp_path / "data", URL)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def files(settings: LedgerSettings) -> list[Path]:
    return sorted(settings.directory.iterdir())


def taken_over(settings: LedgerSettings, stack: ExitStack) -> list[EmergencyFile]:
    return [stack.enter_context(closing(file)) for file in orphaned_files(settings)]


def left_behind(settings: LedgerSettings) -> None:
    """What a server leaves that ends while its ledger is away."""
    with closing(new_file(settings, SIZE)) as file:
        file.append(ENTRIES)


def test_each_server_has_a_file_of_its_own_which_goes_with_it(settings: LedgerSettings) -> None:
    with closing(new_file(settings, SIZE)), closing(new_file(settings, SIZE)):
        assert len(files(settings)) == 2
    assert files(settings) == []


def test_what_the_dead_left_is_taken_over_once_and_the_living_keep_theirs(
    settings: LedgerSettings, stack: ExitStack
) -> None:
    left_behind(settings)
    left_behind(settings)
    living = stack.enter_context(closing(new_file(settings, SIZE)))
    living.append(ENTRIES)
    assert [file.read()[0] for file in taken_over(settings, stack)] == [ENTRIES, ENTRIES]
    assert taken_over(settings, stack) == []
    assert living.read()[0] == ENTRIES


def test_a_file_without_anything_in_it_is_removed(settings: LedgerSettings) -> None:
    settings.directory.mkdir()
    name = f"ledger-emergency-{ledger_name(URL)}-00000000.jsonl"
    (settings.directory / name).write_bytes(bytes(SIZE))
    assert orphaned_files(settings) == []
    assert files(settings) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_a_file_that_its_server_does_away_with_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with closing(EmergencyFile(path, SIZE)) as file:
        other = os.open(path, os.O_RDWR)
    try:
        assert not path.exists()
        with pytest.raises(FileTaken):
            # As whoever opened it before it was gone gets it.
            EmergencyFile(Path(f"/proc/self/fd/{other}"), SIZE)
    finally:
        os.close(other)
    assert file.empty


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("postgresql://somebody:secret@db.internal/tierwise", True),
        ("postgres://db.internal/tierwise", True),
        ("postgresql://tierwise@db.internal/another", False),
        ("postgresql://tierwise@db.internal:5433/tierwise", False),
        ("postgresql://tierwise@db.internal/tierwise?options=-csearch_path%3Dx", False),
        ("", False),
    ],
)
def test_what_belongs_to_another_ledger_is_left_alone(
    url: str, same: bool, settings: LedgerSettings, stack: ExitStack
) -> None:
    left_behind(settings)
    other = LedgerSettings(settings.directory, url)
    assert bool(taken_over(other, stack)) is same
    assert "secret" not in ledger_name(url)
    assert bool(taken_over(settings, stack)) is not same


async def test_what_was_taken_over_is_recorded_and_its_file_removed(
    settings: LedgerSettings, stack: ExitStack
) -> None:
    left_behind(settings)
    ledger = MemoryLedger()
    away = FaultyLedger(ledger, rate=1.0, kinds=[LedgerFault.REFUSED])
    orphaned = taken_over(settings, stack)
    own = stack.enter_context(closing(new_file(settings, SIZE)))
    async with bookkeeping(away, own, Limits(retry_s=0.01), orphaned=orphaned) as keeper:
        assert not keeper.healthy
        keeper.settle_soon(a_settlement(a_reservation()))
        await until(lambda: not own.empty)
        assert len(files(settings)) == 2
        away.rate = 0.0
        await until(lambda: keeper.healthy)
        await until(lambda: len(files(settings)) == 1)
    assert len(await ledger.find("acme", "request")) == 2


MANY_STARTS: Final = """
import sys
from pathlib import Path
from tierwise_server.ledger.emergencies import new_file, orphaned_files
from tierwise_server.ledger.settings import LedgerSettings

settings = LedgerSettings(Path(sys.argv[1]), sys.argv[2])
for _ in range(60):
    for file in orphaned_files(settings):
        file.close()
    file = new_file(settings, 4096)
    assert file._path.exists(), "somebody took the file of a living server"
    file.close()
"""


@pytest.mark.fault
def test_servers_that_start_and_stop_at_once_do_not_take_each_others_files(
    settings: LedgerSettings,
) -> None:
    words = [sys.executable, "-c", MANY_STARTS, str(settings.directory), URL]
    running = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    assert files(settings) == []
