"""The web port: what it adds to the calls that it shares with the gRPC port, and what it keeps out."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import aiohttp
import pytest

from tests.programs import environment, running, simulating
from tests.serving import a_request, configured, variables
from tests.web_calls import (
    SERVICE,
    generating_over_connect,
    outcome_over_connect,
    outcome_over_grpc_web,
    web_serving,
)
from tierwise.v1 import router_pb2
from tierwise_server.errors import ConfigurationError
from tierwise_server.rpc import web_listener

SLOW_DRIP: dict[str, Any] = {"chunks": ["word "] * 200, "delta_interval_s": 0.02}
APP = "https://app.example"
EVIL = "https://evil.example"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
}


async def routed(session: aiohttp.ClientSession, **headers: Any) -> int:
    """Ask Route; return the HTTP status."""
    async with session.post(f"{SERVICE}/Route", json={}, **headers) as response:
        return response.status


async def test_a_stream_over_grpc_web_is_whole() -> None:
    async with web_serving() as (_, session):
        outcome = await outcome_over_grpc_web(session, a_request(request_id="r-1"))
    assert outcome.status == "OK"
    assert outcome.kinds[0] == "started"
    assert outcome.kinds[-1] == "finished"
    assert outcome.trailers["x-request-id"] == "r-1"


async def test_an_error_over_grpc_web_has_its_details() -> None:
    async with web_serving() as (_, session):
        outcome = await outcome_over_grpc_web(session, router_pb2.GenerateRequest())
    assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert [v.field for bad in outcome.all_of("BadRequest") for v in bad.field_violations] == [
        "messages"
    ]


async def test_route_can_be_asked_by_get() -> None:
    query = {"connect": "v1", "encoding": "json", "message": '{"taskType": "answer_faq"}'}
    async with web_serving() as (_, session):
        async with session.get(f"{SERVICE}/Route", params=query) as response:
            assert (await response.json())["decision"]["tier"] == "efficient"
        async with session.get(f"{SERVICE}/Generate", params=query) as response:
            assert response.status == 405


@pytest.mark.parametrize("body", ["{", '{"taskTyp": "x"}', '{"messages": 5}', "\udcff"])
async def test_json_that_is_no_request_is_refused_with_the_reason(body: str) -> None:
    headers = {"content-type": "application/json"}
    async with web_serving() as (served, session):
        data = body.encode("utf-8", "surrogateescape")
        async with session.post(f"{SERVICE}/Route", data=data, headers=headers) as response:
            said = await response.json()
    assert (response.status, said["code"]) == (400, "invalid_argument")
    assert said["message"].startswith("the request is not a valid tierwise.v1.RouteRequest")
    assert {detail["type"] for detail in said["details"]} == {
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    }
    [span] = served.spans.spans()
    assert span.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"


async def test_a_caller_that_leaves_closes_the_upstream() -> None:
    async with web_serving({"rules": [SLOW_DRIP]}) as (served, session):
        async with generating_over_connect(session, a_request()) as stream:
            async for _, data in stream:
                if b"textDelta" in data:
                    break
        async with asyncio.timeout(10):
            await served.simulator.journal.settled()
            while len(served.spans.spans()) < 3:  # noqa: ASYNC110 - spans end without telling
                await asyncio.sleep(0.001)
    assert [entry.outcome for entry in served.simulator.journal] == ["client_left"]
    [server] = [span for span in served.spans.spans() if span.kind == "SERVER"]
    assert server.attributes["rpc.response.status_code"] == "CANCELLED"


async def test_the_deadline_ends_the_upstream_call() -> None:
    async with web_serving({"rules": [{"first_token_delay_s": 30.0}]}) as (served, session):
        asked = generating_over_connect(session, a_request(), timeout_s=0.3)
        async with asked as stream:
            outcome = await outcome_over_connect(stream)
        assert outcome.status == "DEADLINE_EXCEEDED"
        await served.simulator.journal.settled()
        assert [entry.outcome for entry in served.simulator.journal] == ["client_left"]


async def test_the_trace_of_the_caller_goes_on() -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    async with web_serving() as (served, session):
        assert await routed(session, headers=headers) == 200
    [span] = served.spans.spans()
    assert span.trace_id == trace_id
    assert span.attributes["network.peer.address"] == "127.0.0.1"


async def test_pages_of_other_origins_are_kept_out_by_default() -> None:
    async with web_serving() as (_, session):
        headers = {"origin": EVIL, **PREFLIGHT}
        async with session.options(f"{SERVICE}/Generate", headers=headers) as response:
            assert response.status >= 400
        async with session.post(f"{SERVICE}/Route", json={}, headers=headers) as answer:
            assert not [name for name in answer.headers if name.lower().startswith("access-c")]


async def test_pages_of_named_origins_may_call() -> None:
    async with web_serving(web={"allowed_origins": (APP,)}) as (_, session):
        asked = {"origin": APP, **PREFLIGHT}
        async with session.options(f"{SERVICE}/Generate", headers=asked) as response:
            assert response.status == 200
            assert response.headers["access-control-allow-origin"] == APP
        async with session.options(f"{SERVICE}/Route", headers={**asked, "origin": EVIL}) as other:
            assert "access-control-allow-origin" not in other.headers
        async with session.post(f"{SERVICE}/Route", json={}, headers={"origin": APP}) as answer:
            assert answer.headers["access-control-allow-origin"] == APP
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("hosts", "host", "status"),
    [
        ((), "localhost:1", 200),
        ((), "evil.example", 400),
        (("router.example",), "router.example", 200),
        (("router.example",), "localhost", 400),
    ],
)
async def test_a_loopback_port_answers_to_its_own_names_alone(
    hosts: tuple[str, ...], host: str, status: int
) -> None:
    async with web_serving(web={"hosts": hosts}) as (_, session):
        headers = {"host": host}
        async with session.post(f"{SERVICE}/Route", json={}, headers=headers) as response:
            assert response.status == status


async def test_a_request_that_is_too_long_is_refused() -> None:
    config = configured({"server": {"max_message_bytes": 65_536}})
    async with web_serving(None, config) as (served, session):
        body = {"system": "x" * 70_000}
        async with session.post(f"{SERVICE}/Route", json=body) as response:
            assert (await response.json())["code"] == "resource_exhausted"
        assert not served.spans.spans()


async def test_a_call_that_runs_may_finish_and_no_other_begins() -> None:
    config = configured({"server": {"drain_delay_s": 0.0, "drain_grace_s": 30.0}})
    rules = [{"chunks": ["word "] * 20, "delta_interval_s": 0.02}]
    async with web_serving({"rules": rules}, config) as (served, session):
        assert served.app.web is not None
        asked = generating_over_connect(session, a_request())
        async with asked as stream, asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(served.app.web.drain())
            assert (await outcome_over_connect(stream)).status == "OK"
            await draining
        with pytest.raises(aiohttp.ClientConnectionError):
            await routed(session)


async def test_a_call_that_outlives_the_grace_is_told_why_and_what_it_cost() -> None:
    config = configured({"server": {"drain_delay_s": 0.0, "drain_grace_s": 0.2}})
    rules = [{"chunks": ["word "] * 500, "delta_interval_s": 0.02}]
    async with web_serving({"rules": rules}, config) as (served, session):
        assert served.app.web is not None
        asked = generating_over_connect(session, a_request())
        async with asyncio.timeout(10), asked as stream, asyncio.TaskGroup() as tasks:
            for port in (served.app.listener, served.app.web):
                tasks.create_task(port.drain())
            outcome = await outcome_over_connect(stream)
        assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
        assert outcome.all_of("RetryInfo")
        assert outcome.summary is not None


async def test_a_call_is_cancelled_when_the_server_is_in_a_hurry() -> None:
    async with web_serving({"rules": [{"first_token_delay_s": 60.0}]}) as (served, session):
        assert served.app.web is not None
        async with generating_over_connect(session, a_request()):
            await served.simulator.journal.until(lambda journal: len(journal) > 0)
            await served.app.web.stop_now()
            await served.simulator.journal.settled()
    assert [entry.outcome for entry in served.simulator.journal] == ["client_left"]


async def test_the_programs_serve_both_ports_and_end_together() -> None:
    with simulating() as upstream:
        extra = {**variables(upstream), "TIERWISE_SERVER__DRAIN_DELAY_S": "0"}
        with running("serve", "--web", "127.0.0.1:0", **extra) as server:
            url = server.until("serving the web on ").rpartition(" ")[2]
            server.until("serving on ")
            async with aiohttp.ClientSession(url) as session:
                assert await routed(session) == 200
            server.process.terminate()
            assert await asyncio.to_thread(server.ended) == 0


def test_what_is_not_installed_is_said_in_one_line() -> None:
    program = (
        "import sys; sys.modules['connectrpc'] = None; sys.argv[1:] = ['serve', '--web', '127.0.0.1:0'];"
        "from tierwise_server.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment({"ANTHROPIC_API_KEY": "k", "TIERWISE_SERVER__LISTEN": "127.0.0.1:0"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "pip install 'tierwise[server,web]'" in done.stderr
    assert "Traceback" not in done.stderr


async def test_an_address_in_use_is_said_so() -> None:
    async with web_serving() as (served, session):
        listen = f"127.0.0.1:{session._base_url.port if session._base_url else 0}"
        web = served.app.config.server.web.model_copy(update={"listen": listen})
        settings = served.app.config.server.model_copy(update={"web": web})
        other = web_listener.WebListener(
            served.app.listener.handler, settings, None, end_calls=served.app.listener.end_calls
        )
        with pytest.raises(ConfigurationError, match=r"server\.web\.listen"):
            await other.start()
