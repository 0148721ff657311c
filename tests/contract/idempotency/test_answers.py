"""One contract for remembered answers: in memory, and over several servers in SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.contract.ledger.worlds import Clock
from tests.postgres import Cluster
from tierwise_server.access.opening import open_keys
from tierwise_server.access.sql_worker import SqlWorker
from tierwise_server.errors import InvalidRequest, LedgerUnavailable, Reason, RequestError
from tierwise_server.idempotency.base import AnswerStore, Claim, Place, Room
from tierwise_server.idempotency.memory import MemoryAnswers
from tierwise_server.idempotency.opened import open_answers
from tierwise_server.idempotency.sql import SqlAnswers
from tierwise_server.ledger.opening import database_of
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.tables import remembered
from tierwise_server.ledger.upkeep import Upkeep

PLACE = Place("acme", "key-1", "r-1")
BODY, OTHER = b"b" * 32, b"o" * 32
LEASE_S = 0.6
KEEP_S = 0.5
TENANT_BYTES = 32_000
ANSWER = b"a" * 2_000
"""A sixteenth of a tenant's room, and the smallest that is measured at once."""

Make = Callable[[], AnswerStore]


@asynccontextmanager
async def shared(settings: LedgerSettings, keep_s: float) -> AsyncIterator[Make]:
    async with open_keys(settings), AsyncExitStack() as stack:

        def make() -> AnswerStore:
            answers = SqlAnswers(
                SqlWorker(database_of(settings), 5.0), Room(keep_s, TENANT_BYTES), lease_s=LEASE_S
            )
            stack.push_async_callback(answers.aclose)
            return answers

        yield make


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[float], object]:
    if request.param == "memory":

        @asynccontextmanager
        async def remembering(keep_s: float) -> AsyncIterator[Make]:
            memory = MemoryAnswers(Room(keep_s, TENANT_BYTES))
            yield lambda: memory

        return remembering
    url = ""
    if request.param == "postgres":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.space()
    return lambda keep_s: shared(LedgerSettings(tmp_path, url), keep_s)


async def claimed(store: AnswerStore, place: Place = PLACE, body: bytes = BODY) -> Claim:
    claim = await store.claim(place, body)
    assert isinstance(claim, Claim)
    return claim


async def refused(store: AnswerStore, place: Place = PLACE, body: bytes = BODY) -> Reason:
    with pytest.raises(RequestError) as failure:
        await store.claim(place, body)
    assert (failure.value.reason is Reason.REQUEST_IN_FLIGHT) == bool(failure.value.retry_after_s)
    return failure.value.reason


async def test_a_finished_request_has_its_answer_for_every_server(
    opened: Callable[..., Any],
) -> None:
    async with opened(60.0) as make:
        here, there = make(), make()
        claim = await claimed(here)
        assert await refused(there) is Reason.REQUEST_IN_FLIGHT
        await here.finish(claim, b"answer\0")
        assert await here.claim(PLACE, BODY) == await there.claim(PLACE, BODY) == b"answer\0"


async def test_an_id_stands_for_one_request(opened: Callable[..., Any]) -> None:
    async with opened(60.0) as make:
        store = make()
        claim = await claimed(store)
        assert await refused(store, body=OTHER) is Reason.REQUEST_ID_REUSED
        await store.finish(claim, b"answer")
        with pytest.raises(InvalidRequest) as failure:
            await store.claim(PLACE, OTHER)
        assert failure.value.reason is Reason.REQUEST_ID_REUSED
        assert failure.value.faults[0].path == "request_id"


@pytest.mark.parametrize("part", ["tenant", "key_id", "request_id"])
async def test_another_payer_has_places_of_its_own(part: str, opened: Callable[..., Any]) -> None:
    async with opened(60.0) as make:
        store = make()
        await store.finish(await claimed(store), b"secret")
        await claimed(store, replace(PLACE, **{part: "another"}), OTHER)


async def test_what_has_no_answer_leaves_nothing(opened: Callable[..., Any]) -> None:
    async with opened(60.0) as make:
        store = make()
        store.release(await claimed(store))
        claim = await claimed(store, body=OTHER)
        await store.finish(claim, b"answer")
        store.release(claim)
        assert await store.claim(PLACE, OTHER) == b"answer"


async def test_of_many_at_once_one_runs(opened: Callable[..., Any]) -> None:
    async with opened(60.0) as make:
        servers = [make() for _ in range(4)]

        async def one(store: AnswerStore) -> bool:
            try:
                return isinstance(await store.claim(PLACE, BODY), Claim)
            except RequestError as error:
                return error.reason is not Reason.REQUEST_IN_FLIGHT

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(servers[n % 4])) for n in range(64)]
        assert sum(each.result() for each in running) == 1


async def test_an_answer_is_forgotten_in_time(opened: Callable[..., Any]) -> None:
    async with opened(KEEP_S) as make:
        store = make()
        await store.finish(await claimed(store), b"answer")
        await asyncio.sleep(KEEP_S + 0.1)
        await claimed(store, body=OTHER)


