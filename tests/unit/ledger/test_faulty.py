"""The faulty ledger fails as often as it is told to, and the same way for the same seed."""

from __future__ import annotations

import pytest

from tests.unit.ledger.rows import a_reservation, a_settlement, an_origin
from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger.faulty import FaultyLedger, LedgerFault
from tierwise_server.ledger.memory import MemoryLedger


async def outcomes(ledger: FaultyLedger, count: int = 200) -> list[bool]:
    """Reserve so many rows; return which of them seemed to work."""
    worked = []
    for number in range(count):
        try:
            await ledger.reserve(a_reservation(an_origin(request_id=f"{number}")))
            worked.append(True)
        except LedgerUnavailable:
            worked.append(False)
    return worked


async def test_the_same_seed_fails_the_same_way() -> None:
    first, second, other = [
        await outcomes(FaultyLedger(MemoryLedger(), rate=0.3, seed=seed, slow_s=0.0))
        for seed in (1, 1, 2)
    ]
    assert first == second
    assert first != other
    assert 100 < sum(first) < 200


async def test_a_rate_of_zero_never_fails_and_one_always_does() -> None:
    never = FaultyLedger(MemoryLedger(), rate=0.0)
    assert all(await outcomes(never))
    assert never.healthy
    always = FaultyLedger(MemoryLedger(), rate=1.0, kinds=[LedgerFault.REFUSED])
    assert not any(await outcomes(always))
    assert not always.healthy
    assert always.faults == 200
    always.rate = 0.0
    assert all(await outcomes(always))


@pytest.mark.parametrize(
    ("kind", "written"), [(LedgerFault.REFUSED, 0), (LedgerFault.REPLY_LOST, 1)]
)
async def test_what_fails_is_written_or_not_as_its_kind_says(
    kind: LedgerFault, written: int
) -> None:
    ledger = FaultyLedger(MemoryLedger(), rate=1.0, kinds=[kind])
    reservation = a_reservation()
    with pytest.raises(LedgerUnavailable):
        await ledger.reserve(reservation)
    assert len(await ledger.find("acme", "request")) == written
    with pytest.raises(LedgerUnavailable):
        await ledger.record([a_settlement(reservation)])


async def test_questions_are_answered_whatever_happens() -> None:
    ledger = FaultyLedger(MemoryLedger(), rate=1.0)
    assert await ledger.audit() == ()
    assert await ledger.find("acme", "request") == ()
    assert (await ledger.recover(), await ledger.purge()) == (0, 0)
    await ledger.aclose()
