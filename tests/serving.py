"""A whole server in this process: gRPC in front, the real SDK and the simulator behind. tests/programs.py has it as a
program of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr

from tests.messages import Plain, told
from tierwise.v1 import accounting_pb2, message_pb2, router_pb2, router_pb2_grpc
from tierwise_server import app
from tierwise_server.config import Config
from tierwise_server.config.examine import examine_raw
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.settings import MEMORY_URL
from tierwise_server.simulator import Script, Simulator
from tierwise_server.telemetry import SpanCollector, Telemetry

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tierwise.v1.router_pb2_grpc import RouterServiceAsyncStub
    from tierwise_server.access.base import KeyStore
    from tierwise_server.ledger.base import Ledger
    from tierwise_server.providers.base import Provider

KEY: Final = "sk-ant-canary-key-of-the-server"
"""The server's key. Whatever leaves the server must not hold it."""

_Configured = Callable[[Mapping[str, str]], Config]

_DETAILS: Final[Mapping[str, type[Message]]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        accounting_pb2.GenerationSummary,
        error_details_pb2.BadRequest,
        error_details_pb2.ErrorInfo,
        error_details_pb2.QuotaFailure,
        error_details_pb2.RetryInfo,
    )
}


@dataclass(frozen=True, slots=True)
class Served:
    """A running server.

    Attributes:
        endpoint: where it listens.
        simulator: its upstream.
        app: the server itself.
        spans: every span that it ended.
        channel: a connection to it.
        stub: calls over that connection.
    """

    endpoint: str
    simulator: Simulator
    app: app.App
    spans: SpanCollector
    channel: grpc.aio.Channel
    stub: RouterServiceAsyncStub


@dataclass
class Outcome:
    """What a caller got of a call.

    Attributes:
        status: the name of the status.
        message: the status's text.
        messages: what came before the status.
        details: what came with it.
        trailers: the trailing metadata.
    """

    status: str
    message: str
    messages: list[router_pb2.GenerateResponse]
    details: list[Message]
    trailers: dict[str, str | bytes]

    @property
    def events(self) -> list[tuple[str, Plain]]:
        """What the messages tell, as kind and plain event."""
        return told(self.messages)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the events."""
        return [kind for kind, _ in self.events]

    @property
    def reason(self) -> str:
        """The reason of an error; empty without one."""
        infos = self.all_of("ErrorInfo")
        return str(infos[0].reason) if infos else ""

    @property
    def summary(self) -> accounting_pb2.GenerationSummary | None:
        """The bill, with the answer or with the error; None where nothing was begun."""
        if self.messages and self.messages[-1].HasField("finished"):
            return self.messages[-1].finished.summary
        summaries: list[accounting_pb2.GenerationSummary] = self.all_of("GenerationSummary")
        return summaries[0] if summaries else None

    def all_of(self, name: str) -> list[Any]:
        """Return the details of a kind."""
        return [detail for detail in self.details if type(detail).DESCRIPTOR.name == name]


def a_request(
    text: str = "Where is my parcel?", task_type: str = "classify_intent", **fields: Any
) -> router_pb2.GenerateRequest:
    """Make a request of one message."""
    block = message_pb2.ContentBlock(text=message_pb2.TextBlock(text=text))
    message = message_pb2.Message(role=message_pb2.ROLE_USER, content=[block])
    return router_pb2.GenerateRequest(task_type=task_type, messages=[message], **fields)


def configured(values: Mapping[str, Any] | None = None) -> _Configured:
    """Return settings as the TOML file would have them, waiting for the variables over them."""

    def config(environ: Mapping[str, str]) -> Config:
        found = examine_raw(dict(values or {}), environ)
        assert found.config is not None, [str(fault) for fault in found.faults]
        return found.config

    return config


def variables(base_url: str) -> dict[str, str]:
    """Return the environment of a server on a port of its own, with that upstream."""
    return {
        "ANTHROPIC_API_KEY": KEY,
        "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
        "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": base_url,
    }


@asynccontextmanager
async def serving(
    script: Script | Mapping[str, Any] | None = None,
    config: _Configured | None = None,
    *,
    providers: Mapping[str, Provider] | None = None,
    ledger: Ledger | None = None,
    options: tuple[tuple[str, int], ...] = (),
    base_url: str = "",
    keys: KeyStore | None = None,
) -> AsyncIterator[Served]:
    """Run a server.

    `script` is the upstream's; `providers` take its place; `options` are the caller's channel options; `base_url` is
    where the server asks, if that is not the upstream itself; `keys` are those that callers may have. It records in
    `ledger`, or in the one that the configuration names, or in one of memory, which must then hold what came in.
    """
    spans = SpanCollector()
    telemetry = Telemetry.from_environment({}, service_version="test", collector=spans)
    async with Simulator(script) as simulator:
        environ = variables(base_url or simulator.base_url)
        settings = (config or configured())(environ)
        memory = MemoryLedger()
        if settings.ledger.directory is None and settings.ledger.url is None:
            # Nothing of a test stays, and nothing is in its way that another one left.
            place = settings.ledger.model_copy(update={"url": SecretStr(MEMORY_URL)})
            settings = settings.model_copy(update={"ledger": place})
            ledger = memory if ledger is None else ledger
        building = app.build(
            settings, environ, telemetry=telemetry, providers=providers, keys=keys, ledger=ledger
        )
        async with building as built:
            try:
                endpoint = f"127.0.0.1:{await built.listener.start()}"
                async with grpc.aio.insecure_channel(endpoint, options) as channel:
                    stub = router_pb2_grpc.RouterServiceStub(channel)
                    yield Served(endpoint, simulator, built, spans, channel, stub)
            finally:
                await built.listener.stop_now()
        runs = memory.books.requests.values()
        assert RowState.RESERVED not in {row.state for run in runs for row in run.calls.values()}
        assert all(run.outcome for run in runs)
    telemetry.shutdown(1)


async def outcome_of(call: grpc.aio.UnaryStreamCall[Any, router_pb2.GenerateResponse]) -> Outcome:
    """Read a call to its end."""
    messages: list[router_pb2.GenerateResponse] = []
    try:
        async for message in call:
            messages.append(message)  # noqa: PERF401 - what came before an error must be kept
    except grpc.aio.AioRpcError as error:
        return failure_of(error, messages)
    trailers = dict(await call.trailing_metadata() or ())
    return Outcome("OK", "", messages, [], trailers)


def failure_of(
    error: grpc.aio.AioRpcError, messages: list[router_pb2.GenerateResponse] | None = None
) -> Outcome:
    """Return what an error says."""
    trailers = dict(error.trailing_metadata() or ())
    details = unpacked(trailers.get("grpc-status-details-bin", b""))
    return Outcome(error.code().name, error.details() or "", messages or [], details, trailers)


def unpacked(packed: str | bytes) -> list[Message]:
    """Return the details of a google.rpc.Status; each must be of a kind that the server promises."""
    assert isinstance(packed, bytes)
    found: list[Message] = []
    for detail in status_pb2.Status.FromString(packed).details:
        message = _DETAILS[detail.type_url.rpartition("/")[2]]()
        assert detail.Unpack(message)
        found.append(message)
    return found
