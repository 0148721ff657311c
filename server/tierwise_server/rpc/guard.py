"""The one outer wrapper of every method: parse, trace, run, and turn whatever goes wrong into a status.

It owns what grpcio leaves open (measured on 1.85): exception text would reach the caller as UNKNOWN; a request that is
not a message would too; and a CancelledError that the caller did not cause would leave the caller hanging. Nothing but
a status from rpc/status.py leaves here, and the caller's own cancellation is always raised again, so that grpcio can
free the call.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError

from tierwise_server.engine import DEADLINE_SLACK_S
from tierwise_server.errors import Fault, InvalidRequest, Reason, RequestError
from tierwise_server.rpc.entry import ANYBODY, Entry, Identity
from tierwise_server.rpc.status import CODES, status_of, trailers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from google.protobuf.message import Message
    from grpc.aio import ServicerContext

    from tierwise_server.telemetry import ServerSpan, Telemetry

    Context = ServicerContext[Any, Any]

Q = TypeVar("Q", bound="Message")
R = TypeVar("R", bound="Message")
T = TypeVar("T")

log = structlog.get_logger("tierwise.rpc")

DRAINING_RETRY_S = 1.0


class JsonText(bytes):
    """A request that came as JSON."""


@dataclass(slots=True)
class Rpc:
    """One call in progress: what a method needs to know of it.

    Attributes:
        identity: who calls.
        facts: what the log line of the call will say; never prompt or answer text.
        ending: why the server itself cancelled the call, until `stopped` has told.
    """

    method: str
    context: Context
    span: ServerSpan
    identity: Identity = ANYBODY
    facts: dict[str, object] = field(default_factory=dict)
    request_id: str = ""
    ending: RequestError | None = None

    @property
    def time_left_s(self) -> float | None:
        """Seconds until the caller's deadline; None without one."""
        left: float | None = self.context.time_remaining()
        return left

    def stopped(self) -> RequestError | None:
        """Tell whoever met a cancellation whether it was the server's own doing, and why; it is then taken back.

        None where it was not, or where the caller left at the same time.
        """
        why, self.ending = self.ending, None
        task = asyncio.current_task()
        return why if why is not None and task is not None and task.uncancel() == 0 else None


