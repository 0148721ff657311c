"""One running task: its pieces while it runs, its whole answer at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tierwise.v1.router_pb2 import DRAFT_DELIVERY_LIVE
from tierwise_client._errors import TierwiseError
from tierwise_client._events import Event, Finished, TextDelta
from tierwise_client._fold import Fold

if TYPE_CHECKING:
    from tierwise.v1.router_pb2 import GenerateRequest
    from tierwise_client._async_transport import AsyncCall, AsyncTransport
    from tierwise_client._tracing import Span, Tracer
    from tierwise_client._values import Answer


class AsyncStream:
    """A task that runs while it is entered, once. Made by `AsyncClient.stream`.

    `text` and `events` read the same stream: what one has taken the other does not see. One task
    reads at a time; `cancel()` may be called beside it. After a `break` the stream can be read on
    until the context is left.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        tracer: Tracer,
        request: GenerateRequest,
        timeout_s: float | None,
    ) -> None:
        self._transport = transport
        self._tracer = tracer
        self._request = request
        self._timeout_s = timeout_s
        self._live = request.draft_delivery == DRAFT_DELIVERY_LIVE
        self._fold = Fold(held=not self._live)
        self._running: tuple[AsyncCall, Span] | None = None
        self._answer: Answer | None = None
        self._error: TierwiseError | None = None

    @property
    def text(self) -> AsyncIterator[str]:
        """The answer's text in pieces, as they come; joined they are exactly `answer.text`.

        A draft's text comes when the draft is accepted, so the first piece may take two calls.

        Raises:
            ValueError: the stream was asked for with LIVE, where text may be withdrawn: read `events`.
            TierwiseError: on reading, there is no answer; what came so far is in `partial_text`.
        """
        if self._live:
            raise ValueError("with LIVE, text may be withdrawn: read events instead of text")
        return AsyncTexts(self)

    @property
    def events(self) -> AsyncIterator[Event]:
        """Everything that happens, as it happens; kinds newer than this client are left out.

        Raises:
            TierwiseError: on reading, there is no answer; what came so far is in `partial_text`.
        """
        return AsyncEvents(self)

    @property
    def answer(self) -> Answer:
        """The whole answer, once the stream has been read to its end; the same that `generate` returns.

        Raises:
            TierwiseError: the stream failed.
            RuntimeError: the stream was not read to its end.
        """
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise RuntimeError("there is no answer before the stream has been read to its end")
        return self._answer

    def cancel(self) -> None:
        """Stop the server's work now; who reads gets RequestCancelledError. After the end: nothing."""
        if self._running is not None:
            call, _ = self._running
            call.cancel()

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise RuntimeError("a stream is entered once; ask the client for another")
        span = self._tracer.start("Generate", self._request.task_type)
        try:
            call = self._transport.generate(self._request, span.headers, self._timeout_s)
        except BaseException as error:
            span.fail(error)
            raise
        self._running = (call, span)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        call, span = self._entered()
        # Both do nothing once the end was seen.
        call.cancel()
        span.fail(error)

    def _entered(self) -> tuple[AsyncCall, Span]:
        if self._running is None:
            raise RuntimeError(
                "nothing runs before the stream is entered: use it in a with statement"
            )
        return self._running

    async def _next(self) -> Event | None:
        """Return the next event, or None at the end."""
        call, span = self._entered()
        if self._error is not None:
            raise self._error
        if self._answer is not None:
            return None
        try:
            return await self._read(call, span)
        except TierwiseError as error:
            self._fold.note_progress(error)
            self._error = error
            span.fail(error)
            raise

    async def _read(self, call: AsyncCall, span: Span) -> Event | None:
        """Return the next event that this client knows; with the last one, have seen the good end."""
        while (message := await call.read()) is not None:
            event = self._fold.push(message)
            if isinstance(event, Finished):
                await self._read(call, span)
            if event is not None:
                return event
        self._answer = self._fold.answer()
        span.succeed(self._answer)
        return None


class AsyncEvents(AsyncIterator[Event]):
    """The events of one stream."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    async def __anext__(self) -> Event:
        event = await self._stream._next()
        if event is None:
            raise StopAsyncIteration
        return event


class AsyncTexts(AsyncIterator[str]):
    """The text of one stream."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    async def __anext__(self) -> str:
        while (event := await self._stream._next()) is not None:
            if isinstance(event, TextDelta) and event.text:
                return event.text
        raise StopAsyncIteration
