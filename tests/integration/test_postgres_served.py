"""Whole servers on one PostgreSQL: a budget that both spend from, and what one's death leaves to the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import psycopg
import pytest

from tests.postgres import Cluster, postgres
from tests.programs import Program, running, simulating
from tests.serving import Outcome, Served, a_request, configured, outcome_of, serving, variables
from tests.unit.access.records import a_key
from tierwise.v1 import router_pb2_grpc, routing_pb2
from tierwise_server.access.entries import Allowance
from tierwise_server.access.opening import open_keys
from tierwise_server.core.estimate import prompt_tokens, worst_case_nano_usd
from tierwise_server.core.model import Message, Prompt, Role
from tierwise_server.ledger.base import LedgerReader
from tierwise_server.ledger.entries import RequestAccount, RowState
from tierwise_server.ledger.opening import open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery

__all__ = ["postgres"]

PROMPT: Final = "Where is my parcel?"
OUTPUT_TOKENS: Final = 100
GENERATION: Final = routing_pb2.GenerationOptions(max_output_tokens=OUTPUT_TOKENS)
RACERS: Final = 64
PAID: Final = 10


@pytest.fixture
def settings(postgres: Cluster, tmp_path: Path) -> LedgerSettings:
    return LedgerSettings(tmp_path / "reader", postgres.space())


@asynccontextmanager
async def server(
    settings: LedgerSettings, folder: Path, rule: dict[str, Any], mode: str = "auto"
) -> AsyncIterator[Served]:
    ledger = {"directory": str(folder), "url": settings.url}
    config = configured({"auth": {"mode": mode}, "ledger": ledger})
    async with serving({"rules": [rule]}, config) as served:
        yield served


async def the_only(reader: LedgerReader, tenant: str, request_id: str) -> RequestAccount:
    (run,) = await reader.find(tenant, request_id)
    return run


def the_most() -> tuple[int, int]:
    """What the answer to PROMPT may use and cost at the most: its input tokens, and nano-USD."""
    config = configured()(variables("http://127.0.0.1:1"))
    model = config.routing_table().tiers[0].model
    tokens = prompt_tokens(Prompt("", (Message(Role.USER, (PROMPT,)),)), model)
    nano_usd = worst_case_nano_usd(
        config.price_book(), model, input_tokens=tokens, max_output_tokens=OUTPUT_TOKENS
    )
    assert nano_usd is not None
    return tokens, nano_usd


async def ask(served: Served, secret: str, number: int) -> tuple[str, Outcome]:
    request = a_request(PROMPT, request_id=f"r-{number}", generation=GENERATION)
    metadata = (("authorization", f"Bearer {secret}"),)
    outcome = await outcome_of(served.stub.Generate(request, metadata=metadata))
    return request.request_id, outcome


async def race(pairs: Sequence[tuple[Served, str]]) -> dict[str, Outcome]:
    """Let RACERS calls race over the servers, each with its secret; by request id."""
    async with asyncio.TaskGroup() as racing:
        calls = [racing.create_task(ask(*pairs[n % len(pairs)], n)) for n in range(RACERS)]
    return dict(call.result() for call in calls)


async def check_race(
    reader: LedgerReader, tenant: str, outcomes: Mapping[str, Outcome], most: int
) -> None:
    paid = {name: told for name, told in outcomes.items() if told.status == "OK"}
    refused = {told.reason for name, told in outcomes.items() if name not in paid}
    assert (len(paid), refused) == (PAID, {"BUDGET_EXCEEDED"})
    for name, told in paid.items():
        run = await the_only(reader, tenant, name)
        assert told.summary is not None
        assert run.cost_nano_usd == told.summary.cost.total_nano_usd == most
        assert states(run) == [RowState.SETTLED]
    (spent,) = await reader.spend(SpendQuery(tenant=tenant))
    assert (spent.cost_nano_usd, spent.calls, spent.open_calls) == (PAID * most, PAID, 0)


async def test_a_budget_that_two_servers_race_for_is_spent_to_the_last_cent_and_no_further(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    """Every call costs all that it may, so the budget is for ten calls, and for one nano-dollar less than eleven."""
    input_tokens, most = the_most()
    usage = {"input_tokens": input_tokens, "output_tokens": OUTPUT_TOKENS}
    rule = {"chunks": ["one"], "first_token_delay_s": 0.5, "usage": usage}
    tenants = {f"tenant-{n}": [a_key(tenant=f"tenant-{n}") for _ in range(2)] for n in range(4)}
    async with open_keys(settings) as store:
        for tenant, keys in tenants.items():
            await store.allow(tenant, Allowance(month_nano_usd=PAID * most + most - 1))
            for _, key in keys:
                await store.add(key)
    raced = {}
    async with (
        server(settings, tmp_path / "a", rule, "required") as one,
        server(settings, tmp_path / "b", rule, "required") as other,
    ):
        for tenant, ((mine, _), (yours, _)) in tenants.items():
            raced[tenant] = await race([(one, mine), (other, yours)])
    async with open_reader(settings) as reader:
        for tenant, outcomes in raced.items():
            await check_race(reader, tenant, outcomes, most)
        assert await reader.audit() == ()


def states(run: RequestAccount) -> list[RowState]:
    return [row.state for row in run.calls]


DRIP: Final[dict[str, Any]] = {"chunks": ["word "] * 300, "delta_interval_s": 0.05}
"""Longer than a server takes to notice that another one is dead: a third of a lease."""


@contextmanager
def a_program(settings: LedgerSettings, folder: Path) -> Iterator[tuple[Program, str]]:
    """A server that can be killed."""
    folder.mkdir()
    script = folder / "script.json"
    script.write_text(json.dumps({"rules": [DRIP]}))
    with simulating("--script", str(script)) as upstream:
        names = {
            **variables(upstream),
            "TIERWISE_LEDGER__URL": settings.url,
            "TIERWISE_LEDGER__DIRECTORY": str(folder / "data"),
        }
        with running("serve", **names) as program:
            yield program, program.until("serving on ").rpartition(" ")[2]


async def begun(stub: Any, request_id: str) -> Any:
    """A call whose text has begun to come."""
    call = stub.Generate(a_request(PROMPT, request_id=request_id))
    async for message in call:
        if message.HasField("text_delta"):
            return call
    raise AssertionError("there is no text")


def end_the_lease(settings: LedgerSettings, request_id: str) -> None:
    """Let the lease of a request's server be over, as it is when it has not been heard of for long enough."""
    with psycopg.connect(settings.url, autocommit=True) as connection:
        ended = connection.execute(
            "UPDATE ledger_owner SET expires_at_s = extract(epoch FROM now()) - 1 "
            "WHERE owner = (SELECT owner FROM ledger_request WHERE request_id = %s)",
            (request_id,),
        )
        assert ended.rowcount == 1