class Guard:
    """Makes grpc handlers of methods, each wrapped the same way.

    Attributes:
        draining: whether calls are refused from now on.
        taken: how many calls came in so far.
        running: how many of them have not ended.
    """

    def __init__(self, telemetry: Telemetry, entry: Entry) -> None:
        self._telemetry = telemetry
        self._entry = entry
        self.draining = False
        self.taken = 0
        self.running = 0
        self._working: dict[asyncio.Task[Any], Rpc] = {}

    def unary(
        self, method: str, request_type: type[Q], work: Callable[[Q, Rpc], Awaitable[R]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Handle a method that answers once."""

        async def handle(raw: bytes, context: Context) -> R:
            with self._counted():
                return await self._run(method, request_type, work, raw, context)

        return grpc.unary_unary_rpc_method_handler(handle, response_serializer=_serialize)

    def stream(
        self, method: str, request_type: type[Q], work: Callable[[Q, Rpc], Awaitable[None]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Handle a method that writes a stream of answers itself."""

        async def handle(raw: bytes, context: Context) -> None:
            with self._counted():
                await self._run(method, request_type, self._holding(work), raw, context)

        return grpc.unary_stream_rpc_method_handler(handle, response_serializer=_serialize)

    def stop(self) -> None:
        """Refuse calls from now on, and end those that run.

        Their callers are told that the server shuts down, when to come back, and what was spent for them.
        """
        self.draining = True
        working, self._working = self._working, {}
        for task, rpc in working.items():
            rpc.ending = _shutting_down()
            task.cancel()

    @contextmanager
    def _working_on(self, rpc: Rpc) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - every coroutine runs in one
        self._working[task] = rpc
        try:
            yield
        finally:
            self._working.pop(task, None)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.taken += 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def _holding(
        self, work: Callable[[Q, Rpc], Awaitable[None]]
    ) -> Callable[[Q, Rpc], Awaitable[None]]:
        """The same work, while one of the caller's streams is held."""

        async def held(request: Q, rpc: Rpc) -> None:
            async with self._entry.stream(rpc.identity):
                await work(request, rpc)

        return held

    async def _run(
        self,
        method: str,
        request_type: type[Q],
        work: Callable[[Q, Rpc], Awaitable[T]],
        raw: bytes,
        context: Context,
    ) -> T:
        span = self._telemetry.server_span(
            method, context.invocation_metadata() or (), context.peer()
        )
        rpc = Rpc(method, context, span)
        try:
            if self.draining:
                raise _shutting_down()
            with self._working_on(rpc):
                rpc.identity = await self._entry.identify(context)
                span.identified(rpc.identity.tenant, rpc.identity.key_id)
                await self._entry.count(rpc.identity)
                answer = await work(_parse(request_type, raw), rpc)
        except asyncio.CancelledError:
            why = rpc.stopped()
            if why is not None:
                await self._abort(rpc, why)
            if _is_cancelled():
                _close_unheard(rpc)
                raise
            # Not the caller's doing: left alone, the caller would wait for ever.
            await self._abort(rpc, RequestError(Reason.INTERNAL, "the call was given up"))
        except Exception as error:
            told = _told(error, method)
            if told.reason is Reason.CANCELLED or _is_cancelled():
                # There is nobody left to send a status to.
                _close_unheard(rpc)
                raise asyncio.CancelledError from None
            await self._abort(rpc, told)
        _close(rpc, "OK", "")
        return answer

    async def _abort(self, rpc: Rpc, error: RequestError) -> NoReturn:
        _close(rpc, CODES[error.reason].name, error.reason.name)
        await _send(rpc.context, error, rpc.request_id)


class Unimplemented(grpc.GenericRpcHandler):
    """Answers every method that nobody else handles, so that this error carries details as well.

    Who may not come in is told that, and not what there is.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def service(
        self,
        handler_call_details: grpc.HandlerCallDetails,  # noqa: ARG002 - every call is answered alike
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Handle any method at all."""

        async def handle(_: AsyncIterator[bytes], context: Context) -> None:
            told = _NO_METHOD
            try:
                await self._entry.count(await self._entry.identify(context))
            except Exception as error:
                told = _told(error, "unknown")
            await _send(context, told, "")

        return grpc.stream_stream_rpc_method_handler(handle)


_NO_METHOD = RequestError(Reason.UNIMPLEMENTED, "there is no such method")


def _shutting_down() -> RequestError:
    text = "the server is shutting down"
    return RequestError(Reason.SHUTTING_DOWN, text, retry_after_s=DRAINING_RETRY_S)


def _is_cancelled() -> bool:
    """Whether grpcio cancelled this call: the caller left, its deadline passed, or the server stops.

    `context.done()` and `context.cancelled()` are still False then (measured on grpcio 1.85).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _told(error: Exception, method: str) -> RequestError:
    """What the caller is told of an error. A fault of ours goes to the log, and its text no further."""
    fault = error.__cause__ if isinstance(error, RequestError) else error
    if fault is not None:
        log.error("internal_error", method=method, error_type=type(fault).__name__, exc_info=fault)
    if isinstance(error, RequestError):
        return error
    return RequestError(Reason.INTERNAL, "a fault of the server; its log says more")


async def _send(context: Context, error: RequestError, request_id: str) -> NoReturn:
    status = status_of(error, request_id)
    trailers = trailers_of(status, request_id, context.time_remaining())
    await context.abort(CODES[error.reason], status.message, trailers)
    raise AssertionError("abort raises")


def _parse(request_type: type[Q], raw: bytes) -> Q:
    why = ""
    try:
        if isinstance(raw, JsonText):
            return Parse(raw, request_type())
        return request_type.FromString(raw)
    except ParseError as error:
        # What follows the first line is for whoever wrote the contract.
        why = f": {error}".partition("\n")[0]
    except (DecodeError, UnicodeDecodeError, ValueError):
        pass
    fault = Fault("", f"the request is not a valid {request_type.DESCRIPTOR.full_name}{why}")
    raise InvalidRequest((fault,))


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _close_unheard(rpc: Rpc) -> None:
    """Close a call whose caller does not listen any more: its deadline passed, or it left."""
    is_late = rpc.time_left_s is not None and rpc.time_left_s <= DEADLINE_SLACK_S
    reason = Reason.DEADLINE_EXCEEDED if is_late else Reason.CANCELLED
    _close(rpc, CODES[reason].name, reason.name)


def _close(rpc: Rpc, code: str, reason: str) -> None:
    rpc.span.end(code, reason=reason)
    # A good Route has nothing to tell that its span does not; even a filtered line would be a tenth of its cost.
    if rpc.facts or code != "OK":
        who = {"tenant": rpc.identity.tenant, "key_id": rpc.identity.key_id}
        known = {name: value for name, value in who.items() if value}
        log.info("rpc", method=rpc.method, status=code, reason=reason or None, **known, **rpc.facts)
