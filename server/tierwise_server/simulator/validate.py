"""What the Messages API refuses, in the order in which it looks.

Only what a router can get wrong is checked: the shape of the body, and what each model accepts. Messages are worded as
the API words them, because people search for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tierwise_server.simulator.api_errors import ApiError, invalid
from tierwise_server.simulator.models import EFFORTS, THINKING_TYPES, Catalogue, ModelSpec
from tierwise_server.simulator.requests import Body, MessagesRequest, thinks
from tierwise_server.simulator.schema import check_schema

COUNT_FIELDS: Final = frozenset(
    {
        "cache_control",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
        "user_profile_id",
    }
)
MESSAGE_FIELDS: Final = COUNT_FIELDS | {
    "container",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
}

_ROLES: Final = ("user", "assistant", "system")
_BLOCKS: Final = (
    "document",
    "image",
    "redacted_thinking",
    "search_result",
    "text",
    "thinking",
    "tool_result",
    "tool_use",
)
_MOST_CACHE_MARKS: Final = 4
_LEAST_BUDGET: Final = 1024


def parse_body(raw: bytes) -> Body:
    """The JSON object in a request body."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise invalid("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object")
    return body


def check_body(body: Body, catalogue: Catalogue, *, counting: bool = False) -> ModelSpec:
    """The model that a body names, if the API would serve it; its error otherwise.

    `counting` is for count_tokens, which takes fewer fields and needs no max_tokens.
    """
    allowed = COUNT_FIELDS if counting else MESSAGE_FIELDS
    for field in body:
        if field not in allowed:
            raise invalid(f"{field}: Extra inputs are not permitted")
    for field in ("model", "messages") if counting else ("model", "messages", "max_tokens"):
        if field not in body:
            raise invalid(f"{field}: Field required")
    if not isinstance(body["model"], str):
        raise invalid("model: Input should be a valid string")
    _check_shapes(body)
    _check_messages(body["messages"])
    model = catalogue.serving(body["model"])
    if model is None:
        raise ApiError(404, f"model: {body['model']}")
    _check_for_model(body, model, counting=counting)
    return model


def _check_shapes(body: Body) -> None:
    for field in ("cache_control", "metadata", "output_config", "thinking", "tool_choice"):
        if body.get(field) is not None and not isinstance(body[field], dict):
            raise invalid(f"{field}: Input should be an object")
    if not isinstance(body.get("stream", False), bool):
        raise invalid("stream: Input should be a valid boolean")
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid("tools: Input should be a valid list of objects")
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise invalid("stop_sequences: Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    if body.get("system") is not None:
        _check_content(body["system"], "system")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list):
        raise invalid("messages: Input should be a valid list")
    if not messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        path = f"messages.{index}"
        if not isinstance(message, dict):
            raise invalid(f"{path}: Input should be an object")
        if message.get("role") not in _ROLES:
            raise invalid(f"{path}.role: Input should be 'user', 'assistant' or 'system'")
        if "content" not in message:
            raise invalid(f"{path}.content: Field required")
        _check_content(message["content"], f"{path}.content")
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')


def _check_content(content: Any, path: str) -> None:
    if isinstance(content, str):
        if not content and path != "system":
            raise invalid(f"{path}: text content blocks must be non-empty")
        return
    if not isinstance(content, list) or (not content and path != "system"):
        raise invalid(f"{path}: Input should be a valid string or a non-empty list")
    for index, block in enumerate(content):
        _check_block(block, f"{path}.{index}")


def _check_block(block: Any, path: str) -> None:
    if not isinstance(block, dict):
        raise invalid(f"{path}: Input should be an object")
    kind = block.get("type")
    if kind not in _BLOCKS:
        raise invalid(
            f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected"
            f" tags: {', '.join(repr(name) for name in _BLOCKS)}"
        )
    if kind != "text":
        return
    if not isinstance(block.get("text"), str):
        raise invalid(f"{path}.text.text: Field required")
    if not block["text"].strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")


def _check_for_model(body: Body, model: ModelSpec, *, counting: bool) -> None:
    if not counting:
        _check_max_tokens(body["max_tokens"], model)
    _check_thinking(body, model, counting=counting)
    _check_effort(body, model)
    _check_format(body, model)
    _check_sampling(body, model)
    if body["messages"][-1]["role"] == "assistant" and not model.takes_prefill:
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with"
            " a user message."
        )
    _check_cache_marks(body)


def check_length(request: MessagesRequest) -> None:
    """Raise the API's 400 if the prompt does not fit the model."""
    tokens = request.input_tokens
    if tokens > request.model.max_input_tokens:
        raise invalid(
            f"prompt is too long: {tokens} tokens > {request.model.max_input_tokens} maximum"
        )


