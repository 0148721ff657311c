"""The simulated upstream: answers of 100 deltas in one burst."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from tests.bench.processes import pin
from tierwise_server.simulator import Simulator

DELTAS = 100


async def main() -> None:
    chunks = [f"word{number % 10} " for number in range(DELTAS)]
    async with Simulator({"rules": [{"kind": "answer", "chunks": chunks}]}) as simulator:
        sys.stdout.write(f"ready {simulator.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    uvloop.run(main())
