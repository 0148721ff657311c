"""A stream gives the pieces and then the whole, and nothing of it outlives its context."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Generator, Iterator

import grpc
import pytest

import tierwise_client as client
from tests.contract.client_forms import AnyClient, AnyStream, ClientForm, both_clients
from tierwise.v1 import router_pb2
from tierwise_client import AsyncClient, Client
from tierwise_client.testing import FakeServer, Hold, ReceivedCall, answered, escalated, failed

LONG_S = 10
STUCK = [*answered("Hello")[:4], Hold()]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


async def was_cancelled(call: ReceivedCall) -> bool:
    """Return whether the server's handler saw the caller leave."""
    return await asyncio.to_thread(call.ended.wait, LONG_S) and call.cancelled


async def only_this_task_is_left() -> bool:
    """Return whether everything that a call started in this loop is gone within some rounds."""
    for _ in range(200):
        if asyncio.all_tasks() == {asyncio.current_task()}:
            return True
        await asyncio.sleep(0.01)
    return False


@both_clients
async def test_events_tell_the_story_of_a_withdrawn_draft(
    form: ClientForm, server: FakeServer
) -> None:
    server.play(escalated("Perhaps.", "Certainly.", live=True))
    texts: dict[int, str] = {}
    kinds = []
    async with form(server.endpoint) as caller:
        async with caller.stream("Sure?", draft_delivery=client.DraftDelivery.LIVE) as stream:
            async for event in stream.events:
                kinds.append(type(event))
                match event:
                    case client.TextDelta(attempt, text, provisional):
                        assert provisional is (attempt == 1)
                        texts[attempt] = texts.get(attempt, "") + text
                    case client.AttemptSuperseded(attempt, 2, "LOW_CONFIDENCE"):
                        assert texts.pop(attempt) == "Perhaps."
        assert texts == {2: stream.answer.text} == {2: "Certainly."}
    assert kinds[0] is client.Started
    assert kinds[-1] is client.Finished
    request = server.calls[0].request
    assert isinstance(request, router_pb2.GenerateRequest)
    assert request.draft_delivery == router_pb2.DRAFT_DELIVERY_LIVE


@both_clients
async def test_text_over_live_is_refused(form: ClientForm, server: FakeServer) -> None:
    async with form(server.endpoint) as caller:
        stream = caller.stream("Hi", draft_delivery="LIVE")
        with pytest.raises(ValueError, match="LIVE"):
            _ = stream.text
    assert not server.calls


@both_clients
async def test_text_and_events_read_the_same_stream(form: ClientForm, server: FakeServer) -> None:
    server.play(answered("Hello there"))
    async with form(server.endpoint) as caller, caller.stream("Hi") as stream:
        async for first in stream.text:
            assert first == "Hell"
            break
        rest = [event async for event in stream.events]
        assert isinstance(rest[0], client.TextDelta)
        assert [piece async for piece in stream.text] == []
        assert stream.answer.text == "Hello there"


@both_clients
async def test_the_answer_is_there_with_the_finished_event(
    form: ClientForm, server: FakeServer
) -> None:
    async with form(server.endpoint) as caller:
        async with caller.stream("Hi") as stream:
            async for event in stream.events:
                if isinstance(event, client.Finished):
                    break
        assert stream.answer.text
    [call] = server.calls
    assert await asyncio.to_thread(call.ended.wait, LONG_S)
    assert not call.cancelled


@both_clients
async def test_there_is_no_answer_before_the_end(form: ClientForm, server: FakeServer) -> None:
    server.play(STUCK)
    async with form(server.endpoint) as caller:
        async with caller.stream("Hi") as stream:
            with pytest.raises(RuntimeError, match="end"):
                _ = stream.answer
        with pytest.raises(RuntimeError, match="end"):
            _ = stream.answer


@both_clients
async def test_nothing_is_sent_before_the_stream_is_entered(
    form: ClientForm, server: FakeServer
) -> None:
    async with form(server.endpoint) as caller:
        stream = caller.stream("Hi")
        stream.cancel()
        with pytest.raises(RuntimeError, match="with"):
            await anext(stream.text)
    assert not server.calls


@both_clients
async def test_a_stream_is_entered_once(form: ClientForm, server: FakeServer) -> None:
    async with form(server.endpoint) as caller:
        async with caller.stream("Hi") as stream:
            pass
        with pytest.raises(RuntimeError, match="once"):
            async with stream:
                pass
    assert len(server.calls) <= 1


@both_clients
async def test_leaving_by_break_stops_the_server_s_work(
    form: ClientForm, server: FakeServer
) -> None:
    server.play(STUCK)
    async with form(server.endpoint) as caller:
        async with caller.stream("Hi") as stream:
            async for _ in stream.text:
                break
        assert await was_cancelled(server.calls[0])
        assert await only_this_task_is_left()


@both_clients
async def test_leaving_by_an_exception_stops_the_server_s_work(
    form: ClientForm, server: FakeServer
) -> None:
    server.play(STUCK)
    async with form(server.endpoint) as caller:
        with pytest.raises(ZeroDivisionError):
            await _fail_while_reading(caller)
        assert await was_cancelled(server.calls[0])
        assert await only_this_task_is_left()


