"""The two clients in one form, so that every test body runs on both.

`ThreadedClient` gives the sync client the async one's face: each blocking step runs in a thread, which is also how an
async program would use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

import pytest

from tierwise_client import Answer, AsyncClient, AsyncStream, Client, Event, RouteResult, Stream

Item = TypeVar("Item")


class ThreadedClient:
    """The sync client, awaited."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._client = Client(*arguments, **keywords)

    async def route(self, *arguments: Any, **keywords: Any) -> RouteResult:
        return await asyncio.to_thread(self._client.route, *arguments, **keywords)

    async def generate(self, *arguments: Any, **keywords: Any) -> Answer:
        return await asyncio.to_thread(self._client.generate, *arguments, **keywords)

    def stream(self, *arguments: Any, **keywords: Any) -> ThreadedStream:
        return ThreadedStream(self._client.stream(*arguments, **keywords))

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        self._client.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._client.__exit__, kind, error, trace)


class ThreadedStream:
    """The sync stream, awaited."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def text(self) -> AsyncIterator[str]:
        return ThreadedIterator(self._stream.text)

    @property
    def events(self) -> AsyncIterator[Event]:
        return ThreadedIterator(self._stream.events)

    @property
    def answer(self) -> Answer:
        return self._stream.answer

    def cancel(self) -> None:
        self._stream.cancel()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._stream.__enter__)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._stream.__exit__, kind, error, trace)


class ThreadedIterator(AsyncIterator[Item], Generic[Item]):
    """A blocking iterator, awaited."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items

    async def __anext__(self) -> Item:
        end = object()
        # StopIteration cannot pass through a future.
        item: Any = await asyncio.to_thread(next, self._items, end)
        if item is end:
            raise StopAsyncIteration
        return item  # type: ignore[no-any-return] # an Item, as it is not the end


AnyClient: TypeAlias = AsyncClient | ThreadedClient
AnyStream: TypeAlias = AsyncStream | ThreadedStream
ClientForm: TypeAlias = Callable[..., AnyClient]

both_clients = pytest.mark.parametrize(
    "form", [pytest.param(AsyncClient, id="async"), pytest.param(ThreadedClient, id="sync")]
)
