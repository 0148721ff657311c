"""The emergency file keeps what the ledger cannot take, though the disk is full, through crashes and spoiled lines."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.ledger.rows import a_reservation, a_settlement, an_end
from tierwise_server.errors import ConfigurationError
from tierwise_server.ledger.emergency import EmergencyFile
from tierwise_server.ledger.entries import RequestRow, Settlement

SIZE = 16 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "emergency.jsonl"


@pytest.fixture
def file(path: Path) -> Iterator[EmergencyFile]:
    with closing(EmergencyFile(path, SIZE)) as file:
        yield file


def reopened(path: Path) -> EmergencyFile:
    return EmergencyFile(path, SIZE)


RESERVATION = a_reservation()
ENTRIES: list[Settlement | RequestRow] = [a_settlement(RESERVATION), an_end(RESERVATION.origin)]


def test_its_room_is_taken_in_advance_and_its_own(file: EmergencyFile, path: Path) -> None:
    assert path.stat().st_size == SIZE
    assert path.stat().st_blocks * 512 >= SIZE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.append(ENTRIES)
    assert path.stat().st_size == SIZE


def test_what_is_appended_is_read_in_order_by_the_next_server(path: Path) -> None:
    with closing(reopened(path)) as file:
        assert file.empty
        assert file.append(ENTRIES[:1]) == 1
        assert file.append(ENTRIES[1:]) == 1
    with closing(reopened(path)) as file:
        assert not file.empty
        assert file.read()[0] == ENTRIES


def test_clearing_forgets_what_was_read_but_nothing_that_came_since(file: EmergencyFile) -> None:
    file.append(ENTRIES)
    _, mark = file.read()
    file.append(ENTRIES)
    assert not file.clear(mark)
    entries, mark = file.read()
    assert entries == [*ENTRIES, *ENTRIES]
    assert file.clear(mark)
    assert file.empty
    assert file.read() == ([], 0)
    file.append(ENTRIES[1:])
    assert file.read()[0] == ENTRIES[1:]


def test_what_does_not_fit_is_told(file: EmergencyFile) -> None:
    many: list[Settlement | RequestRow] = [a_settlement(a_reservation()) for _ in range(100)]
    written = file.append(many)
    assert 0 < written < 100
    assert file.read()[0] == many[:written]
    assert file.append(many[:5]) == 0


@pytest.mark.parametrize("seed", range(0, 200, 7))
def test_a_spoiled_byte_costs_one_line_at_most(path: Path, seed: int) -> None:
    settlements: list[Settlement | RequestRow] = [a_settlement(a_reservation()) for _ in range(3)]
    with closing(reopened(path)) as file:
        file.append(settlements)
        _, used = file.read()
    content = bytearray(path.read_bytes())
    content[used * seed // 200] ^= 0x41
    path.write_bytes(content)
    with closing(reopened(path)) as file:
        entries, _ = file.read()
        assert [entry for entry in entries if entry not in settlements] == []
        assert len(entries) >= 1
        file.append(ENTRIES)
        assert file.read()[0][-2:] == ENTRIES


@pytest.mark.parametrize("cut", range(1, 120, 17))
def test_a_torn_tail_costs_the_last_line_only(path: Path, cut: int) -> None:
    settlements: list[Settlement | RequestRow] = [a_settlement(a_reservation()) for _ in range(3)]
    with closing(reopened(path)) as file:
        file.append(settlements)
        _, used = file.read()
    with path.open("r+b") as raw:
        raw.seek(used - cut)
        raw.write(bytes(cut))
    with closing(reopened(path)) as file:
        assert file.read()[0][:2] == settlements[:2]
        file.append(ENTRIES)
        assert file.read()[0][-2:] == ENTRIES


def test_two_servers_cannot_share_one(file: EmergencyFile, path: Path) -> None:
    assert file.empty
    with pytest.raises(ConfigurationError) as caught:
        reopened(path)
    assert caught.value.faults[0].path == "ledger.directory"


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError):
        reopened(tmp_path / "file" / "emergency.jsonl")
