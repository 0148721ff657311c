"""The ledger against what the upstream journalled, through faults, leaving callers and kills."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import grpc

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.state import a_folder
from tests.fault.wall.tally import LABEL, PROMPT, SYSTEM, Tally, with_config
from tests.fault.worlds import SOON_S
from tests.serving import a_request, configured, outcome_of, serving, variables
from tierwise.v1 import router_pb2_grpc, routing_pb2
from tierwise_server import app
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.sqlite import DATABASE_FILE
from tierwise_server.simulator import Entry, Simulator
from tierwise_server.telemetry import configure_logging

AT_ONCE: Final = 16
SPARE_TOKENS: Final = 5
"""What may be on its way between upstream and server when a call ends, or be lost to rounding."""

ROOMY: Final = with_config(
    {
        "server": {"max_concurrent_requests": 1000},
        "upstream": {"max_connections": 100, "max_queue": 1000},
    }
)


def recording_in(folder: Path) -> dict[str, Any]:
    """The configuration of a server that keeps its ledger in a folder."""
    return {**ROOMY, "ledger": {"directory": str(folder)}}


FAULTS: Final[Sequence[dict[str, Any]]] = (
    {"kind": "status", "status": 529},
    {"kind": "status", "status": 400},
    {"kind": "cut", "at_byte": 500},
    {"kind": "end", "at_byte": 900},
    {"kind": "reset", "at_byte": 700},
    {"kind": "missing_stop"},
    {"kind": "html"},
    {"kind": "drop"},
    {"kind": "error_event", "at_event": 4},
    {"kind": "usage", "mode": "absent"},
)
RULES: Final[Sequence[Mapping[str, Any]]] = [
    *({"contains": f"fault-{number}.", "fault": fault} for number, fault in enumerate(FAULTS)),
    {"contains": "leave.", "chunks": ["word "] * 50, "delta_interval_s": 0.01},
    {"kind": "check", "nth": 3, "times": 1_000_000, "confidence": 9},
]


@dataclass
class Books:
    """What a ledger's file holds."""

    calls: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    faults: tuple[str, ...] = ()

    @classmethod
    async def read(cls, folder: Path) -> Books:
        """Open and audit a ledger as a server would after a start, then read its rows."""
        async with asyncio.timeout(SOON_S), open_ledger(LedgerSettings(folder)) as ledger:
            faults = await ledger.audit()
        with closing(sqlite3.connect(folder / DATABASE_FILE)) as shell:
            shell.row_factory = sqlite3.Row
            calls = [dict(row) for row in shell.execute("SELECT * FROM ledger_call")]
            requests = [dict(row) for row in shell.execute("SELECT * FROM ledger_request")]
        return cls(calls, requests, faults)


@dataclass
class Told:
    """What callers were told that their requests cost, by request id; None where they were told nothing."""

    costs: dict[str, int | None] = field(default_factory=dict)


@scenario(
    "ledger against journal",
    "every call of the journal is a row, every row a call; tokens and sums equal",
)
async def ledger_against_journal(tally: Tally) -> None:
    count = len(tally.times(20_000))
    told = Told()
    with a_folder() as folder:
        async with serving({"rules": RULES}, configured(recording_in(folder))) as served:
            await _ask_many(tally, served.endpoint, count, told)
            await served.simulator.journal.settled()
            entries = list(served.simulator.journal.messages)
            tally.witness.search_spans(served)
        books = await Books.read(folder)
        tally.witness.search_files(folder)
    found = differences(books, entries, told)
    tally.count(count, found)
    states = {call["state"] for call in books.calls}
    assert states <= {"SETTLED", "ESTIMATED", "FAILED_UNBILLED"}, states
    cost = sum(row["cost_nano_usd"] for row in books.requests)
    tally.detail = (
        f"{len(entries):,} calls journalled, {len(books.calls):,} rows, "
        f"{cost / 1e9:.6f} USD; difference {len(found)}; {estimates(books, entries)}; "
        f"{len(unseen_rows(books))} callers left before the first event of an answer, which is charged its prompt"
    )


