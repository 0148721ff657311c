"""Requests of the contract as the core's tasks: everything arrives, and every fault is named at once."""

from __future__ import annotations

import contextlib
import math
import uuid
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import a_request
from tierwise.v1 import message_pb2, router_pb2, routing_pb2
from tierwise_server.core.model import (
    DraftDelivery,
    GenerationOptions,
    Message,
    Prompt,
    Role,
    RoutingOptions,
)
from tierwise_server.errors import InvalidRequest, Reason
from tierwise_server.rpc.requests import generate_task, route_task


def text(*texts: str, role: message_pb2.Role = message_pb2.ROLE_USER) -> Any:
    blocks = [message_pb2.ContentBlock(text=message_pb2.TextBlock(text=text)) for text in texts]
    return message_pb2.Message(role=role, content=blocks)


def faults_of(request: router_pb2.GenerateRequest) -> list[str]:
    with pytest.raises(InvalidRequest) as refusal:
        generate_task(request)
    assert refusal.value.reason is Reason.INVALID_REQUEST
    assert all(fault.message for fault in refusal.value.faults)
    return [fault.path for fault in refusal.value.faults]


def test_everything_that_was_asked_arrives() -> None:
    assistant = message_pb2.ROLE_ASSISTANT
    request = router_pb2.GenerateRequest(
        request_id="r-1",
        task_type="answer_faq",
        system="Be brief.",
        messages=[text("One", "Two"), text("Three", role=assistant), text("Four")],
        routing=routing_pb2.RoutingOptions(
            tier="efficient",
            max_tier="frontier",
            escalation=False,
            confidence_threshold=0.0,
            max_cost_nano_usd=0,
        ),
        generation=routing_pb2.GenerationOptions(
            max_output_tokens=1, temperature=0.0, top_p=1.0, stop_sequences=["END"]
        ),
        draft_delivery=router_pb2.DRAFT_DELIVERY_LIVE,
        labels={"team": ""},
    )
    task = generate_task(request)
    assert task.prompt == Prompt(
        "Be brief.",
        (
            Message(Role.USER, ("One", "Two")),
            Message(Role.ASSISTANT, ("Three",)),
            Message(Role.USER, ("Four",)),
        ),
    )
    assert task.routing == RoutingOptions("efficient", "frontier", False, 0.0, 0)
    assert task.generation == GenerationOptions(1, 0.0, 1.0, ("END",))
    assert (task.request_id, task.task_type) == ("r-1", "answer_faq")
    assert task.draft_delivery is DraftDelivery.LIVE
    assert task.labels == {"team": ""}


@pytest.mark.parametrize("empty", [True, False])
def test_what_was_not_asked_stays_absent(*, empty: bool) -> None:
    request = a_request()
    if empty:
        request.routing.SetInParent()
        request.generation.SetInParent()
    task = generate_task(request)
    assert task.routing == RoutingOptions()
    assert task.generation == GenerationOptions()
    assert task.draft_delivery is DraftDelivery.HELD


def test_a_request_without_an_id_gets_one_of_its_own() -> None:
    ids = [generate_task(a_request()).request_id for _ in range(2)]
    assert ids[0] != ids[1]
    assert [str(uuid.UUID(given)) for given in ids] == ids


def test_route_needs_neither_messages_nor_turns() -> None:
    assert route_task(router_pb2.RouteRequest()).prompt == Prompt("", ())
    request = router_pb2.RouteRequest(messages=[text("I end", role=message_pb2.ROLE_ASSISTANT)])
    assert route_task(request).prompt.messages[0].role is Role.ASSISTANT


def test_route_refuses_what_is_wrong_in_itself() -> None:
    request = router_pb2.RouteRequest(task_type="x" * 129, messages=[text("")])
    with pytest.raises(InvalidRequest) as refusal:
        route_task(request)
    paths = [fault.path for fault in refusal.value.faults]
    assert sorted(paths) == ["messages[0].content[0].text", "task_type"]


