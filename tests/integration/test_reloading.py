"""A configuration taken over while the server runs: all of it or nothing, and nobody who is served notices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.programs import Program, running
from tests.serving import KEY, Served, a_request, outcome_of, serving
from tests.unit.ledger.waiting import until
from tests.unit.telemetry.recording import Recording
from tests.web_calls import web_serving
from tierwise.v1 import router_pb2, router_pb2_grpc
from tierwise_server import config
from tierwise_server.app import engine_after
from tierwise_server.engine import Engine
from tierwise_server.ledger.spend import SpendQuery, SpendRow
from tierwise_server.reloading import Reloader
from tierwise_server.rpc.listener import CONFIGURATION
from tierwise_server.simulator import Simulator
from tierwise_server.telemetry import Telemetry, names

ROW = '[[routing.rows]]\ntask_types = ["classify_intent"]\ntier = "{}"\n'
RENAMED = """
[routing]
tiers = ["efficient", "strong"]
profile_rows = false
default = "strong"
[routing.escalation]
cascade = ["efficient", "strong"]
[[routing.rows]]
task_types = ["classify_intent"]
tier = "efficient"
[[tiers]]
name = "strong"
model = "claude-sonnet-4-6"
"""
DEAR_BOOK = "[prices.models.claude-haiku-4-5-20251001]\ninput = {0}\noutput = {0}\n"
HALT_S = 30


@asynccontextmanager
async def reloadable(
    path: Path, script: Any = None, *, web: bool = False
) -> AsyncIterator[tuple[Served, Reloader]]:
    """A server whose configuration is a file that can be read again."""
    seen: dict[str, str] = {}

    def configured(environ: Mapping[str, str]) -> config.Config:
        seen.update(environ)
        return config.load(path, seen)

    if web:
        async with web_serving(script, configured) as (served, _):
            yield served, served.app.reloader(config.Source(path, seen))
    else:
        async with serving(script, configured) as served:
            yield served, served.app.reloader(config.Source(path, seen))


def reloader_of(
    served: Served,
    path: Path,
    *,
    telemetry: Telemetry | None = None,
    engine_of: Callable[[Engine, config.Config], Engine] = engine_after,
) -> Reloader:
    """Make what reloads a server's configuration, with parts of its own."""
    return Reloader(
        config.Source(path, {"ANTHROPIC_API_KEY": KEY}),
        served.app.config,
        service=served.app.service,
        listener=served.app.listener,
        telemetry=telemetry or served.app.telemetry,
        engine_of=engine_of,
        certify=lambda _: None,
    )


async def tier_of(served: Served) -> str:
    response = await served.stub.Route(router_pb2.RouteRequest(task_type="classify_intent"))
    return str(response.decision.tier)


async def health_of(channel: grpc.aio.Channel, name: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=name))).status)


async def test_a_new_table_is_for_the_next_request_and_the_running_one_keeps_its_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text(ROW.format("efficient"))
    drip = {"rules": [{"chunks": ["word "] * 30, "delta_interval_s": 0.02}]}
    async with reloadable(path, drip) as (served, reloader):
        before = served.app.engine.table.version
        call = served.stub.Generate(a_request())
        await served.simulator.journal.until(lambda journal: len(journal) > 0)
        path.write_text(ROW.format("frontier"))
        assert await reloader.reload()
        assert await tier_of(served) == "frontier"
        after = served.app.engine.table.version
        assert after != before
        outcome = await outcome_of(call)
        assert outcome.messages[0].started.decision.table_version == before
        assert outcome.summary is not None
        assert outcome.summary.table_version == before
        assert outcome.summary.tier == "efficient"


PIPE = "a pipe in place of a file"
BAD = {
    "syntax": "[routing\n",
    "an unknown model": '[[tiers]]\nname = "efficient"\nmodel = "claude-none"\n',
    "an unknown key": "[server]\nlisten_on = 1\n",
    "an unknown tier": ROW.format("none"),
    "nothing at all": "",
    "white space": " \n\n",
    "a missing price book": '[prices]\nfile = "none.toml"\n',
    "a faulty certificate": '[server.tls]\ncert_file = "none.pem"\nkey_file = "none.pem"\n',
    "a key of too many parts": "a." * 3000 + "b = 1\n",
    "lists without end": "a = " + "[" * 100 + "]" * 100 + "\n",
    "tables without end": "a = " + "{b = " * 100 + "1" + "}" * 100 + "\n",
    "a pipe": PIPE,
}


