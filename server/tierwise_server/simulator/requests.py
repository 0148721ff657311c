"""A POST /v1/messages body, read: what the rest of the simulator needs to know of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from tierwise_server.core.confidence import CHECK_MARK
from tierwise_server.simulator.models import ModelSpec
from tierwise_server.simulator.schema import Schema, asks_for_confidence
from tierwise_server.simulator.tokens import (
    ATTACHMENT_TOKENS,
    MESSAGE_TOKENS,
    PromptBlock,
    tokens_of_bytes,
)

Body: TypeAlias = Mapping[str, Any]
MessageKind: TypeAlias = Literal["answer", "check"]

_ATTACHMENTS: Final = frozenset({"document", "image"})
_UNCOUNTED: Final = frozenset({"redacted_thinking", "thinking"})
"""Thinking of earlier turns is stripped before the model sees it."""


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A request that passed every check.

    Attributes:
        model: the model asked.
        named: the id or alias the request used.
        kind: `check` for a confidence question, `answer` for anything else.
        stream: whether the answer is streamed.
        max_tokens: the most output tokens, thinking included.
        task_text: what rules look at: the last user message; for a check every user message.
        draft_text: the last assistant message; for a check the answer under review.
        system_text: the system prompt.
        blocks: the prompt in cache order.
        thinking: whether the model thinks.
        shows_thinking: whether thinking text is returned.
        thinking_budget: the most thinking tokens, if the request sets it.
        effort: the effort level in force; "" where the model has none.
        schema: the JSON schema that the answer must follow, if any.
        stop_sequences: texts that end the answer.
    """

    model: ModelSpec
    named: str
    kind: MessageKind
    stream: bool
    max_tokens: int
    task_text: str
    draft_text: str
    system_text: str
    blocks: tuple[PromptBlock, ...]
    thinking: bool
    shows_thinking: bool
    thinking_budget: int | None
    effort: str
    schema: Schema | None
    stop_sequences: tuple[str, ...]

    @property
    def input_tokens(self) -> int:
        """All input tokens, cached or not."""
        return sum(block.tokens for block in self.blocks)


def read_request(body: Body, model: ModelSpec) -> MessagesRequest:
    """Read a body that validate.check_body has accepted for `model`."""
    thinking = body.get("thinking") or {}
    output = body.get("output_config") or {}
    schema = (output.get("format") or {}).get("schema")
    texts = _texts_by_role(body)
    kind = _kind(schema, texts, body)
    users = texts["user"]
    return MessagesRequest(
        model=model,
        named=body["model"],
        kind=kind,
        stream=body.get("stream") is True,
        max_tokens=body.get("max_tokens", model.max_tokens),
        task_text="\n".join(users) if kind == "check" else users[-1],
        draft_text=texts["assistant"][-1] if texts["assistant"] else "",
        system_text=plain_text(body.get("system")),
        blocks=tuple(prompt_blocks(body, model)),
        thinking=thinks(body, model),
        shows_thinking=_shows_thinking(thinking, model),
        thinking_budget=thinking.get("budget_tokens"),
        effort=output.get("effort") or (model.default_effort if model.efforts else ""),
        schema=schema,
        stop_sequences=tuple(body.get("stop_sequences") or ()),
    )


def thinks(body: Body, model: ModelSpec) -> bool:
    """Whether this request makes `model` think."""
    form = (body.get("thinking") or {}).get("type")
    return model.thinks_by_default if form is None else form in ("adaptive", "enabled")


def _shows_thinking(thinking: Body, model: ModelSpec) -> bool:
    display = thinking.get("display")
    return model.shows_thinking if display is None else bool(display == "summarized")


def _texts_by_role(body: Body) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {"user": [], "assistant": [], "system": []}
    for message in body["messages"]:
        texts[message["role"]].append(plain_text(message["content"]))
    return texts


def _kind(schema: Schema | None, texts: Mapping[str, Sequence[str]], body: Body) -> MessageKind:
    if schema is not None and asks_for_confidence(schema):
        return "check"
    marked = CHECK_MARK in texts["user"][-1] or CHECK_MARK in plain_text(body.get("system"))
    return "check" if marked else "answer"


def plain_text(content: Any) -> str:
    """The text of a system prompt or a message's content, blocks joined."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


def prompt_blocks(body: Body, model: ModelSpec) -> Iterator[PromptBlock]:
    """The prompt in the order the API caches it: tools, system, messages.

    A top-level `cache_control` marks the last block, as the API does.
    """
    blocks = [
        *(_tool_block(tool, model) for tool in body.get("tools") or ()),
        *_content_blocks(body.get("system") or (), model, frame="system"),
    ]
    for message in body["messages"]:
        blocks.extend(_content_blocks(message["content"], model, frame=message["role"]))
    automatic = _ttl(body)
    if automatic and blocks and not blocks[-1].ttl:
        blocks[-1] = PromptBlock(blocks[-1].content, blocks[-1].tokens, automatic)
    yield from blocks


def _ttl(holder: Body) -> str:
    control = holder.get("cache_control")
    return (control.get("ttl") or "5m") if control else ""


def _tool_block(tool: Body, model: ModelSpec) -> PromptBlock:
    content = _json({key: value for key, value in tool.items() if key != "cache_control"})
    return PromptBlock(content, tokens_of_bytes(len(content), model.token_percent), _ttl(tool))


def _content_blocks(content: Any, model: ModelSpec, *, frame: str) -> Iterator[PromptBlock]:
    extra = 0 if frame == "system" else MESSAGE_TOKENS
    if isinstance(content, str):
        content = ({"type": "text", "text": content},)
    for block in content:
        said, tokens = _counted(block, model)
        yield PromptBlock(b"%s:%s" % (frame.encode(), said), tokens + extra, _ttl(block))
        extra = 0


def _counted(block: Body, model: ModelSpec) -> tuple[bytes, int]:
    kind = block["type"]
    if kind == "text":
        said = block["text"].encode()
        return said, tokens_of_bytes(len(said), model.token_percent)
    said = _json({key: value for key, value in block.items() if key != "cache_control"})
    if kind in _ATTACHMENTS:
        return said, ATTACHMENT_TOKENS
    if kind in _UNCOUNTED:
        return said, 0
    return said, tokens_of_bytes(len(said), model.token_percent)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
