"""A secret in any input of a whole program is in nothing that the program leaves: log, export, error or file.

The inputs are every field of the contract that holds text, found by the contract itself, and what travels beside it.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import grpc
import pytest

from tests.otlp import OtlpReceiver, collector
from tests.poisoning import poisoned
from tests.programs import Program, running, simulating
from tests.serving import Outcome, a_request, failure_of, outcome_of
from tests.web_calls import SERVICE, generating_over_connect, outcome_over_connect
from tierwise.v1 import router_pb2, router_pb2_grpc
from tierwise_server.access.secret import new_key

OF_THE_SERVER: Final = "sk-ant-canary-of-the-program"
SECRETS: Final = {
    "a key of ours": new_key(),
    "a provider's key": "sk-ant-api03-canaryCanaryCanary-AA",
    "another provider's key": "sk-proj-canaryCanaryCanaryCanaryCanaryCanary",
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJl",
    "a header": "Bearer canaryCanaryCanary1234",
    "a password": "postgresql://someone:canary-password@db.example/app",
}
CONTENT: Final = ("system", "messages", "generation")
NAMES: Final = ("task_type", "labels", "routing")
"""`request_id` is what logs and spans are found by, so a plain one is told."""

SCRIPT = """
[[rules]]
answer = "The answer."
"""


@dataclass
class Left:
    """What a program leaves: `told` to whoever reads its log, its exports and its errors, and its `files`."""

    told: bytes = b""
    files: bytes = b""
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)

    def check(self, *words: str, files: bool = True) -> None:
        """None of the words is anywhere."""
        errors = [shown(outcome) for _, outcome in self.outcomes]
        everything = self.told + "".join(errors).encode() + (self.files if files else b"")
        assert [word for word in words if word.encode() in everything] == []


def shown(outcome: Outcome) -> str:
    return f"{outcome.message} {outcome.details} {outcome.trailers}"


@contextmanager
def program(folder: Path, receiver: OtlpReceiver) -> Iterator[tuple[Program, str, str]]:
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    with simulating("--script", str(script)) as upstream:
        variables = {
            "ANTHROPIC_API_KEY": OF_THE_SERVER,
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
            "TIERWISE_LEDGER__DIRECTORY": str(folder / "data"),
            "TIERWISE_TELEMETRY__LOG_LEVEL": "debug",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        }
        words = ("serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0")
        with running(*words, **variables) as server:
            web = server.until("serving the web on ").rpartition(" ")[2]
            yield server, server.until("serving on ").rpartition(" ")[2], web


@asynccontextmanager
async def leaving(folder: Path, left: Left) -> AsyncIterator[tuple[Any, aiohttp.ClientSession]]:
    """Run a program; when the context ends, so does the program, and `left` has all that it left."""
    with collector() as receiver:
        with program(folder, receiver) as (server, endpoint, web):
            async with (
                grpc.aio.insecure_channel(endpoint) as channel,
                aiohttp.ClientSession(web) as session,
            ):
                yield router_pb2_grpc.RouterServiceStub(channel), session
            server.process.send_signal(signal.SIGTERM)
            assert server.ended() == 0
        left.told = "".join(server.said).encode() + b"".join(receiver.raw)
        assert receiver.spans
    left.files = b"".join(p.read_bytes() for p in (folder / "data").rglob("*") if p.is_file())
    assert left.files


async def ask_with(word: str, stub: Any, session: aiohttp.ClientSession, left: Left) -> None:
    """Put the word into every field."""
    for path, request in poisoned(a_request(), word):
        await ask(request, path, stub, session, left)


async def ask(
    request: router_pb2.GenerateRequest,
    path: str,
    stub: Any,
    session: aiohttp.ClientSession,
    left: Left,
) -> None:
    """Ask over both ports."""
    left.outcomes.append((path, await outcome_of(stub.Generate(request))))
    async with generating_over_connect(session, request) as stream:
        left.outcomes.append((path, await outcome_over_connect(stream)))


async def ask_beside(word: str, stub: Any, session: aiohttp.ClientSession, left: Left) -> None:
    """Put the word where no Generate has it: into Route, metadata, paths and what is no request at all."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Route(router_pb2.RouteRequest(task_type=word))
    left.outcomes.append(("route", failure_of(refused.value)))
    parent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    for beside in (
        ("x-anything", word),
        ("x-request-id", word),
        ("tracestate", f"vendor={word}"),
        ("authorization", word),
        ("authorization", f"Bearer {word}"),
    ):
        call = stub.Generate(a_request(), metadata=(parent, beside))
        left.outcomes.append((beside[0], await outcome_of(call)))
    for path, body in ((f"/{word}", {}), (f"{SERVICE}/Route", {word: 1}), ("/Route", {"a": word})):
        async with session.post(path, json=body, headers={"x-anything": word}) as response:
            assert response.status >= 400
            left.outcomes.append((path, Outcome("", await response.text(), [], [], {})))


async def test_a_secret_in_any_input_is_in_nothing_that_is_left(tmp_path: Path) -> None:
    left = Left()
    async with leaving(tmp_path, left) as (stub, session):
        for secret in SECRETS.values():
            await ask_with(secret, stub, session, left)
        for path, outcome in left.outcomes:
            assert (path, outcome.reason) == (path, reason_for(path))
        for secret in SECRETS.values():
            await ask_beside(secret, stub, session, left)
    left.check(*SECRETS.values(), *(secret[:24] for secret in SECRETS.values()), OF_THE_SERVER)


def reason_for(path: str) -> str:
    """What a field with a secret in it is answered."""
    if path.startswith(("request_id", "task_type", "labels")):
        return "INVALID_REQUEST"
    return "UNKNOWN_TIER" if path.startswith("routing") else ""


async def test_what_is_no_secret_by_its_looks_stays_where_it_belongs(tmp_path: Path) -> None:
    """Content is nowhere; names are in the ledger, which accounts by them, and nowhere else."""
    left = Left()
    words = {path: f"canary-{path}" for path, _ in poisoned(a_request(), "")}
    async with leaving(tmp_path, left) as (stub, session):
        for path, word in words.items():
            await ask(dict(poisoned(a_request(), word))[path], path, stub, session, left)
    content = [word for path, word in words.items() if path.startswith(CONTENT)]
    names = [word for path, word in words.items() if path.startswith(NAMES)]
    assert len(content) + len(names) + 1 == len(words)
    left.check(*content)
    left.check(*names, files=False)
    assert words["request_id"].encode() in left.told
    kept = [word for path, word in words.items() if path.startswith(("task_type", "labels"))]
    assert [word for word in kept if word.encode() not in left.files] == []
