"""Whose answers are remembered for whom: never another's, never lost once told, and what is done without the store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import grpc
import psycopg
import pytest

from tests.integration.test_keys import bearer, generate, stored
from tests.postgres import Cluster, postgres
from tests.programs import running
from tests.serving import Outcome, a_request, configured, outcome_of, serving, variables
from tests.unit.access.records import a_key
from tierwise.v1 import router_pb2_grpc
from tierwise_server.ledger.tables import remembered
from tierwise_server.simulator import Simulator

__all__ = ["postgres"]

TEXT: Final = "Where is my parcel?"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "memory":
        return {"url": "memory:"}
    values = {"directory": str(tmp_path / "data")}
    if request.param == "postgres":
        cluster: Cluster = request.getfixturevalue("postgres")
        values["url"] = cluster.space()
    return values


durable = pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)


def answering(*words: str, **fields: Any) -> dict[str, Any]:
    """An upstream that answers each word once, and then no more."""
    return {"rules": [{"answer": word, "times": 1, **fields} for word in words]}


def text_of(outcome: Outcome) -> str:
    return "".join(message.text_delta.text for message in outcome.messages)


async def test_nobody_is_told_what_another_key_or_tenant_was_answered(
    ledger: dict[str, str],
) -> None:
    owners = {
        "acme's": a_key(tenant="acme"),
        "acme's other": a_key(tenant="acme"),
        "globex's": a_key(tenant="globex"),
    }
    store = await stored(*(key for _, key in owners.values()))
    config = configured({"auth": {"mode": "required"}, "ledger": ledger})
    request = a_request(TEXT, request_id="r-1")
    async with serving(answering(*owners), config, keys=store) as served:
        firsts = {
            owner: await generate(served, bearer(secret), request)
            for owner, (secret, _) in owners.items()
        }
        assert len(served.simulator.journal) == len(owners)
        for owner, (secret, _) in owners.items():
            again = await generate(served, bearer(secret), request)
            assert (firsts[owner].status, text_of(firsts[owner])) == ("OK", owner)
            assert "x-tierwise-replayed" not in firsts[owner].trailers
            assert again.trailers["x-tierwise-replayed"] == "true"
            assert again.messages == firsts[owner].messages
        assert len(served.simulator.journal) == len(owners)


async def test_nobody_is_told_that_another_key_or_tenant_has_the_id(
    ledger: dict[str, str],
) -> None:
    """Neither that it runs, nor that it stands for something else."""
    (mine, key), (beside, other), (theirs, third) = (
        a_key(tenant="acme"),
        a_key(tenant="acme"),
        a_key(tenant="globex"),
    )
    store = await stored(key, other, third)
    config = configured({"auth": {"mode": "required"}, "ledger": ledger})
    slow = {"rules": [{"chunks": ["word "] * 100, "delta_interval_s": 0.05, "times": 1}, {}]}
    async with serving(slow, config, keys=store) as served:
        call = served.stub.Generate(a_request(TEXT, request_id="r-1"), metadata=bearer(mine))
        await call.read()
        for secret in (beside, theirs):
            request = a_request("Something else", request_id="r-1")
            outcome = await generate(served, bearer(secret), request)
            assert (outcome.status, outcome.reason) == ("OK", "")
            assert "x-tierwise-replayed" not in outcome.trailers
        call.cancel()


async def ask(endpoint: str, request_id: str) -> Outcome:
    async with grpc.aio.insecure_channel(endpoint) as channel:
        stub: Any = router_pb2_grpc.RouterServiceStub(channel)
        return await outcome_of(stub.Generate(a_request(TEXT, request_id=request_id)))


@pytest.mark.fault
@durable
async def test_an_answer_that_was_told_outlives_a_server_that_is_killed_at_once(
    ledger: dict[str, str],
) -> None:
    told: dict[str, bytes] = {}
    async with Simulator() as simulator:
        names = variables(simulator.base_url) | in_the_environment(ledger)
        for number in range(5):
            with running("serve", **names) as program:
                endpoint = program.until("serving on ").rpartition(" ")[2]
                async with grpc.aio.insecure_channel(endpoint) as channel:
                    stub: Any = router_pb2_grpc.RouterServiceStub(channel)
                    call = stub.Generate(a_request(TEXT, request_id=f"r-{number}"))
                    async for message in call:
                        if message.HasField("finished"):
                            program.process.kill()
                            told[f"r-{number}"] = message.finished.SerializeToString()
                            break
        asked = len(simulator.journal)
        assert asked == len(told) == 5
        with running("serve", **names) as program:
            endpoint = program.until("serving on ").rpartition(" ")[2]
            for request_id, finished in told.items():
                again = await ask(endpoint, request_id)
                assert again.trailers["x-tierwise-replayed"] == "true"
                assert again.messages[-1].finished.SerializeToString() == finished
        assert len(simulator.journal) == asked


@pytest.mark.fault
async def test_the_ids_of_a_server_that_was_killed_are_free_for_the_next(tmp_path: Path) -> None:
    slow = {"rules": [{"chunks": ["word "] * 100, "delta_interval_s": 0.05, "times": 1}, {}]}
    async with Simulator(slow) as simulator:
        names = variables(simulator.base_url) | in_the_environment({"directory": str(tmp_path)})
        with running("serve", **names) as program:
            endpoint = program.until("serving on ").rpartition(" ")[2]
            async with grpc.aio.insecure_channel(endpoint) as channel:
                stub: Any = router_pb2_grpc.RouterServiceStub(channel)
                call = stub.Generate(a_request(TEXT, request_id="r-1"))
                async for message in call:
                    if message.HasField("text_delta"):
                        break
                program.process.kill()
                program.ended()
        with running("serve", **names) as program:
            endpoint = program.until("serving on ").rpartition(" ")[2]
            assert (await ask(endpoint, "r-1")).status == "OK"


def in_the_environment(ledger: Mapping[str, str]) -> dict[str, str]:
    return {f"TIERWISE_LEDGER__{name.upper()}": value for name, value in ledger.items()}


async def test_the_last_event_waits_until_the_answer_is_durable(tmp_path: Path) -> None:
    """Somebody else writes to the database's file for a while: as long as that lasts, the end is not told."""
    config = configured({"ledger": {"directory": str(tmp_path)}})
    async with serving(answering("one", first_token_delay_s=0.2), config) as served:
        call = served.stub.Generate(a_request(TEXT, request_id="r-1"))
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as other:
            await served.simulator.journal.until(lambda journal: len(journal) == 1)
            other.execute("BEGIN IMMEDIATE")
            messages = []
            try:
                async with asyncio.timeout(1.0):
                    async for message in call:
                        messages.append(message)  # noqa: PERF401 - what came before the time was up
            except TimeoutError:
                pass
            other.rollback()
        assert "".join(message.text_delta.text for message in messages) == "one"
        assert not messages[-1].HasField("finished")