@pytest.mark.parametrize("opened", ["sqlite", "postgres"], indirect=True)
async def test_a_server_that_dies_frees_the_id_and_one_that_lives_does_not(
    opened: Callable[..., Any],
) -> None:
    async with opened(60.0) as make:
        dead, living, third = make(), make(), make()
        await claimed(dead)
        other = replace(PLACE, request_id="r-2")
        async with Upkeep().running(living.keep, "answers"):
            await claimed(living, other)
            await asyncio.sleep(LEASE_S * 2)
            assert await refused(third, other) is Reason.REQUEST_IN_FLIGHT
            await claimed(third)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_a_start_frees_what_only_the_dead_can_have_claimed(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """An embedded store has one server at a time; of a shared one, another server may live."""
    cluster: Cluster | None = request.getfixturevalue("postgres") if store == "postgres" else None
    settings = LedgerSettings(tmp_path, cluster.space() if cluster else "")
    finished = replace(PLACE, request_id="finished")
    async with shared(settings, 60.0) as make:
        dead = make()
        await claimed(dead)
        await dead.finish(await claimed(dead, finished), b"answer")
        async with open_answers(settings, Room(60.0, TENANT_BYTES)) as started:
            assert started is not None
            assert await started.claim(finished, BODY) == b"answer"
            if cluster is None:
                await claimed(started)
            else:
                assert await refused(started) is Reason.REQUEST_IN_FLIGHT


@pytest.mark.parametrize("opened", ["sqlite", "postgres"], indirect=True)
async def test_what_is_over_is_deleted(opened: Callable[..., Any]) -> None:
    async with opened(KEEP_S) as make:
        store = make()
        await store.finish(await claimed(store), b"answer")
        async with Upkeep().running(store.keep, "answers"):
            await asyncio.sleep(KEEP_S + LEASE_S)
        assert isinstance(store, SqlAnswers)
        counting = sa.select(sa.func.count()).select_from(remembered)
        assert await store.worker.run(lambda connection: connection.execute(counting).scalar()) == 0


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 1e9, -1e9])
async def test_a_clock_that_jumps_lets_no_request_run_twice_at_once(
    by_s: float, tmp_path: Path
) -> None:
    clock = Clock()
    settings = LedgerSettings(tmp_path, wall_clock=clock)
    async with shared(settings, 60.0) as make:
        store = make()
        claim = await claimed(store)
        clock.now_s += by_s
        assert await refused(store) is Reason.REQUEST_IN_FLIGHT
        assert await refused(store, body=OTHER) is Reason.REQUEST_ID_REUSED
        await store.finish(claim, b"answer")
        assert await store.claim(PLACE, BODY) == b"answer"
        store.release(await claimed(store, replace(PLACE, request_id="r-2")))
        await claimed(store, replace(PLACE, request_id="r-2"), OTHER)


async def known(store: AnswerStore, places: Sequence[Place]) -> list[bool]:
    """Whether each place has an answer; those that had none are claimed by that."""
    return [isinstance(await store.claim(place, BODY), bytes) for place in places]


def places_of(tenant: str, count: int) -> list[Place]:
    """Places of both keys of a tenant, in turns."""
    return [Place(tenant, f"key-{n % 2}", f"r-{n}") for n in range(count)]


async def test_the_oldest_answers_of_a_tenant_without_room_go_and_nobody_elses(
    opened: Callable[..., Any],
) -> None:
    async with opened(60.0) as make:
        store = make()
        quiet, noisy = places_of("quiet", 3), places_of("noisy", 30)
        running_one = await claimed(store, Place("noisy", "key-0", "runs"))
        for place in quiet:
            await store.finish(await claimed(store, place), ANSWER)
        for place in noisy:
            await store.finish(await claimed(store, place), ANSWER)
        assert await known(store, quiet) == [True] * 3
        assert await known(store, noisy) == [False] * 14 + [True] * 16
        assert await refused(store, running_one.place) is Reason.REQUEST_IN_FLIGHT


@pytest.mark.parametrize("opened", ["sqlite", "postgres"], indirect=True)
async def test_small_answers_are_measured_as_well_if_somewhat_later(
    opened: Callable[..., Any],
) -> None:
    async with opened(60.0) as make:
        store, other = make(), make()
        places = places_of("acme", 17)
        for place in places[:-1]:
            await store.finish(await claimed(store, place), ANSWER)
        # Too little for one server to measure what both wrote.
        await other.finish(await claimed(other, places[-1]), b"small")
        async with Upkeep().running(other.keep, "answers"):
            await asyncio.sleep(LEASE_S)
        assert await known(other, places) == [False] + [True] * 16


async def test_memory_takes_from_who_takes_most() -> None:
    store = MemoryAnswers(Room(60.0, TENANT_BYTES), most_bytes=TENANT_BYTES)
    quiet, noisy = places_of("quiet", 3), places_of("noisy", 16)
    for place in (*quiet, *noisy):
        await store.finish(await claimed(store, place), ANSWER)
    assert await known(store, quiet) == [True] * 3
    assert await known(store, noisy) == [False] * 3 + [True] * 13


async def test_memory_keeps_the_newest_answers() -> None:
    store = MemoryAnswers(Room(60.0, TENANT_BYTES), most_bytes=10)
    for number in range(3):
        place = replace(PLACE, request_id=f"r-{number}")
        await store.finish(await claimed(store, place), b"12345")
    await claimed(store, replace(PLACE, request_id="r-0"))
    assert await store.claim(replace(PLACE, request_id="r-2"), BODY) == b"12345"


async def test_a_store_that_is_away_claims_nothing(tmp_path: Path) -> None:
    settings = LedgerSettings(tmp_path)
    async with open_keys(settings):
        pass
    (tmp_path / "ledger.sqlite3").unlink()
    (tmp_path / "ledger.sqlite3").mkdir()
    store = SqlAnswers(SqlWorker(database_of(settings), 5.0), Room(60.0, 1))
    with pytest.raises(LedgerUnavailable):
        await store.claim(PLACE, BODY)
    await store.aclose()
