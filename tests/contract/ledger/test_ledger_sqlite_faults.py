"""The embedded store when its disk is full, read-only or damaged, and when two servers want it."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.unit.ledger.rows import a_day, a_reservation, a_settlement, an_origin
from tests.unit.ledger.waiting import SOON_S, until
from tierwise_server.errors import ConfigurationError, LedgerUnavailable
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.bookkeeper import Limits, bookkeeping
from tierwise_server.ledger.emergency import EmergencyFile
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.opening import open_ledger, open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery
from tierwise_server.ledger.sqlite import DATABASE_FILE, SqliteDatabase

pytestmark = pytest.mark.fault

PAGE = 4096


def database(folder: Path) -> Path:
    return folder / DATABASE_FILE


async def fill(folder: Path, rows: int = 200) -> None:
    """Make a ledger with so many settled rows, and close it."""
    async with open_ledger(LedgerSettings(folder)) as ledger:
        for number in range(rows):
            row = a_reservation(an_origin(request_id=f"request-{number}"))
            await ledger.reserve(row)
            await ledger.record([a_settlement(row)])


async def fault_of(folder: Path) -> str:
    """Try to open a ledger; return what is wrong with it, or nothing."""
    try:
        async with open_ledger(LedgerSettings(folder)) as ledger:
            await ledger.spend(SpendQuery())
            return ""
    except ConfigurationError as error:
        (fault,) = error.faults
        assert fault.path == "ledger.directory"
        return fault.message


async def reserve_until_refused(ledger: Ledger) -> list[str]:
    """Reserve until the ledger is unavailable; return what was acknowledged before."""
    acknowledged: list[str] = []
    while True:
        row = a_reservation(an_origin(request_id=f"request-{len(acknowledged)}"))
        try:
            await ledger.reserve(row, [a_day(10**12)])
        except LedgerUnavailable:
            return acknowledged
        acknowledged.append(row.origin.request_id)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let every write beyond a size fail, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tierwise-test", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_refuses_calls_loses_nothing_and_recovers_by_itself(
    small_disk: Path, tmp_path: Path
) -> None:
    settings = LedgerSettings(small_disk / "data")
    with closing(EmergencyFile(tmp_path / "emergency")) as emergency:
        async with (
            asyncio.timeout(2 * SOON_S),
            open_ledger(settings) as ledger,
            bookkeeping(ledger, emergency, Limits(retry_s=0.05)) as bookkeeper,
        ):
            ballast = small_disk / "ballast"
            ballast.write_bytes(bytes(500_000))
            open_row = a_reservation(an_origin(request_id="open"))
            await ledger.reserve(open_row)
            acknowledged = await reserve_until_refused(ledger)
            assert acknowledged
            assert not bookkeeper.healthy
            bookkeeper.settle_soon(a_settlement(open_row))
            await until(lambda: not emergency.empty)
            ballast.unlink()
            await until(lambda: bookkeeper.healthy)
            await ledger.reserve(a_reservation(an_origin(request_id="after")))
            for request_id in [*acknowledged, "after"]:
                assert len(await ledger.find("acme", request_id)) == 1
            (account,) = await ledger.find("acme", "open")
            assert account.cost_nano_usd == 40
            assert await ledger.audit() == ()


async def test_a_file_that_may_not_grow_refuses_calls_and_recovers_by_itself(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(2 * SOON_S), open_ledger(LedgerSettings(tmp_path)) as ledger:
        await ledger.reserve(a_reservation(an_origin(request_id="first")))
        with files_no_larger_than(600_000):
            acknowledged = await reserve_until_refused(ledger)
            assert not ledger.healthy
        await until(lambda: ledger.healthy)
        await ledger.reserve(a_reservation(an_origin(request_id="after")))
        for request_id in ["first", *acknowledged, "after"]:
            assert len(await ledger.find("acme", request_id)) == 1
        assert await ledger.audit() == ()


async def test_a_lock_held_by_another_program_is_waited_for_and_not_for_ever(
    tmp_path: Path,
) -> None:
    settings = LedgerSettings(tmp_path, reserve_timeout_s=0.3)
    async with asyncio.timeout(2 * SOON_S), open_ledger(settings) as ledger:
        with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            given_up = a_reservation(an_origin(request_id="given up"))
            with pytest.raises(LedgerUnavailable):
                await ledger.reserve(given_up, [a_day(100)])
            shell.execute("ROLLBACK")
        await until(lambda: ledger.healthy)
        # What was given up holds no money, written or not.
        await ledger.reserve(a_reservation(an_origin(request_id="next")), [a_day(100)])
        found = await ledger.find("acme", "given up")
        assert all(
            call.state is RowState.FAILED_UNBILLED for account in found for call in account.calls
        )


async def test_a_second_server_is_told_who_has_the_folder(tmp_path: Path) -> None:
    async with open_ledger(LedgerSettings(tmp_path)) as ledger:
        message = await fault_of(tmp_path)
        assert f"process {os.getpid()}" in message
        await ledger.reserve(a_reservation())
    assert await fault_of(tmp_path) == ""


async def test_a_reader_works_beside_the_server_and_changes_nothing(tmp_path: Path) -> None:
    settings = LedgerSettings(tmp_path)
    async with open_ledger(settings) as ledger, open_reader(settings) as reader:
        await ledger.reserve(a_reservation())
        (total,) = await reader.spend(SpendQuery())
        assert total.open_calls == 1
        assert await reader.audit() == ()
    async with open_reader(settings) as reader:
        assert len(await reader.find("acme", "request")) == 1


async def test_a_reader_does_not_make_a_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(ConfigurationError):
        async with open_reader(LedgerSettings(folder)):
            pass
    assert not folder.exists()


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_ledger(LedgerSettings(folder)) as ledger:
        await ledger.reserve(a_reservation())
        files = [folder, *folder.iterdir()]
        assert len(files) >= 4
        assert not [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]


@contextmanager
def nobody() -> Iterator[Path]:
    """Be somebody without special rights, with a folder that is somebody else's."""
    folder = Path(tempfile.mkdtemp(prefix="tierwise-ledger-"))
    is_root = os.geteuid() == 0
    try:
        folder.chmod(0o755 if is_root else 0o555)
        if is_root:
            os.seteuid(65534)
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_every_commit_is_flushed_to_the_disk(tmp_path: Path) -> None:
    store = SqliteDatabase(database(tmp_path), lambda: 0.0)
    with closing(store.connect()) as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete")
        ]
    store.dispose()
    full = 2
    assert settings == ["wal", full, 1]