def differences(books: Books, entries: Sequence[Entry], told: Told) -> list[str]:
    """Every way in which ledger, journal and callers disagree."""
    found = list(books.faults)
    by_id = {call["response_id"]: call for call in books.calls if call["response_id"]}
    tries = sum(call["tries"] or 0 for call in books.calls)
    if tries != len(entries):
        found.append(f"{len(entries)} calls were journalled, the rows tell of {tries}")
    journalled = {entry.message_id for entry in entries}
    found += [f"nobody answered {name}" for name in by_id if name not in journalled]
    # What was counted and never seen: its caller left while it was on its way, or the connection was reset with it.
    unseen = [e for e in entries if e.message_id not in by_id and any(billed(e))]
    known = len(unseen_rows(books)) + sum(entry.fault == "reset" for entry in unseen)
    found += [f"{entry.message_id} has no row ({entry.fault})" for entry in unseen[known:]]
    for entry in entries:
        if entry.message_id in by_id:
            found += _compare(entry, by_id[entry.message_id])
    costs = {row["request_id"]: row["cost_nano_usd"] for row in books.requests}
    found += [
        f"{name} was told {cost} and is charged {costs.get(name)}"
        for name, cost in told.costs.items()
        if cost is not None and costs.get(name) != cost
    ]
    found += [f"{name} has no row" for name in told.costs if name not in costs]
    return found


def estimates(books: Books, entries: Sequence[Entry]) -> str:
    """How far the rows that are estimates are from the upstream's own count, all tokens together."""
    counted = {entry.message_id: sum(billed(entry)) for entry in entries}
    rows = [c for c in books.calls if c["state"] == "ESTIMATED" and c["response_id"] in counted]
    whole = sum(counted[call["response_id"]] for call in rows)
    charged = sum(call["input_tokens"] + call["output_tokens"] for call in rows)
    off = f", {100 * (charged / whole - 1):+.1f}% off in all" if whole else ""
    return f"{len(rows)} estimates{off}"


def unseen_rows(books: Books) -> list[dict[str, Any]]:
    """The calls that were sent, and whose callers left before anything came back."""
    return [
        call
        for call in books.calls
        if call["status"] == "CANCELLED" and call["tries"] and not call["response_id"]
    ]


def billed(entry: Entry) -> tuple[int, int]:
    """The tokens, in and out, that the upstream had counted when the call ended."""
    cached = entry.cache_read_input_tokens + entry.cache_creation_input_tokens
    return entry.input_tokens + cached, entry.output_tokens


def _compare(entry: Entry, call: dict[str, Any]) -> list[str]:
    """Hold a row against the upstream's own count: equal where it reported, near it where it could not."""
    counted, recorded = billed(entry), (call["input_tokens"], call["output_tokens"])
    if call["state"] == "SETTLED":
        told = (*counted, entry.cache_read_input_tokens)
        same = told == (*recorded, call["cache_read_tokens"])
    else:
        same = all(map(near, recorded, counted)) and call["state"] == "ESTIMATED"
    return [] if same else [f"{entry.message_id}: {call['state']}, {counted} and {recorded}"]


def near(estimate: int, counted: int) -> bool:
    """Whether an estimate is within a third, or a few tokens: what is not reported is worked out from the text."""
    return abs(estimate - counted) <= max(SPARE_TOKENS, counted / 3)


async def _ask_many(tally: Tally, endpoint: str, count: int, told: Told) -> None:
    numbers = iter(range(count))
    async with grpc.aio.insecure_channel(endpoint) as channel:
        stub: Any = router_pb2_grpc.RouterServiceStub(channel)

        async def client() -> None:
            for number in numbers:
                await _ask_one(tally, stub, f"request-{number}", told)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(client())


async def _ask_one(tally: Tally, stub: Any, name: str, told: Told) -> None:
    chance = tally.chance
    text, leaves = f"{PROMPT} {name}", chance.random() < 0.01
    if leaves:
        text += " leave."
    elif chance.random() < 0.1:
        text += f" fault-{chance.randrange(len(FAULTS))}."
    routing = routing_pb2.RoutingOptions(escalation=chance.random() < 0.3)
    request = a_request(
        text, request_id=name, system=SYSTEM, labels={"tenant": LABEL}, routing=routing
    )
    call = stub.Generate(request)
    told.costs[name] = None
    if leaves:
        async for event in call:
            if event.HasField("text_delta") or event.HasField("attempt_finished"):
                break
        call.cancel()
        return
    outcome = await outcome_of(call)
    if outcome.summary is not None:
        told.costs[name] = outcome.summary.cost.total_nano_usd


