"""What the caller writes is what the message says, and what cannot be sent is refused before it is."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.v1 import message_pb2, router_pb2
from tierwise_client import DraftDelivery, Role
from tierwise_client._options import generate_request, route_request, stream_request, timeout_s
from tierwise_client._prompt import messages_of

USER = message_pb2.ROLE_USER
ASSISTANT = message_pb2.ROLE_ASSISTANT


def message(role: message_pb2.Role, *texts: str) -> message_pb2.Message:
    blocks = [message_pb2.ContentBlock(text=message_pb2.TextBlock(text=text)) for text in texts]
    return message_pb2.Message(role=role, content=blocks)


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        ("Hi", [message(USER, "Hi")]),
        ("", []),
        ([], []),
        (
            [("user", "Hi"), (Role.ASSISTANT, "Yes?")],
            [message(USER, "Hi"), message(ASSISTANT, "Yes?")],
        ),
        ([{"role": "user", "content": "Hi"}], [message(USER, "Hi")]),
        (({"role": Role.USER, "content": "Hi"},), [message(USER, "Hi")]),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, "b"]}],
            [message(USER, "a", "b")],
        ),
        ([message(USER, "Hi")], [message(USER, "Hi")]),
        (
            [{"role": "user", "content": list(message(USER, "Hi").content)}],
            [message(USER, "Hi")],
        ),
    ],
)
def test_a_prompt_may_be_written_in_several_ways(
    prompt: Any,
    messages: list[message_pb2.Message],
) -> None:
    assert messages_of(prompt) == messages


@pytest.mark.parametrize(
    ("prompt", "error", "complaint"),
    [
        ([("system", "Be brief.")], ValueError, "system="),
        ([{"role": "tool", "content": "x"}], ValueError, "role"),
        (["Hi"], TypeError, "a message is"),
        ([("user", "a", "b")], TypeError, "a message is"),
        ([("user", 1)], TypeError, "a message is"),
        ([{"role": "user"}], TypeError, "a message is"),
        ([{"role": "user", "content": "x", "name": "y"}], TypeError, "a message is"),
        ([{"role": "user", "content": [{"type": "image"}]}], TypeError, "content is text"),
        ([{"role": "user", "content": None}], TypeError, "content is text"),
    ],
)
def test_a_prompt_that_would_lose_something_is_refused(
    prompt: Any,
    error: type[Exception],
    complaint: str,
) -> None:
    with pytest.raises(error, match=complaint):
        messages_of(prompt)


def test_every_option_has_its_place_in_the_message() -> None:
    request = stream_request(
        "Hi",
        {
            "task_type": "classify_intent",
            "system": "Be brief.",
            "tier": "efficient",
            "max_tier": "frontier",
            "escalation": True,
            "confidence_threshold": 0.8,
            "max_cost_nano_usd": 5,
            "max_output_tokens": 100,
            "temperature": 0.0,
            "top_p": 0.9,
            "stop_sequences": ["END"],
            "request_id": "mine-1",
            "labels": {"team": "search"},
            "draft_delivery": "LIVE",
            "timeout_s": 3.0,
        },
    )
    wanted = router_pb2.GenerateRequest(
        request_id="mine-1",
        task_type="classify_intent",
        system="Be brief.",
        messages=[message(USER, "Hi")],
        draft_delivery=router_pb2.DRAFT_DELIVERY_LIVE,
        labels={"team": "search"},
    )
    wanted.routing.tier = "efficient"
    wanted.routing.max_tier = "frontier"
    wanted.routing.escalation = True
    wanted.routing.confidence_threshold = 0.8
    wanted.routing.max_cost_nano_usd = 5
    wanted.generation.max_output_tokens = 100
    wanted.generation.temperature = 0.0
    wanted.generation.top_p = 0.9
    wanted.generation.stop_sequences.append("END")
    assert request == wanted
    assert request.generation.HasField("temperature")


def test_what_is_not_asked_for_is_absent() -> None:
    request = generate_request("Hi", {"escalation": None, "max_cost_usd": None, "tier": None})
    assert not request.routing.HasField("escalation")
    assert not request.routing.HasField("max_cost_nano_usd")
    assert not request.generation.HasField("temperature")
    assert request.request_id == ""


def test_a_false_wish_is_a_wish() -> None:
    request = route_request("", {"escalation": False, "max_cost_nano_usd": 0})
    assert request.routing.HasField("escalation")
    assert request.routing.HasField("max_cost_nano_usd")


def test_drafts_are_held_unless_asked_otherwise() -> None:
    held, live = router_pb2.DRAFT_DELIVERY_HELD, router_pb2.DRAFT_DELIVERY_LIVE
    assert generate_request("Hi", {}).draft_delivery == held
    assert stream_request("Hi", {}).draft_delivery == held
    assert stream_request("Hi", {"draft_delivery": None}).draft_delivery == held
    assert stream_request("Hi", {"draft_delivery": DraftDelivery.LIVE}).draft_delivery == live


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (route_request, {"request_id": "x"}),
        (generate_request, {"draft_delivery": "LIVE"}),
        (stream_request, {"max_tokens": 5}),
    ],
)
def test_an_option_that_nobody_would_read_is_refused(
    build: Any,
    options: dict[str, Any],
) -> None:
    with pytest.raises(TypeError, match=f"unknown option '{next(iter(options))}'"):
        build("Hi", options)


@pytest.mark.parametrize("delivery", ["live", "SOMETIMES", ""])
def test_a_delivery_that_does_not_exist_is_refused(delivery: str) -> None:
    with pytest.raises(ValueError, match="DraftDelivery"):
        stream_request("Hi", {"draft_delivery": delivery})


@pytest.mark.parametrize(
    ("usd", "nano_usd"),
    [
        (0.1, 100_000_000),
        (1, 1_000_000_000),
        ("0.000000001", 1),
        (Decimal("0.0000000019"), 1),
        (0.0, 0),
        (-0.5, -500_000_000),
    ],
)
def test_a_cap_in_usd_is_whole_nano_usd(usd: Decimal | float | str, nano_usd: int) -> None:
    request = route_request("", {"max_cost_usd": usd})
    assert request.routing.max_cost_nano_usd == nano_usd


@given(st.decimals(min_value=0, max_value=10**6, places=12))
def test_a_cap_never_grows_by_rounding(usd: Decimal) -> None:
    sent = route_request("", {"max_cost_usd": usd}).routing.max_cost_nano_usd
    assert 0 <= usd * 10**9 - sent < 1


@pytest.mark.parametrize("usd", ["a dollar", math.nan, math.inf, Decimal("sNaN"), 1e300])
def test_a_cap_that_is_no_amount_is_refused(usd: Any) -> None:
    with pytest.raises(ValueError, match=r"max_cost_usd|range"):
        route_request("", {"max_cost_usd": usd})


def test_only_one_cap_is_given() -> None:
    with pytest.raises(ValueError, match="not both"):
        route_request("", {"max_cost_usd": 1, "max_cost_nano_usd": 1})


def test_a_call_s_own_deadline_wins() -> None:
    assert timeout_s({}, 600.0) == 600.0
    assert timeout_s({"timeout_s": None}, 600.0) == 600.0
    assert timeout_s({"timeout_s": 5}, 600.0) == 5
    assert timeout_s({"timeout_s": 900}, 600.0) == 900
    assert timeout_s({"timeout_s": math.inf}, 600.0) is None
    assert timeout_s({}, math.inf) is None


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_deadline_in_the_past_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        timeout_s({"timeout_s": seconds}, 600.0)
