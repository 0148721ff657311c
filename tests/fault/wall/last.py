"""F63, played last: what all the other rows told is searched already; this row counts it."""

from __future__ import annotations

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import CANARIES, Tally


@scenario("F63", "no canary in any span, log line, status or message of the whole run")
async def secrets(tally: Tally) -> None:
    witness = tally.witness
    for word in CANARIES:
        with tally.run(word):
            hits = [hit for hit in witness.hits if hit.startswith(word)]
            assert not hits, f"{len(hits)} times, first in: {hits[0]}"
    tally.detail = f"{witness.searched_bytes / 1e6:.1f} MB searched for {len(CANARIES)} canaries"
