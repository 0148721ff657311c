"""A model call in the words of the Messages API. Pure.

Source: `MessageCreateParams` in the anthropic package, and the model table of the platform's pages for
what each model accepts, which `core.model.Model` carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from pydantic_core import to_json

from tierwise_server.core.model import CallKind, Message, Model, ThinkingForm
from tierwise_server.providers.base import ModelCall

_Json: TypeAlias = dict[str, Any]

# The version that the SDK sends, 2026-10-21, has no sampling options and answers 400 to any, whatever the
# model. The version before it still takes them, for the models that do, and is otherwise the same to us.
# Source: platform.claude.com/docs/en/api/versioning.
_SAMPLING_VERSION: Final = {"anthropic-version": "2023-06-01"}

# A check's last two turns are the draft and the question (core/confidence.py); what was asked before
# them is what the draft's own call left in the cache.
_CHECK_TURNS: Final = 2


def request_body(call: ModelCall) -> bytes:
    """The JSON body of POST /v1/messages that makes `call`, streamed.

    Raises:
        ValueError: the text cannot be sent: it holds half of a surrogate pair.
    """
    model = call.model
    body: _Json = {
        "model": model.id,
        "max_tokens": call.max_output_tokens,
        "messages": _messages(call),
        "stream": True,
    }
    optional = {
        "system": call.prompt.system,
        "thinking": _thinking(call),
        "output_config": _output_config(call),
        "stop_sequences": list(call.stop_sequences),
    }
    body.update((name, value) for name, value in optional.items() if value)
    body.update(_sampling(call))
    return to_json(body)


def request_headers(call: ModelCall) -> Mapping[str, str]:
    """The headers of `call` beside those that the SDK sends."""
    if _sampling(call):
        return {**call.headers, **_SAMPLING_VERSION}
    return call.headers


def _sampling(call: ModelCall) -> _Json:
    if not call.model.takes_sampling:
        return {}
    options = {"temperature": call.temperature, "top_p": call.top_p}
    return {name: value for name, value in options.items() if value is not None}


def _messages(call: ModelCall) -> list[_Json]:
    messages = [_message(message) for message in call.prompt.messages]
    if call.cache_prompt:
        turns = len(messages) - (_CHECK_TURNS if call.kind is CallKind.CHECK else 0)
        if turns > 0:
            messages[turns - 1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
    return messages


def _message(message: Message) -> _Json:
    content = [{"type": "text", "text": text} for text in message.texts]
    return {"role": message.role.value, "content": content}


def _thinking(call: ModelCall) -> _Json | None:
    form = ThinkingForm.NONE if call.kind is CallKind.CHECK else call.thinking
    if form is ThinkingForm.BUDGET:
        return {"type": "enabled", "budget_tokens": call.thinking_budget_tokens}
    if form is ThinkingForm.ADAPTIVE:
        return {"type": "adaptive"}
    return {"type": "disabled"} if _must_say_no(call.model) else None


def _must_say_no(model: Model) -> bool:
    return model.thinks_by_default and not model.always_thinks


def _output_config(call: ModelCall) -> _Json:
    config: _Json = {}
    if call.effort and call.model.takes_effort:
        config["effort"] = call.effort
    if call.schema is not None and call.model.takes_structured_output:
        config["format"] = {"type": "json_schema", "schema": dict(call.schema)}
    return config
