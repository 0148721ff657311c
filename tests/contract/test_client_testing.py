"""The fake server that the client ships does what its words say."""

from __future__ import annotations

import threading

import pytest

import tierwise_client as client
from tierwise.v1 import router_pb2
from tierwise_client import Client
from tierwise_client.testing import FakeServer, Hold, answered, failed, routed


def test_scripts_are_played_in_order_and_then_a_default() -> None:
    with FakeServer() as server, Client(server.endpoint) as caller:
        server.play(answered("first"))
        server.play(answered("second"))
        texts = [caller.generate("Hi").text for _ in range(3)]
    assert texts == ["first", "second", "Hello from the fake server."]


def test_replies_are_given_in_order_and_then_a_default() -> None:
    with FakeServer() as server, Client(server.endpoint) as caller:
        server.reply(routed("reasoning"))
        decisions = [caller.route(task_type="answer_faq").decision for _ in range(2)]
    assert [decision.tier for decision in decisions] == ["reasoning", "efficient"]
    assert decisions[1].task_type == "answer_faq"


def test_one_step_is_a_script() -> None:
    with FakeServer() as server, Client(server.endpoint) as caller:
        server.play(failed("BUDGET_EXCEEDED", quotas={"request": "cap"}))
        with pytest.raises(client.BudgetExceededError) as caught:
            caller.generate("Hi")
    assert caught.value.quota_violations == (client.QuotaViolation("request", "cap"),)


def test_a_held_call_goes_on_when_the_test_says_so() -> None:
    go_on = threading.Event()
    script = answered("Hello")
    with FakeServer() as server, Client(server.endpoint) as caller:
        server.play([*script[:3], Hold(go_on), *script[3:]])
        with caller.stream("Hi") as stream:
            pieces = stream.text
            assert next(pieces) == "Hell"
            go_on.set()
            assert list(pieces) == ["o"]
        assert server.calls[0].ended.wait(10)
        assert not server.calls[0].cancelled


def test_a_whole_message_is_sent_as_it_is() -> None:
    with FakeServer() as server, Client(server.endpoint) as caller:
        server.play(router_pb2.GenerateResponse(sequence=7, heartbeat={}))
        with pytest.raises(client.ProtocolError, match="event 7 came instead"):
            caller.generate("Hi")


def test_waiting_for_calls_that_do_not_come_ends() -> None:
    with FakeServer() as server, Client(server.endpoint) as caller:
        caller.route()
        server.wait_for_calls(1)
        with pytest.raises(TimeoutError, match="1 of 2"):
            server.wait_for_calls(2, timeout_s=0.05)
