"""Servers on one machine with one PostgreSQL and one data directory: all start, and one cares for what another left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from tests.contract.ledger.wire import Wire, a_wire
from tests.postgres import Cluster, postgres
from tests.programs import Program, running
from tests.serving import a_request, outcome_of, variables
from tierwise.v1 import router_pb2_grpc
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.opening import open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.simulator import Simulator

__all__ = ["postgres"]

DRIP: Final = {"rules": [{"chunks": ["word "] * 10, "delta_interval_s": 0.02}]}


@pytest.fixture
def settings(postgres: Cluster, tmp_path: Path) -> LedgerSettings:
    return LedgerSettings(tmp_path / "data", postgres.space())


@pytest.fixture
async def wire(postgres: Cluster) -> AsyncIterator[Wire]:
    async with a_wire(postgres.port) as wire:
        yield wire


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator(DRIP) as simulator:
        yield simulator


@contextmanager
def serving(
    settings: LedgerSettings, upstream: Simulator, **more: str
) -> Iterator[tuple[Program, str]]:
    names = {
        **variables(upstream.base_url),
        "TIERWISE_LEDGER__URL": settings.url,
        "TIERWISE_LEDGER__DIRECTORY": str(settings.directory),
        "TIERWISE_LEDGER__WRITE_TIMEOUT_S": "0.5",
        **more,
    }
    with running("serve", **names) as program:
        yield program, program.until("serving on ").rpartition(" ")[2]


def waiting(settings: LedgerSettings) -> list[Path]:
    """The emergency files in which something waits."""
    files = settings.directory.glob("ledger-emergency-*")
    return [path for path in files if path.read_bytes().strip(b"\0")]


async def until_waiting(settings: LedgerSettings, count: int) -> None:
    async with asyncio.timeout(20):
        while len(waiting(settings)) != count:  # noqa: ASYNC110 - it is another program's
            await asyncio.sleep(0.02)


@pytest.mark.fault
async def test_what_a_killed_server_could_not_record_is_recorded_by_the_next_beside_a_living_one(
    settings: LedgerSettings, wire: Wire, postgres: Cluster, upstream: Simulator
) -> None:
    cut_off = replace(settings, url=settings.url.replace(f":{postgres.port}/", f":{wire.port}/"))
    with ExitStack() as stack:

        async def started() -> tuple[Program, str]:
            # Apart, because the wire is served here.
            return await asyncio.to_thread(stack.enter_context, serving(cut_off, upstream))

        doomed, endpoint = await started()
        living, _ = await started()
        async with grpc.aio.insecure_channel(endpoint) as channel:
            stub: Any = router_pb2_grpc.RouterServiceStub(channel)
            call = stub.Generate(a_request(request_id="r-1"))
            await upstream.journal.until(lambda journal: len(journal) == 1)
            wire.go_silent()
            await outcome_of(call)
            await until_waiting(settings, 1)
        doomed.process.kill()
        doomed.ended()
        wire.mend()
        next_one, _ = await started()
        await until_waiting(settings, 0)
        async with open_reader(settings) as reader:
            (run,) = await reader.find("", "r-1")
            assert [row.state for row in run.calls] == [RowState.SETTLED]
            assert run.cost_nano_usd
            assert await reader.audit() == ()
        for program in (living, next_one):
            program.process.terminate()
            assert await asyncio.to_thread(program.ended) == 0
    assert list(settings.directory.glob("ledger-emergency-*")) == []


@pytest.mark.fault
async def test_several_servers_share_a_port_and_a_data_directory(
    settings: LedgerSettings, upstream: Simulator
) -> None:
    with ExitStack() as stack:
        _, endpoint = stack.enter_context(
            serving(settings, upstream, TIERWISE_SERVER__REUSE_PORT="1")
        )
        more = {"TIERWISE_SERVER__LISTEN": endpoint, "TIERWISE_SERVER__REUSE_PORT": "1"}
        for _ in range(2):
            stack.enter_context(serving(settings, upstream, **more))
        assert len(list(settings.directory.glob("ledger-emergency-*"))) == 3
        for _ in range(12):
            # A connection of its own, so that the system chooses a server again.
            options = (("grpc.use_local_subchannel_pool", 1),)
            async with grpc.aio.insecure_channel(endpoint, options) as channel:
                stub: Any = router_pb2_grpc.RouterServiceStub(channel)
                assert (await outcome_of(stub.Generate(a_request()))).status == "OK"
