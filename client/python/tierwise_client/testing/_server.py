"""The fake server: a real gRPC server on a loopback port, with threads of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc

from tierwise.v1 import router_pb2, router_pb2_grpc
from tierwise_client.testing._failures import Failure
from tierwise_client.testing._scripts import Hold, Script, Step, answered, numbered, routed

# How often a held call looks whether it may go on; nothing signals both of its reasons.
_POLL_S = 0.005
_THREADS = 16
_FOREVER_S = 1e9


@dataclass(eq=False)
class ReceivedCall:
    """One call that the server received. gRPC's own retries are calls of their own.

    Attributes:
        request: what was asked.
        metadata: the headers, the last value of each.
        timeout_s: the time that the caller gave it; None without a deadline.
        ended: set when the call is over.
        cancelled: the caller left, or its deadline passed, before the script was played.
    """

    request: router_pb2.RouteRequest | router_pb2.GenerateRequest
    metadata: dict[str, str | bytes]
    timeout_s: float | None
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False


class FakeServer(router_pb2_grpc.RouterServiceServicer):
    """A tierwise server that plays scripts, in the order given; with none left, a short answer.

    Use it in a `with` statement, or call `start` and `stop`.

    Args:
        credentials: for TLS. Default: in the clear.

    Attributes:
        calls: every call received, in order.
    """

    def __init__(self, *, credentials: grpc.ServerCredentials | None = None) -> None:
        self.calls: list[ReceivedCall] = []
        self._received_more = threading.Condition()
        self._scripts: deque[Script] = deque()
        self._replies: deque[router_pb2.RouteResponse | Failure] = deque()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fake-tierwise")
        self._server = grpc.server(self._pool, options=(("grpc.so_reuseport", 0),))
        router_pb2_grpc.add_RouterServiceServicer_to_server(self, self._server)
        if credentials is None:
            self._port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self._port = self._server.add_secure_port("127.0.0.1:0", credentials)

    @property
    def endpoint(self) -> str:
        """Where it listens: `127.0.0.1:port`."""
        return f"127.0.0.1:{self._port}"

    def play(self, script: Script | Step) -> None:
        """Play this at the next call of Generate for which nothing is planned yet."""
        self._scripts.append(script if isinstance(script, Sequence) else [script])

    def reply(self, reply: router_pb2.RouteResponse | Failure) -> None:
        """Reply so to the next call of Route for which nothing is planned yet."""
        self._replies.append(reply)

    def wait_for_calls(self, count: int = 1, *, timeout_s: float = 10.0) -> None:
        """Wait until so many calls have been received.

        Raises:
            TimeoutError: they were not, in time.
        """
        with self._received_more:
            if not self._received_more.wait_for(lambda: len(self.calls) >= count, timeout_s):
                raise TimeoutError(f"{len(self.calls)} of {count} calls came in {timeout_s} s")

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """End everything at once, as a killed process would; returns when it is done."""
        self._server.stop(None).wait()
        self._pool.shutdown(wait=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def Route(  # noqa: N802 - the contract's name
        self, request: router_pb2.RouteRequest, context: grpc.ServicerContext
    ) -> router_pb2.RouteResponse:
        """Reply as told."""
        call = self._received(request, context)
        reply = self._replies.popleft() if self._replies else routed(task_type=request.task_type)
        call.cancelled = False
        if isinstance(reply, Failure):
            reply.abort(context)
        return reply

    def Generate(  # noqa: N802 - the contract's name
        self, request: router_pb2.GenerateRequest, context: grpc.ServicerContext
    ) -> Iterator[router_pb2.GenerateResponse]:
        """Play the next script."""
        call = self._received(request, context)
        script = self._scripts.popleft() if self._scripts else answered()
        for step in numbered(script):
            if isinstance(step, Hold):
                if not _held_through(step, call):
                    return
            elif isinstance(step, Failure):
                call.cancelled = False
                step.abort(context)
            else:
                yield step
        call.cancelled = False

    def _received(
        self,
        request: router_pb2.RouteRequest | router_pb2.GenerateRequest,
        context: grpc.ServicerContext,
    ) -> ReceivedCall:
        metadata = {pair[0]: pair[1] for pair in context.invocation_metadata()}
        # Cancelled unless the script is played to its end.
        call = ReceivedCall(request, metadata, _timeout_s(context), cancelled=True)
        if not context.add_callback(call.ended.set):
            call.ended.set()
        with self._received_more:
            self.calls.append(call)
            self._received_more.notify_all()
        return call


def _timeout_s(context: grpc.ServicerContext) -> float | None:
    # Without a deadline gRPC counts down from the end of time.
    remaining_s = context.time_remaining()
    return remaining_s if remaining_s < _FOREVER_S else None


def _held_through(step: Hold, call: ReceivedCall) -> bool:
    """Wait; return whether the caller is still there."""
    while not call.ended.wait(_POLL_S):
        if step.until is not None and step.until.is_set():
            return True
    return False
