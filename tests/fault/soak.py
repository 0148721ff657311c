"""A server that runs for long under mixed calls, faults and leaving callers, and must not grow.

`make soak` runs for an hour, or as ARGS='--seconds N' says; a test runs a slice. After every block of calls, when
nothing is under way, the server's memory, open files and threads are read from outside. At the end its ledger is
audited. The readings are written to build/soak.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import aiohttp
import grpc
import numpy as np

from tests.fault.wall.money import FAULTS, RULES, Books
from tests.fault.wall.programs import programs
from tests.integration.invariants import check_bill, check_stream
from tests.programs import Program
from tests.serving import a_request, outcome_of
from tierwise.v1 import router_pb2, router_pb2_grpc, routing_pb2
from tierwise_server.errors import Reason

RESULTS: Final = Path("build/soak.json")
AT_ONCE: Final = 16
BLOCK: Final = 1000
FAULTY: Final = 0.01
LEAVING: Final = 0.5
"""How many callers leave in the middle of an answer."""

MOST_BYTES_PER_CALL: Final = 150
"""What grpcio itself loses of a call that is cancelled (github.com/grpc/grpc/issues/43360)."""

SPARE: Final = AT_ONCE
"""Files and threads that may come and go: a connection for each call that runs, a pool's thread."""

FAULTY_ENDS: Final = {"OK", "UNAVAILABLE", "INTERNAL"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A quiet server, seen from outside, after so many calls."""

    calls: int
    memory_mb: float
    files: int
    threads: int


@dataclass
class Soak:
    """What a soak found.

    Attributes:
        ends: how often each status came, with its reason.
        unexpected: ends that the call should not have had, and answers that contradict themselves.
    """

    chance: random.Random
    readings: list[Reading] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    calls: int = 0

    @property
    def bytes_per_call(self) -> float:
        """How much memory a call leaves behind, by the last half of the readings: the slope of least squares."""
        half = self.readings[len(self.readings) // 2 :]
        calls = [reading.calls for reading in half]
        return float(np.polyfit(calls, [reading.memory_mb * 1e6 for reading in half], 1)[0])

    def _grown(self, what: Callable[[Reading], int]) -> int:
        """How many more there are in the end than there were at most in the first half."""
        half = self.readings[: len(self.readings) // 2]
        return what(self.readings[-1]) - max(map(what, half))

    def faults(self) -> Iterator[str]:
        """Everything that a server must not do however long it runs; the slope wants tens of thousands of calls."""
        yield from self.unexpected[:10]
        for name in ("files", "threads"):
            grown = self._grown(attrgetter(name))
            if grown > SPARE:
                yield f"{grown} more {name}"


SERVER: Final[Mapping[str, Any]] = {
    "TIERWISE_UPSTREAM__BREAKER__ENABLED": "false",
    "TIERWISE_TELEMETRY__LOG_LEVEL": "error",
}


@contextmanager
def telling(program: Program) -> Iterator[None]:
    """Show what the server said, if it did not end well."""
    try:
        yield
    except BaseException:
        program.process.terminate()
        program.ended()
        sys.stderr.writelines(program.said[-50:])
        raise


async def soak(
    seconds: float, block: int = BLOCK, told: Callable[[Soak], None] = lambda _: None
) -> Soak:
    """Run a server for so long, at least four blocks; `told` hears of every block.

    Raises:
        AssertionError: the server did not end well, or its ledger does not add up.
    """
    found = Soak(random.Random(1))
    until_s = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with programs(RULES, **SERVER, TIERWISE_LEDGER__DIRECTORY=name) as run:
            with telling(run.server):
                while time.monotonic() < until_s or len(found.readings) < 4:
                    await _block(found, run.endpoint, block)
                    mb = run.memory_bytes / 1e6
                    found.readings.append(Reading(found.calls, mb, run.files, run.threads))
                    # What the simulator remembers would fill the machine.
                    async with aiohttp.request("POST", f"{run.upstream}/simulator/reset"):
                        pass
                    told(found)
                run.server.process.terminate()
                assert await asyncio.to_thread(run.server.ended) == 0
        books = await Books.read(folder)
    assert books.faults == ()
    open_ = {call["state"] for call in books.calls} - {"SETTLED", "ESTIMATED", "FAILED_UNBILLED"}
    assert not open_, open_
    return found


async def _block(found: Soak, endpoint: str, block: int) -> None:
    numbers = iter(range(block))
    async with grpc.aio.insecure_channel(endpoint) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)

        async def caller() -> None:
            for _ in numbers:
                await _call(found, stub)
                found.calls += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(caller())
    # What callers left is cleared away after they are gone.
    await asyncio.sleep(0.5)


async def _call(found: Soak, stub: Any) -> None:
    chance = found.chance
    if chance.random() < 0.1:
        await stub.Route(router_pb2.RouteRequest(task_type="classify_intent"))
        found.ends["Route OK"] += 1
        return
    faulty = chance.random() < FAULTY
    leaves = not faulty and chance.random() < LEAVING
    text = f"A task. fault-{chance.randrange(len(FAULTS))}." if faulty else "A task."
    delivery = chance.choice(("UNSPECIFIED", "HELD", "LIVE"))
    request = a_request(
        text,
        routing=routing_pb2.RoutingOptions(escalation=chance.random() < 0.3),
        draft_delivery=router_pb2.DraftDelivery.Value(f"DRAFT_DELIVERY_{delivery}"),
    )
    call = stub.Generate(request, timeout=30)
    if leaves:
        for _ in range(chance.randrange(1, 5)):
            if await call.read() is grpc.aio.EOF:
                break
        call.cancel()
        found.ends["left"] += 1
        return
    outcome = await outcome_of(call)
    found.ends[f"{outcome.status} {outcome.reason}".strip()] += 1
    try:
        assert outcome.status in (FAULTY_ENDS if faulty else {"OK"})
        assert outcome.reason != Reason.INTERNAL.name
        check_stream(outcome)
        check_bill(outcome)
    except AssertionError as error:
        found.unexpected.append(
            f"{outcome.status} {outcome.reason} {outcome.message} {error}"[:300]
        )


def say(found: Soak) -> None:
    """Print the last reading."""
    last = found.readings[-1]
    sys.stdout.write(
        f"{last.calls:>9} calls  {last.memory_mb:7.1f} MB  {last.files:>4} files  {last.threads:>3} threads"
        f"  {len(found.unexpected)} unexpected\n"
    )
    sys.stdout.flush()


def main() -> int:
    """Soak, and return 0 if nothing grew and nothing unexpected came."""
    words = argparse.ArgumentParser(prog="python -m tests.fault.soak", description=__doc__)
    words.add_argument("--seconds", type=float, default=3600.0, help="how long")
    found = asyncio.run(soak(words.parse_args().seconds, told=say))
    faults = list(found.faults())
    if found.bytes_per_call > MOST_BYTES_PER_CALL:
        faults.append(f"{found.bytes_per_call:.0f} bytes more with every call")
    summary = {
        "calls": found.calls,
        "ends": dict(found.ends),
        "bytes_per_call": found.bytes_per_call,
        "faults": faults,
        "readings": [asdict(reading) for reading in found.readings],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(
        f"{dict(found.ends)}\n{found.bytes_per_call:.0f} bytes a call in the last half, of"
        f" {MOST_BYTES_PER_CALL}\n" + "".join(f"FAULT {fault}\n" for fault in faults)
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