def lose_the_store(ledger: Mapping[str, str]) -> None:
    """Take remembered answers away, and leave the ledger as it is."""
    statement = f"DROP TABLE {remembered.name}"
    if "url" in ledger:
        with psycopg.connect(ledger["url"], autocommit=True) as connection:
            connection.execute(statement.encode())
    else:
        path = Path(ledger["directory"]) / "ledger.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(statement)


@durable
async def test_while_the_store_is_away_a_named_request_is_refused(ledger: dict[str, str]) -> None:
    async with serving(config=configured({"ledger": ledger})) as served:
        lose_the_store(ledger)
        outcome = await outcome_of(served.stub.Generate(a_request(TEXT, request_id="r-1")))
        assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "LEDGER_UNAVAILABLE")
        assert len(served.simulator.journal) == 0
        assert (await outcome_of(served.stub.Generate(a_request(TEXT)))).status == "OK"


@durable
async def test_a_server_may_be_told_to_run_named_requests_without_the_store(
    ledger: dict[str, str],
) -> None:
    config = configured({"ledger": {**ledger, "on_unavailable": "allow"}})
    async with serving(config=config) as served:
        lose_the_store(ledger)
        for count in (1, 2):
            outcome = await outcome_of(served.stub.Generate(a_request(TEXT, request_id="r-1")))
            assert outcome.status == "OK"
            assert "x-tierwise-replayed" not in outcome.trailers
            assert len(served.simulator.journal) == count