async def test_a_folder_that_cannot_be_written_is_told_at_the_start() -> None:
    with nobody() as folder:
        assert "cannot be written" in await fault_of(folder)
        assert "cannot be written" in await fault_of(folder / "deeper")


async def test_a_file_cut_short_is_told_at_the_start(tmp_path: Path) -> None:
    await fill(tmp_path)
    whole = database(tmp_path).read_bytes()
    for size in range(PAGE, len(whole), PAGE * 3 // 2):
        database(tmp_path).write_bytes(whole[:size])
        message = await fault_of(tmp_path)
        assert "is damaged" in message
        assert str(database(tmp_path)) in message
        assert ".recover" in message


async def test_a_file_that_is_no_database_is_told_at_the_start(tmp_path: Path) -> None:
    database(tmp_path).write_bytes(b"no database at all" * 1000)
    assert "is damaged" in await fault_of(tmp_path)
    assert database(tmp_path).read_bytes().startswith(b"no database at all")


async def test_spoiled_bytes_of_the_last_pages_are_told_or_do_no_harm(tmp_path: Path) -> None:
    await fill(tmp_path)
    whole = database(tmp_path).read_bytes()
    for offset in range(len(whole) - 2 * PAGE, len(whole), 421):
        spoiled = bytearray(whole)
        spoiled[offset] ^= 0xFF
        database(tmp_path).write_bytes(spoiled)
        message = await fault_of(tmp_path)
        assert message == "" or "is damaged" in message
    spoiled = bytearray(whole)
    spoiled[-PAGE : -PAGE + 8] = b"\xff" * 8
    database(tmp_path).write_bytes(spoiled)
    assert "is damaged" in await fault_of(tmp_path)


async def test_a_torn_log_costs_what_was_not_acknowledged_and_no_more(tmp_path: Path) -> None:
    folder, copy = tmp_path / "data", tmp_path / "copy"
    async with open_ledger(LedgerSettings(folder)) as ledger:
        await ledger.reserve(a_reservation(an_origin(request_id="early")))
        log = folder / f"{DATABASE_FILE}-wal"
        acknowledged = log.stat().st_size
        await ledger.reserve(a_reservation(an_origin(request_id="late")))
        content = log.read_bytes()
        for size in range(acknowledged, len(content), 1499):
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir()
            shutil.copy(database(folder), database(copy))
            (copy / log.name).write_bytes(content[:size])
            async with open_ledger(LedgerSettings(copy)) as torn:
                assert len(await torn.find("acme", "early")) == 1
                assert await torn.audit() == ()
