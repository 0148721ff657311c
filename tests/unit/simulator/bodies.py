"""Request bodies and requests for the simulator's tests."""

from __future__ import annotations

from typing import Any

from tierwise_server.simulator.answers import Answer, Content
from tierwise_server.simulator.models import MODELS, Catalogue
from tierwise_server.simulator.render import Reported
from tierwise_server.simulator.requests import MessagesRequest, read_request
from tierwise_server.simulator.tokens import InputBill, estimate_tokens
from tierwise_server.simulator.validate import check_body

HAIKU = "claude-haiku-4-5-20251001"
SONNET = "claude-sonnet-4-6"
OPUS = "claude-opus-4-8"
HAIKU_5 = "claude-haiku-5-5"
SONNET_5 = "claude-sonnet-5-5"
OPUS_5 = "claude-opus-5-5"

CATALOGUE = Catalogue(MODELS)

SCORE_SCHEMA = {
    "type": "object",
    "properties": {"confidence": {"type": "integer", "enum": list(range(1, 11))}},
    "required": ["confidence"],
    "additionalProperties": False,
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def a_body(
    text: str = "What is a fold?", *, model: object = HAIKU, **fields: Any
) -> dict[str, Any]:
    return {"model": model, "max_tokens": 4096, "messages": [user(text)]} | fields


def as_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def read(body: dict[str, Any]) -> MessagesRequest:
    return read_request(body, check_body(body, CATALOGUE))


def a_request(
    text: str = "What is a fold?", *, model: str = HAIKU, **fields: Any
) -> MessagesRequest:
    return read(a_body(text, model=model, **fields))


def a_check(question: str = "How sure are you?", **fields: Any) -> MessagesRequest:
    messages = [user("What is a fold?"), assistant("A crease."), user(question)]
    return a_request(messages=messages, **fields)


def reported(
    pieces: tuple[str, ...] = ("Hello", " you."),
    thinking: tuple[str, ...] | None = None,
    *,
    thinking_tokens: int = 0,
    stop_reason: str = "end_turn",
) -> Reported:
    tokens = thinking_tokens + estimate_tokens("".join(pieces))
    content = Content(pieces, thinking, "" if thinking is None else "c2ln")
    answer = Answer(content, stop_reason, None, tokens, thinking_tokens)
    return Reported("msg_1", "claude-x", answer, InputBill(7, 5, 3, 2), 100)
