"""A caller that leaves, at each of eight points of a request: what its rows in a SQLite ledger come to."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest

from tests.integration.invariants import in_order
from tests.serving import Served, a_request, configured, failure_of, serving
from tests.unit.access.records import a_key
from tierwise.v1 import routing_pb2
from tierwise_server.access.entries import Allowance
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.ledger.entries import RequestAccount, RowState
from tierwise_server.ledger.spend import SpendQuery

if TYPE_CHECKING:
    from tierwise_server.ledger.base import Ledger
    from tierwise_server.simulator.journal import Journal

Rule = Mapping[str, Any]

DRIP: Final[Rule] = {"chunks": ["word "] * 400, "delta_interval_s": 0.01}
HANG: Final[Rule] = {"fault": {"kind": "hang"}}
QUICK: Final[Rule] = {"usage": {"input_tokens": 10, "output_tokens": 2}}
BUSY: Final[Rule] = {"fault": {"kind": "status", "status": 529, "retry_after": "30"}}
SLOW_START: Final[Rule] = {"first_token_delay_s": 30.0}
SETTLED, ESTIMATED, UNBILLED = RowState.SETTLED, RowState.ESTIMATED, RowState.FAILED_UNBILLED


@dataclass(frozen=True, slots=True)
class Point:
    """Where a caller leaves.

    Attributes:
        rules: what the upstream does.
        rows: what the request's rows come to, in their order.
        begun: whether the last call has answered something by then.
    """

    rules: Sequence[Rule]
    rows: Sequence[RowState]
    begun: bool = True
    escalation: bool = True


POINTS: Final[Mapping[str, Point]] = {
    "before the head": Point([HANG], [ESTIMATED], begun=False),
    "before the first text": Point([SLOW_START], [ESTIMATED]),
    "within a held draft": Point([DRIP], [ESTIMATED]),
    "within the text": Point([DRIP], [ESTIMATED], escalation=False),
    "within the check": Point(
        [{"kind": "check", **SLOW_START}, QUICK],
        [SETTLED, ESTIMATED],
    ),
    "after the climb": Point(
        [{"model": "claude-sonnet-*", **DRIP}, {"kind": "check", "confidence": 1}, QUICK],
        [SETTLED, SETTLED, ESTIMATED],
    ),
}


@asynccontextmanager
async def recording(
    folder: Path, rules: Sequence[Rule], upstream: Mapping[str, Any] | None = None
) -> AsyncIterator[Served]:
    """Run a server with a ledger in a file."""
    settings = {"ledger": {"directory": str(folder)}, "upstream": dict(upstream or {})}
    async with serving({"rules": list(rules)}, configured(settings)) as served:
        yield served


@pytest.mark.parametrize("name", POINTS)
async def test_a_caller_that_leaves_is_charged_each_call_as_far_as_it_came(
    name: str, tmp_path: Path
) -> None:
    point = POINTS[name]
    async with recording(tmp_path, point.rules) as served:
        journal = served.simulator.journal
        routing = routing_pb2.RoutingOptions(escalation=point.escalation)
        call = served.stub.Generate(a_request(request_id="r-1", routing=routing))
        async for message in call:
            if point.escalation or message.HasField("text_delta"):
                break
        await reached(journal, point)
        call.cancel()
        run = await ended(served, "r-1")
        assert [row.state for row in run.calls] == point.rows
        await check_sums(served, run)


async def test_a_caller_that_leaves_a_pause_before_a_retry_is_charged_nothing(
    tmp_path: Path,
) -> None:
    async with recording(tmp_path, [BUSY]) as served:
        call = served.stub.Generate(a_request(request_id="r-1"))
        await call.read()
        await served.simulator.journal.until(lambda journal: len(journal) == 1)
        await served.simulator.journal.settled()
        # What was sent is also read.
        await asyncio.sleep(0.1)
        call.cancel()
        run = await ended(served, "r-1")
        assert [row.state for row in run.calls] == [UNBILLED]
        assert len(served.simulator.journal) == 1
        await check_sums(served, run)


async def test_a_caller_that_leaves_the_queue_is_charged_nothing(tmp_path: Path) -> None:
    async with recording(tmp_path, [SLOW_START], {"max_connections": 1}) as served:
        holding = served.stub.Generate(a_request(request_id="r-0"))
        await reached(served.simulator.journal, POINTS["before the first text"])
        waiting = served.stub.Generate(a_request(request_id="r-1"))
        events = aiter(waiting)
        assert (await anext(events)).HasField("started")
        assert (await anext(events)).HasField("attempt_started")
        waiting.cancel()
        run = await ended(served, "r-1")
        assert [row.state for row in run.calls] == [UNBILLED]
        assert len(served.simulator.journal) == 1
        await check_sums(served, run)
        holding.cancel()
        assert [row.state for row in (await ended(served, "r-0")).calls] == [ESTIMATED]


async def test_a_caller_cannot_spend_beyond_a_budget_by_leaving_before_the_answer(
    tmp_path: Path,
) -> None:
    """A request that is out may be billed, so its prompt counts until the budget refuses the next one."""
    secret, key = a_key(allowance=Allowance(day_nano_usd=60_000_000))
    store = MemoryKeyStore()
    await store.add(key)
    settings = {"ledger": {"directory": str(tmp_path)}, "auth": {"mode": "required"}}
    metadata = (("authorization", f"Bearer {secret}"),)
    async with serving({"rules": [HANG]}, configured(settings), keys=store) as served:
        journal, refused = served.simulator.journal, 0
        for _ in range(10):
            asked = len(journal)
            call = served.stub.Generate(
                a_request("All work and no play. " * 3_000), metadata=metadata
            )
            if await first_two(call) == "BUDGET_EXCEEDED":
                refused += 1
                continue
            await journal.until(functools.partial(longer, asked))
            call.cancel()
            await journal.settled()
            await asyncio.sleep(0.05)
        (total,) = await ledger_of(served).spend(SpendQuery())
        assert refused > 0
        assert 0 < total.cost_nano_usd <= 60_000_000
        assert len(journal) == 10 - refused


def longer(asked: int, journal: Journal) -> bool:
    return len(journal) > asked


async def first_two(call: Any) -> str:
    """Read `started` and `attempt_started`; returns the reason where the call was refused."""
    try:
        for _ in range(2):
            await call.read()
    except grpc.aio.AioRpcError as error:
        return failure_of(error).reason
    return ""


async def reached(journal: Journal, point: Point) -> None:
    """Wait until the upstream was asked as often as the point says, and the last call has come so far."""
    async with asyncio.timeout(10):
        await journal.until(lambda journal: len(journal) == len(point.rows))
        await journal.until(lambda journal: journal[-1].kind != "")
        while point.begun and not journal[-1].bytes_sent:  # noqa: ASYNC110 - the journal does not tell of bytes
            await asyncio.sleep(0.001)
    # What was sent is also read.
    await asyncio.sleep(0.1)


async def ended(served: Served, request_id: str) -> RequestAccount:
    """A request's account, once its end is written."""
    ledger = ledger_of(served)
    async with asyncio.timeout(10):
        while not (runs := await ledger.find("", request_id)) or not runs[0].outcome:  # noqa: ASYNC110 - it does not tell
            await asyncio.sleep(0.01)
    (run,) = runs
    assert run.outcome == "CANCELLED"
    return run


async def check_sums(served: Served, run: RequestAccount) -> None:
    """Rows are charged what the spans of their calls say, the request their sum, and the ledger agrees with itself."""
    charges = [row.charged_nano_usd or 0 for row in run.calls]
    assert [charge == 0 for charge in charges] == [row.state is UNBILLED for row in run.calls]
    spans = served.spans.spans()
    name = run.origin.request_id
    (route,) = (
        s for s in spans if s.name == "route" and s.attributes["tierwise.request.id"] == name
    )
    calls = [s for s in in_order(spans) if s.kind == "CLIENT" and s.trace_id == route.trace_id]
    assert [span.attributes.get("tierwise.cost.nano_usd", 0) for span in calls] == charges
    assert run.cost_nano_usd == sum(charges) == route.attributes["tierwise.total_cost.nano_usd"]
    assert await ledger_of(served).audit() == ()


def ledger_of(served: Served) -> Ledger:
    assert served.app.keeping is not None
    assert served.app.keeping.ledger is not None
    return served.app.keeping.ledger