async def _fail_while_reading(caller: AnyClient) -> None:
    async with caller.stream("Hi") as stream:
        async for _ in stream.text:
            raise ZeroDivisionError


@both_clients
async def test_cancel_from_beside_ends_the_reading(form: ClientForm, server: FakeServer) -> None:
    server.play(STUCK)
    async with form(server.endpoint) as caller, caller.stream("Hi") as stream:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read_until_error(stream))
            await asyncio.to_thread(server.wait_for_calls)
            stream.cancel()
        error = reading.result()
        assert isinstance(error, client.RequestCancelledError)
        assert error.status is grpc.StatusCode.CANCELLED
        with pytest.raises(client.RequestCancelledError):
            _ = stream.answer
        with pytest.raises(client.RequestCancelledError):
            await anext(stream.events)
        stream.cancel()
    assert await was_cancelled(server.calls[0])


async def _read_until_error(stream: AnyStream) -> Exception | None:
    try:
        await _read_into([], stream)
    except client.TierwiseError as error:
        return error
    return None


@both_clients
async def test_closing_the_client_ends_what_runs(form: ClientForm, server: FakeServer) -> None:
    server.play(STUCK)
    async with form(server.endpoint) as caller, caller.stream("Hi") as stream:
        await anext(stream.text)
        await caller.close()
        with pytest.raises(client.RequestCancelledError) as caught:
            async for _ in stream.text:
                pass
        assert caught.value.partial_text.startswith("Hell")


@both_clients
async def test_a_failed_stream_keeps_failing(form: ClientForm, server: FakeServer) -> None:
    server.play([*answered("Hello")[:4], failed("UPSTREAM_INTERRUPTED")])
    async with form(server.endpoint) as caller, caller.stream("Hi") as stream:
        pieces: list[str] = []
        with pytest.raises(client.UpstreamError) as first:
            await _read_into(pieces, stream)
        with pytest.raises(client.UpstreamError) as second:
            await anext(stream.events)
        with pytest.raises(client.UpstreamError):
            _ = stream.answer
    assert second.value is first.value
    assert first.value.partial_text == "".join(pieces) == "Hello"


async def _read_into(pieces: list[str], stream: AnyStream) -> None:
    async for piece in stream.text:
        pieces.append(piece)  # noqa: PERF401 - the pieces before a failure are wanted too


@both_clients
async def test_a_server_that_dies_mid_stream_is_unavailable_and_not_asked_again(
    form: ClientForm,
) -> None:
    server = FakeServer()
    server.start()
    server.play(STUCK)
    async with form(server.endpoint) as caller, caller.stream("Hi") as stream:
        await anext(stream.text)
        await asyncio.to_thread(server.stop)
        with pytest.raises(client.UnavailableError) as caught:
            async for _ in stream.text:
                pass
    assert caught.value.started
    assert len(server.calls) == 1


async def test_cancelling_the_task_stops_the_server_s_work(server: FakeServer) -> None:
    server.play(STUCK)
    async with AsyncClient(server.endpoint) as caller:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(caller.generate("Hi"))
            await asyncio.to_thread(server.wait_for_calls)
            task.cancel()
        assert task.cancelled()
        assert await was_cancelled(server.calls[0])
        assert await only_this_task_is_left()


async def test_a_timeout_around_the_call_is_the_timeout_s_own_error(server: FakeServer) -> None:
    server.play(STUCK)
    async with AsyncClient(server.endpoint) as caller:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await caller.generate("Hi")
        assert await was_cancelled(server.calls[0])


async def test_a_cancelled_route_is_the_task_s_own_cancellation(server: FakeServer) -> None:
    async with AsyncClient(server.endpoint) as caller:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller.route()
        task.uncancel()


async def test_an_abandoned_iterator_leaves_nothing_behind(server: FakeServer) -> None:
    server.play(STUCK)
    async with AsyncClient(server.endpoint) as caller:
        async with caller.stream("Hi") as stream:
            iterator = stream.text
            await anext(iterator)
        del iterator, stream
        gc.collect()
        assert await only_this_task_is_left()


def test_a_generator_around_the_sync_stream_may_be_closed(server: FakeServer) -> None:
    server.play(STUCK)

    def pieces(caller: Client) -> Generator[str, None, None]:
        with caller.stream("Hi") as stream:
            yield from stream.text

    with Client(server.endpoint) as caller:
        running = pieces(caller)
        assert next(running) == "Hell"
        running.close()
        assert server.calls[0].ended.wait(LONG_S)
        assert server.calls[0].cancelled


async def test_a_generator_around_the_async_stream_may_be_closed(server: FakeServer) -> None:
    server.play(STUCK)
    async with AsyncClient(server.endpoint) as caller:

        async def pieces() -> AsyncGenerator[str, None]:
            async with caller.stream("Hi") as stream:
                async for piece in stream.text:
                    yield piece

        running = pieces()
        assert await anext(running) == "Hell"
        await running.aclose()
        assert await was_cancelled(server.calls[0])


def test_cancel_may_come_from_another_thread(server: FakeServer) -> None:
    server.play(STUCK)
    with Client(server.endpoint) as caller, caller.stream("Hi") as stream:
        next(stream.text)
        threading.Timer(0.1, stream.cancel).start()
        with pytest.raises(client.RequestCancelledError):
            for _ in stream.text:
                pass