def _check_max_tokens(max_tokens: Any, model: ModelSpec) -> None:
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if max_tokens < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if max_tokens > model.max_tokens:
        raise invalid(
            f"max_tokens: {max_tokens} > {model.max_tokens}, which is the maximum allowed number of"
            f" output tokens for {model.id}"
        )


def _check_thinking(body: Body, model: ModelSpec, *, counting: bool) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    form = thinking.get("type")
    if form not in THINKING_TYPES:
        raise invalid(
            f"thinking: Input tag '{form}' found using 'type' does not match any of the expected"
            f" tags: {', '.join(repr(name) for name in THINKING_TYPES)}"
        )
    if form not in model.thinking_types:
        raise invalid(_refused_thinking(form, model))
    if thinking.get("display") not in (None, "omitted", "summarized"):
        raise invalid("thinking.display: Input should be 'summarized' or 'omitted'")
    if form == "enabled":
        _check_budget(thinking, body.get("max_tokens"), counting=counting)
    elif "budget_tokens" in thinking:
        raise invalid(f"thinking.{form}.budget_tokens: Extra inputs are not permitted")


def _refused_thinking(form: str, model: ModelSpec) -> str:
    if form == "adaptive":
        return "adaptive thinking is not supported on this model"
    if "between_tools" in model.thinking_types:
        advice = 'To turn thinking off on this model, send "thinking": {"type": "between_tools"}.'
    else:
        advice = (
            'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    return f'"thinking.type.{form}" is not supported for this model. {advice}'


def _check_budget(thinking: Body, max_tokens: Any, *, counting: bool) -> None:
    budget = thinking.get("budget_tokens")
    if budget is None:
        raise invalid("thinking.enabled.budget_tokens: Field required")
    if not isinstance(budget, int) or isinstance(budget, bool):
        raise invalid("thinking.enabled.budget_tokens: Input should be a valid integer")
    if budget < _LEAST_BUDGET:
        raise invalid(
            f"thinking.enabled.budget_tokens: Input should be greater than or equal to"
            f" {_LEAST_BUDGET}"
        )
    if not counting and budget >= max_tokens:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`")


def _check_effort(body: Body, model: ModelSpec) -> None:
    effort = (body.get("output_config") or {}).get("effort")
    if effort is None:
        return
    if not model.efforts:
        raise invalid("This model does not support the effort parameter.")
    if effort not in EFFORTS:
        raise invalid(
            f"output_config.effort: Input should be {', '.join(repr(e) for e in EFFORTS)}"
        )
    if effort not in model.efforts:
        raise invalid(f"This model does not support effort level '{effort}'.")
    if not thinks(body, model) and effort not in model.efforts_without_thinking:
        raise invalid(f"Effort level '{effort}' is not supported while thinking is off.")


def _check_format(body: Body, model: ModelSpec) -> None:
    wanted = (body.get("output_config") or {}).get("format")
    if wanted is None:
        return
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        raise invalid("output_config.format.type: Input should be 'json_schema'")
    if not isinstance(wanted.get("schema"), Mapping):
        raise invalid("output_config.format.schema: Field required")
    if not model.takes_schema:
        raise invalid("This model does not support structured outputs.")
    check_schema(wanted["schema"])


def _check_sampling(body: Body, model: ModelSpec) -> None:
    sent = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    for name, value in sent.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise invalid(f"{name}: Input should be a valid number")
        if name != "top_k" and not 0 <= value <= 1:
            raise invalid(f"{name}: range: 0..1")
        if not model.takes_sampling and (name == "top_k" or value != 1):
            raise invalid(f"`{name}` is deprecated for this model.")
    if thinks(body, model) and sent.get("temperature", 1) != 1:
        raise invalid(
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."
        )
    if model.takes_sampling and "temperature" in sent and "top_p" in sent:
        raise invalid(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only"
            " one."
        )


def _check_cache_marks(body: Body) -> None:
    holders = [body, *(body.get("tools") or ())]
    for content in (body.get("system"), *(m["content"] for m in body["messages"])):
        if isinstance(content, list):
            holders.extend(content)
    marks = [holder["cache_control"] for holder in holders if holder.get("cache_control")]
    for mark in marks:
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
            raise invalid("cache_control.type: Input should be 'ephemeral'")
        if mark.get("ttl") not in (None, "5m", "1h"):
            raise invalid("cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    if len(marks) > _MOST_CACHE_MARKS:
        raise invalid(
            f"A maximum of {_MOST_CACHE_MARKS} blocks with cache_control may be provided. Found"
            f" {len(marks)}."
        )