def put(path: Path, text: str) -> None:
    """Put a text in the place of a file, or a pipe that nobody writes to."""
    path.unlink(missing_ok=True)
    if text is PIPE:
        os.mkfifo(path)
    else:
        path.write_text(text)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
async def test_a_bad_file_changes_nothing_and_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text(ROW.format("frontier"))
    async with reloadable(path) as (served, reloader):
        engine = served.app.engine
        put(path, text)
        async with asyncio.timeout(HALT_S):
            assert not await reloader.reload()
        assert served.app.engine is engine
        assert await tier_of(served) == "frontier"
        serving_, not_serving = (
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        )
        assert await health_of(served.channel, CONFIGURATION) == not_serving
        assert await health_of(served.channel, "") == serving_
        put(path, ROW.format("efficient"))
        assert await reloader.reload()
        assert await health_of(served.channel, CONFIGURATION) == serving_


async def test_what_breaks_a_reload_in_any_other_way_is_refused_and_told(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text(ROW.format("frontier"))

    def deep(_: Engine, __: config.Config) -> Engine:
        raise RecursionError("deep")

    async with reloadable(path) as (served, _):
        engine = served.app.engine
        reloader = reloader_of(served, path, engine_of=deep)
        with structlog.testing.capture_logs() as logs:
            assert not await reloader.reload()
        assert served.app.engine is engine
        (told,) = (line for line in logs if line["event"] == "reload_failed")
        assert told["faults"] == [f"{path}: cannot be taken over: RecursionError"]
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        assert await health_of(served.channel, CONFIGURATION) == not_serving


async def test_costs_are_compared_with_the_baseline_of_the_table_in_force(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    ledger = f'[ledger]\ndirectory = "{tmp_path}"\n'

    async def baseline_of_one_request(served: Served) -> int:
        keeping = served.app.keeping
        assert keeping is not None
        assert keeping.keeper is not None
        assert keeping.ledger is not None
        (before,) = await keeping.ledger.spend(SpendQuery()) or (SpendRow(()),)
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
        keeper = keeping.keeper
        await until(lambda: not keeper.waiting)
        (after,) = await keeping.ledger.spend(SpendQuery())
        assert after.answered == before.answered + 1
        assert after.uncompared == 0
        return after.frontier_only_nano_usd - before.frontier_only_nano_usd

    path.write_text(ledger)
    async with reloadable(path) as (served, reloader):
        frontier = await baseline_of_one_request(served)
        path.write_text(f'{ledger}[routing.default]\ntier = "reasoning"\n')
        assert await reloader.reload()
        reasoning = await baseline_of_one_request(served)
        path.write_text(ledger + RENAMED)
        assert await reloader.reload()
        assert await baseline_of_one_request(served) == frontier
    assert 0 < frontier < reasoning


async def test_every_reload_is_counted_by_how_it_went(tmp_path: Path) -> None:
    path, recording = tmp_path / "tierwise.toml", Recording()
    path.write_text(ROW.format("frontier"))
    async with reloadable(path) as (served, _):
        reloader = reloader_of(served, path, telemetry=recording.telemetry)
        for text in (ROW.format("efficient"), "[broken", "[broken", ROW.format("frontier")):
            put(path, text)
            await reloader.reload()
        await reloader_of(served, path, telemetry=recording.telemetry).reload()
    (age,) = recording.metrics()["tierwise.table.age"]
    assert age[0] == {names.TABLE_VERSION: served.app.engine.table.version}
    counted = {
        str(labels.get("error.type")): n for labels, n in recording.metrics()["tierwise.reloads"]
    }
    assert counted == {"None": 3, "INVALID_CONFIGURATION": 2}


def test_a_file_is_taken_when_it_was_left_alone_between_two_looks() -> None:
    path = Path("tierwise.toml")
    watched = config.Watched({path: "old"})
    assert not watched.settled({path: "old"})
    for half in ("n", "ne", "new"):
        assert not watched.settled({path: half})
    assert watched.settled({path: "new"})
    watched.taken({path: "new"})
    assert not watched.settled({path: "new"})
    # It changed again while it was read.
    assert not watched.settled({path: "newer"})
    assert watched.settled({path: "newer"})


async def test_no_request_under_load_sees_parts_of_two_configurations(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    texts = [DEAR_BOOK.format(7) + ROW.format("efficient"), ROW.format("frontier")]
    path.write_text(texts[0])
    seen: set[tuple[str, str, str]] = set()
    async with reloadable(path) as (served, reloader):

        async def ask() -> None:
            while not over.is_set():
                outcome = await outcome_of(served.stub.Generate(a_request()))
                assert outcome.status == "OK"
                summary = outcome.summary
                assert summary is not None
                book = summary.calls[0].cost.price_book_version
                seen.add((summary.table_version, summary.tier, book))

        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask())
            for turn in range(40):
                path.write_text(texts[turn % 2] if turn % 5 else "[broken")
                assert await reloader.reload() == bool(turn % 5)
            over.set()
    assert len({version for version, _, _ in seen}) == len(seen) == 2


async def test_what_waits_for_a_restart_is_named_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text(ROW.format("frontier"))
    environ = {"ANTHROPIC_API_KEY": KEY}
    running_config = config.load(path, environ)
    path.write_text(
        '[server]\nlisten = "127.0.0.1:1"\nheartbeat_s = 3\nmax_concurrent_requests = 1\n'
        "[upstream]\nidle_timeout_s = 7\n[upstream.retry]\nmax_tries = 1\n"
        '[server.tls]\ncert_file = "a.pem"\nkey_file = "b.pem"\n'
    )
    new = config.Config.model_validate(
        {
            "server": {
                "listen": "127.0.0.1:1",
                "heartbeat_s": 3,
                "max_concurrent_requests": 1,
                "tls": {"cert_file": "a.pem", "key_file": "b.pem"},
            },
            "upstream": {"idle_timeout_s": 7, "retry": {"max_tries": 1}},
        }
    )
    assert config.waiting_for_restart(running_config, new) == (
        "server.listen",
        "upstream.idle_timeout_s",
        "upstream.retry.max_tries",
        "server.tls.cert_file",
        "server.tls.key_file",
    )


async def test_limits_of_requests_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text("[server]\nmax_concurrent_requests = 5\n")
    async with reloadable(path) as (served, reloader):
        path.write_text("[server]\nmax_concurrent_requests = 7\nheartbeat_s = 3\n")
        assert await reloader.reload()
        assert served.app.service.admission.places == 7
        assert served.app.service.heartbeat_s == 3


# The program itself.

BROKEN = ("[broken\n", "a." * 3000 + "b = 1\n", PIPE)
BETTER = '[server]\nlisten = "127.0.0.1:9"\n' + ROW.format("frontier")


@contextlib.contextmanager
def program(path: Path, base_url: str, **variables: str) -> Iterator[tuple[Program, str]]:
    extra = {
        "ANTHROPIC_API_KEY": KEY,
        "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
        "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": base_url,
        **variables,
    }
    with running("serve", "--config", str(path), **extra) as server:
        yield server, server.until("serving on").rpartition(" ")[2]


async def changed_by(path: Path, act: Callable[[Program], None], **variables: str) -> list[str]:
    """Run a server, have it reload bad files and then a good one; return what it said of each."""
    path.write_text(ROW.format("efficient"))  # noqa: ASYNC240 - nobody waits for this loop
    async with Simulator() as simulator:
        with program(path, simulator.base_url, **variables) as (server, endpoint):
            said = []
            bad = [(text, "reload_failed") for text in BROKEN]
            for text, event in (*bad, (BETTER, '"reloaded"')):
                put(path, text)
                act(server)
                said.append(await asyncio.to_thread(server.until, event))
            async with grpc.aio.insecure_channel(endpoint) as channel:
                stub = router_pb2_grpc.RouterServiceStub(channel)
                request = router_pb2.RouteRequest(task_type="classify_intent")
                assert (await stub.Route(request)).decision.tier == "frontier"
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.ended) == 0
    return said


async def test_sighup_has_the_file_read_again(tmp_path: Path) -> None:
    said = await changed_by(
        tmp_path / "tierwise.toml",
        lambda server: server.process.send_signal(signal.SIGHUP),
        TIERWISE_SERVER__WATCH_FILES_S="0",
        TIERWISE_SERVER__DRAIN_DELAY_S="0",
    )
    assert "is not TOML" in said[0]
    # The variable of the environment stands over the file, before and after.
    assert '"needs_restart":[]' in said[-1]


async def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    await changed_by(
        tmp_path / "tierwise.toml",
        lambda _: None,
        TIERWISE_SERVER__WATCH_FILES_S="0.05",
        TIERWISE_SERVER__DRAIN_DELAY_S="0",
    )