NAN = float("nan")
FAULTY: list[tuple[str, dict[str, Any]]] = [
    ("request_id", {"request_id": "a b"}),
    ("request_id", {"request_id": "x" * 129}),
    ("request_id", {"request_id": "naïve"}),
    ("request_id", {"request_id": "a\n"}),
    ("task_type", {"task_type": "x" * 129}),
    ("routing.confidence_threshold", {"routing": {"confidence_threshold": 1.0000001}}),
    ("routing.confidence_threshold", {"routing": {"confidence_threshold": -0.1}}),
    ("routing.confidence_threshold", {"routing": {"confidence_threshold": NAN}}),
    ("routing.max_cost_nano_usd", {"routing": {"max_cost_nano_usd": -1}}),
    ("generation.max_output_tokens", {"generation": {"max_output_tokens": 0}}),
    ("generation.max_output_tokens", {"generation": {"max_output_tokens": -5}}),
    ("generation.temperature", {"generation": {"temperature": 1.1}}),
    ("generation.temperature", {"generation": {"temperature": math.inf}}),
    ("generation.temperature", {"generation": {"temperature": NAN}}),
    ("generation.top_p", {"generation": {"top_p": -0.0001}}),
    ("generation.stop_sequences", {"generation": {"stop_sequences": ["x"] * 17}}),
    ("generation.stop_sequences", {"generation": {"stop_sequences": ["x", ""]}}),
    ("generation.stop_sequences", {"generation": {"stop_sequences": ["\n"]}}),
    ("labels", {"labels": {str(n): "" for n in range(17)}}),
    ("labels", {"labels": {"": "x"}}),
    ("labels", {"labels": {"k" * 65: "x"}}),
    ("labels", {"labels": {"k": "v" * 257}}),
    ("messages", {"messages": []}),
    ("draft_delivery", {"draft_delivery": 99}),
]


@pytest.mark.parametrize(("path", "fields"), FAULTY)
def test_each_fault_is_named_by_its_field(path: str, fields: dict[str, Any]) -> None:
    request = a_request()
    for name in fields:
        request.ClearField(name)
    request.MergeFrom(router_pb2.GenerateRequest(**fields))
    assert faults_of(request) == [path]


ALLOWED: list[dict[str, Any]] = [
    {"request_id": "x" * 128},
    {"task_type": "x" * 128},
    {"task_type": "日本\n"},
    {"routing": {"confidence_threshold": 1.0, "max_cost_nano_usd": 0}},
    {"routing": {"confidence_threshold": 0.0, "max_cost_nano_usd": 2**63 - 1}},
    {"generation": {"temperature": 1.0, "top_p": 0.0, "max_output_tokens": 2**31 - 1}},
    {"generation": {"stop_sequences": ["x"] * 16}},
    {"labels": {"k" * 64: "v" * 256}},
    {"labels": {str(n): "" for n in range(16)}},
]


@pytest.mark.parametrize("fields", ALLOWED)
def test_what_is_just_within_bounds_is_taken(fields: dict[str, Any]) -> None:
    request = a_request(task_type="")
    request.MergeFrom(router_pb2.GenerateRequest(**fields))
    generate_task(request)


@pytest.mark.parametrize(
    ("messages", "paths"),
    [
        ([message_pb2.Message(role=message_pb2.ROLE_USER)], ["messages[0].content"]),
        ([message_pb2.Message(content=text("x").content)], ["messages[0].role"]),
        ([text("x", "")], ["messages[0].content[1].text"]),
        ([text(" \t\n\u2003", "x")], ["messages[0].content[0].text"]),
        (
            [message_pb2.Message(role=message_pb2.ROLE_USER, content=[message_pb2.ContentBlock()])],
            ["messages[0].content[0]"],
        ),
        (
            [text("x", role=message_pb2.ROLE_ASSISTANT)],
            ["messages[0].role", "messages[0].role"],
        ),
        ([text("x"), text("y", role=message_pb2.ROLE_ASSISTANT)], ["messages[1].role"]),
    ],
)
def test_each_faulty_message_is_named_by_its_place(messages: list[Any], paths: list[str]) -> None:
    request = a_request()
    del request.messages[:]
    request.messages.extend(messages)
    assert faults_of(request) == paths


@given(st.binary(max_size=400))
def test_whatever_parses_is_taken_or_refused(raw: bytes) -> None:
    request = router_pb2.GenerateRequest()
    with contextlib.suppress(DecodeError, UnicodeDecodeError, ValueError, InvalidRequest):
        request.MergeFromString(a_request().SerializeToString() + raw)
        assert generate_task(request).prompt.messages
