"""A named request's answer is remembered before its caller has all of it, and nothing runs unprotected unasked."""

from __future__ import annotations

import pytest

from tests.serving import a_request
from tierwise.v1 import router_pb2
from tierwise_server.errors import LedgerUnavailable, RequestError
from tierwise_server.idempotency.base import Claim, Place, Room
from tierwise_server.idempotency.memory import MemoryAnswers
from tierwise_server.rpc.repeating import Replay, body_hash, turn_of

ROOM = Room(60.0, 1_000_000)
PLACE = Place("acme", "key", "r-1")
REQUEST = a_request(request_id="r-1")
STARTED = router_pb2.GenerateResponse(started=router_pb2.Started())
FINISHED = router_pb2.GenerateResponse(finished=router_pb2.Finished())


class AwayAnswers(MemoryAnswers):
    """Does not answer."""

    async def claim(self, place: Place, body_hash: bytes) -> Claim | bytes:
        raise LedgerUnavailable


async def test_an_answer_is_remembered_before_its_last_event_is_sent_and_not_earlier() -> None:
    store = MemoryAnswers(ROOM)
    remembered = []

    async def send(_: router_pb2.GenerateResponse) -> None:
        try:
            found = await store.claim(PLACE, body_hash(REQUEST))
        except RequestError:
            remembered.append(False)
        else:
            remembered.append(isinstance(found, bytes))

    async with turn_of(store, PLACE, REQUEST, send, fail_open=False) as turn:
        assert not isinstance(turn, Replay)
        await turn(STARTED)
        await turn(FINISHED)
    assert remembered == [False, True]


async def test_while_the_store_is_away_a_request_runs_only_if_that_was_asked_for() -> None:
    sent = []

    async def send(message: router_pb2.GenerateResponse) -> None:
        sent.append(message)

    with pytest.raises(LedgerUnavailable):
        async with turn_of(AwayAnswers(ROOM), PLACE, REQUEST, send, fail_open=False):
            raise AssertionError("it ran")
    async with turn_of(AwayAnswers(ROOM), PLACE, REQUEST, send, fail_open=True) as turn:
        assert not isinstance(turn, Replay)
        await turn(FINISHED)
    assert sent == [FINISHED]