@pytest.mark.fault
async def test_the_calls_of_a_server_that_is_killed_are_given_up_and_those_of_another_go_on(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    async with server(settings, tmp_path / "b", DRIP) as survivor, open_reader(settings) as reader:
        with a_program(settings, tmp_path / "a") as (program, endpoint):
            async with grpc.aio.insecure_channel(endpoint) as channel:
                stub: Any = router_pb2_grpc.RouterServiceStub(channel)
                doomed = await begun(stub, "doomed")
                living = await begun(survivor.stub, "living")
                program.process.kill()
                assert (await outcome_of(doomed)).status == "UNAVAILABLE"
        # Who may only have been cut off keeps its rows for as long as its lease lasts.
        assert states(await the_only(reader, "", "doomed")) == [RowState.RESERVED]
        end_the_lease(settings, "doomed")
        async with asyncio.timeout(14):
            while states(await the_only(reader, "", "doomed")) == [RowState.RESERVED]:  # noqa: ASYNC110 - it does not tell
                await asyncio.sleep(0.1)
        assert states(await the_only(reader, "", "living")) == [RowState.RESERVED]
        lost = await the_only(reader, "", "doomed")
        (row,) = lost.calls
        assert (lost.outcome, row.state) == ("ORPHANED", RowState.ORPHANED)
        assert row.charged_nano_usd == row.reservation.worst_case_nano_usd == lost.cost_nano_usd
        told = await outcome_of(living)
        assert (told.status, told.kinds[-1]) == ("OK", "finished")
    async with open_reader(settings) as reader:
        run = await the_only(reader, "", "living")
        assert told.summary is not None
        assert (states(run), run.outcome) == ([RowState.SETTLED], "OK")
        assert run.cost_nano_usd == told.summary.cost.total_nano_usd
        (spent,) = await reader.spend(SpendQuery())
        assert spent.cost_nano_usd == (run.cost_nano_usd or 0) + (lost.cost_nano_usd or 0)
        assert await reader.audit() == ()


@pytest.mark.fault
async def test_a_server_that_is_started_gives_up_at_once_what_a_dead_one_left(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    with a_program(settings, tmp_path / "a") as (program, endpoint):
        async with grpc.aio.insecure_channel(endpoint) as channel:
            stub: Any = router_pb2_grpc.RouterServiceStub(channel)
            doomed = await begun(stub, "doomed")
            program.process.kill()
            assert (await outcome_of(doomed)).status == "UNAVAILABLE"
    end_the_lease(settings, "doomed")
    async with server(settings, tmp_path / "a" / "data", DRIP), open_reader(settings) as reader:
        assert states(await the_only(reader, "", "doomed")) == [RowState.ORPHANED]
        assert await reader.audit() == ()
