"""The Python driver: makes one call with the Python client for each line it reads (tests/interop/README.md)."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Literal

from google.protobuf import json_format
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import BaseModel, ConfigDict

from tierwise.v1 import router_pb2
from tierwise_client import Client, Stream, TierwiseError

_ROUTING = ("tier", "max_tier", "escalation", "confidence_threshold", "max_cost_nano_usd")
_GENERATION = ("max_output_tokens", "temperature", "top_p", "stop_sequences")
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Call(BaseModel):
    """One line of input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    call: Literal["Generate", "Route"]
    read: Literal["events", "text", "answer"] = "answer"
    endpoint: str | None = None
    request: dict[str, Any]
    api_key: str | None = None
    timeout_s: float | None = None
    traceparent: str = ""
    cancel_after: str = ""

    @property
    def message(self) -> router_pb2.GenerateRequest | router_pb2.RouteRequest:
        """The request as a message."""
        message: router_pb2.GenerateRequest | router_pb2.RouteRequest = router_pb2.RouteRequest()
        if self.call == "Generate":
            message = router_pb2.GenerateRequest()
        return json_format.ParseDict(self.request, message)

    @property
    def options(self) -> dict[str, Any]:
        """The request's fields as the client's options."""
        message = self.message
        options: dict[str, Any] = {"task_type": message.task_type, "system": message.system}
        options |= _set_fields(message.routing, _ROUTING)
        options |= _set_fields(message.generation, _GENERATION)
        options["timeout_s"] = self.timeout_s
        if isinstance(message, router_pb2.GenerateRequest):
            options |= {"request_id": message.request_id, "labels": dict(message.labels)}
            if self.read != "answer" and message.draft_delivery == router_pb2.DRAFT_DELIVERY_LIVE:
                options["draft_delivery"] = "LIVE"
        return options


def _set_fields(message: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields() if field.name in names}


def main() -> None:
    """Play every line of standard input."""
    for line in sys.stdin.buffer:
        call = Call.model_validate_json(line)
        with _within(call.traceparent), Client(call.endpoint, api_key=call.api_key) as client:
            _write("end", _play(call, client))


def _within(traceparent: str) -> AbstractContextManager[object]:
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    span = trace.get_current_span(context)
    return nullcontext() if span is INVALID_SPAN else trace.use_span(span)


def _play(call: Call, client: Client) -> dict[str, Any]:
    prompt = list(call.message.messages)
    try:
        if call.call == "Route":
            return {"response": client.route(prompt, **call.options)}
        if call.read == "answer":
            return {"answer": client.generate(prompt, **call.options)}
        with client.stream(prompt, **call.options) as stream:
            _write_pieces(call, stream)
            return {"answer": stream.answer}
    except TierwiseError as error:
        return {"error": _described(error)}
    except (TypeError, ValueError) as error:
        return {"refused": str(error)}


def _write_pieces(call: Call, stream: Stream) -> None:
    if call.read == "text":
        for text in stream.text:
            _write("text", text)
        return
    for event in stream.events:
        kind = _WORD_BEGINS.sub("_", type(event).__name__).lower()
        _write("event", {kind: event})
        if kind == call.cancel_after:
            call.cancel_after = ""
            stream.cancel()


def _described(error: TierwiseError) -> dict[str, Any]:
    return {
        "class": type(error).__name__,
        "status": error.status.name,
        "reason": error.reason,
        "message": error.message,
        "retry_after_s": error.retry_after_s,
        "violations": [violation.field for violation in error.field_violations],
        "request_id": error.request_id,
        "started": error.started,
        "partial_text": error.partial_text,
        "summary": error.summary,
    }


def _write(key: str, value: Any) -> None:
    sys.stdout.write(json.dumps({key: _plain(value)}) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    """Return a value of the client's as plain values."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(item) for name, item in fields.items() if name != "proto"}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


if __name__ == "__main__":
    main()
