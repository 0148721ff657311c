"""Other programs may open the embedded ledger while a server has it; what the server writes then is not lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.unit.ledger.rows import a_reservation, an_origin
from tierwise_server.access.opening import open_keys
from tierwise_server.ledger.opening import open_ledger, open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.sqlite import DATABASE_FILE

COME_AND_GO = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM ledger_call'); c.close()"


async def test_a_program_that_comes_and_goes_takes_nothing_with_it(tmp_path: Path) -> None:
    settings = LedgerSettings(tmp_path)
    async with open_ledger(settings) as ledger:
        await ledger.reserve(a_reservation(an_origin()))
        # As a server does: keys lie in the same file.
        async with open_keys(settings):
            file = str(tmp_path / DATABASE_FILE)
            words = (sys.executable, "-c", COME_AND_GO, file)
            program = await asyncio.create_subprocess_exec(*words)
            assert await program.wait() == 0
            assert (tmp_path / f"{DATABASE_FILE}-wal").exists()
            await ledger.reserve(a_reservation(an_origin()))
            async with open_reader(settings) as reader:
                assert len(await reader.find("acme", "request")) == 2