# A server that is killed: forked from a process that has everything loaded, so that a start costs milliseconds.
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


def _live(base_url: str, folder: Path, told: Connection) -> None:
    asyncio.run(_serve(base_url, folder, told))


async def _serve(base_url: str, folder: Path, told: Connection) -> None:
    environ = variables(base_url)
    # Its last line may be cut in the middle, so it says nothing.
    configure_logging("error", stream=io.StringIO())
    async with app.build(configured(recording_in(folder))(environ), environ) as built:
        told.send(f"127.0.0.1:{await built.listener.start()}")
        await asyncio.Event().wait()


@scenario(
    "kills under load", "no call of the journal without a row; no row lost or left open; sums equal"
)
async def kills_under_load(tally: Tally) -> None:
    with a_folder() as folder:
        async with Simulator({"rules": RULES}) as simulator:
            for number in tally.times(200):
                with tally.run(f"kill {number}"):
                    await _kill_once(tally, simulator, folder, number)
            calls = len(simulator.journal.messages)
        books = await Books.read(folder)
    orphans = sum(call["state"] == "ORPHANED" for call in books.calls)
    tally.detail = (
        f"{calls:,} calls journalled, {len(books.calls):,} rows, {orphans:,} of them orphans"
    )


async def _kill_once(tally: Tally, simulator: Simulator, folder: Path, number: int) -> None:
    receiving, sending = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_live, args=(simulator.base_url, folder, sending), daemon=True)
    await asyncio.to_thread(process.start)
    sending.close()
    assert await asyncio.to_thread(receiving.poll, 30), "the server does not start"
    endpoint = receiving.recv()
    told = Told()
    try:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_ask_until_killed(endpoint, told, number))
            await asyncio.sleep(tally.chance.uniform(0.02, 0.25))
            process.kill()
            await asyncio.to_thread(process.join)
            asking.cancel()
    finally:
        process.kill()
        receiving.close()
    await simulator.journal.settled()
    books = await Books.read(folder)
    _check_killed(books, simulator.journal.messages, told)


def _check_killed(books: Books, entries: Sequence[Entry], told: Told) -> None:
    assert not books.faults, books.faults
    states = {call["state"] for call in books.calls}
    assert states <= {"SETTLED", "ESTIMATED", "FAILED_UNBILLED", "ORPHANED"}, states
    settled = [call for call in books.calls if call["state"] != "ORPHANED"]
    orphans = len(books.calls) - len(settled)
    # Each call is tried once here, so what is not settled is an orphan's.
    unsettled = len(entries) - sum(call["tries"] or 0 for call in settled)
    assert 0 <= unsettled <= orphans, f"{unsettled} calls without a row, {orphans} orphans"
    named = {call["response_id"] for call in settled if call["response_id"]}
    assert named <= {entry.message_id for entry in entries}
    costs = {row["request_id"]: row["cost_nano_usd"] for row in books.requests}
    for name, cost in told.costs.items():
        assert name in costs, f"{name} was answered and has no row"
        # What was answered and not yet recorded is charged at its worst case.
        assert costs[name] >= (cost or 0), f"{name} was told {cost}, charged {costs[name]}"


async def _ask_until_killed(endpoint: str, told: Told, number: int) -> None:
    async with grpc.aio.insecure_channel(endpoint) as channel:
        stub: Any = router_pb2_grpc.RouterServiceStub(channel)

        async def client(name: str) -> None:
            for count in range(1_000_000):
                request = a_request(f"{PROMPT} {name} {count}", request_id=f"{name}-{count}")
                outcome = await outcome_of(stub.Generate(request))
                if outcome.status != "OK":
                    return
                assert outcome.summary is not None
                told.costs[request.request_id] = outcome.summary.cost.total_nano_usd

        async with asyncio.TaskGroup() as tasks:
            for worker in range(AT_ONCE):
                tasks.create_task(client(f"{number}-{worker}"))
