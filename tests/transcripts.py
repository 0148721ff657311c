"""Reads tests/cases/*.yaml, strictly. tests/cases/README.md describes the format.

A key that means nothing, a word that the contract does not have, or YAML that two languages would read differently is
an error of the file: a transcript that is half understood would prove nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import grpc
import yaml
from google.protobuf import json_format
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tests.house.tree import ROOT
from tests.messages import unknown_words
from tierwise.v1 import accounting_pb2, reason_pb2, router_pb2
from tierwise_server.config import Config
from tierwise_server.config.examine import examine_raw
from tierwise_server.errors import ConfigurationError
from tierwise_server.simulator import Script

FOLDER: Final = ROOT / "tests" / "cases"

Request = router_pb2.GenerateRequest | router_pb2.RouteRequest
AttributeValue = str | bool | int | float | list[str]

_EVENTS: Final = router_pb2.GenerateResponse.DESCRIPTOR.oneofs_by_name["event"].fields
_STATUSES: Final = frozenset(code.name for code in grpc.StatusCode)
_REASONS: Final = frozenset(
    name.removeprefix("ERROR_REASON_") for name, _ in reason_pb2.ErrorReason.items()
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Span(_Strict):
    """A span that must be there, with some of its attributes and all of its children in the order of their starts."""

    name: str
    attributes: dict[str, AttributeValue] = {}
    children: list[Span] = []


class Expectation(_Strict):
    """What must come of a transcript.

    Attributes:
        status: the name of the gRPC status.
        reason: of an error, the ErrorInfo's reason.
        retry_after_s: of an error, RetryInfo's delay; None: there is no RetryInfo.
        violations: of an error, the fields that BadRequest names, in order.
        events: every event but heartbeats in order, each a kind and part of its message; neighbouring text is joined.
        answer: the answer's text; None without an answer.
        cost_nano_usd: the total of the bill; None where there is no bill.
        calls: every attempt and check, each part of its CallRecord.
        summary: part of the GenerationSummary, without calls.
        spans: the root spans of the server.
        response: part of the RouteResponse.
    """

    status: str
    reason: str = ""
    retry_after_s: float | None = None
    violations: list[str] = []
    events: list[dict[str, dict[str, Any]]] = []
    answer: str | None = None
    cost_nano_usd: Annotated[int, Field(ge=0)] | None = None
    calls: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    spans: list[Span] = []
    response: dict[str, Any] = {}

    @model_validator(mode="after")
    def _only_known_words(self) -> Self:
        wrong = [*self._wrong_words(), *self._contradictions()]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _wrong_words(self) -> Iterator[str]:
        if self.status not in _STATUSES:
            yield f"there is no status {self.status!r}"
        if self.reason and self.reason not in _REASONS:
            yield f"there is no reason {self.reason!r}"
        kinds = {field.name: field.message_type for field in _EVENTS}
        for event in self.events:
            if len(event) != 1 or not event.keys() <= kinds.keys() - {"heartbeat"}:
                yield f"an event is one kind with its fields, not {sorted(event)}"
                continue
            [(kind, fields)] = event.items()
            yield from unknown_words(fields, kinds[kind])
        for call in self.calls:
            yield from unknown_words(call, accounting_pb2.CallRecord.DESCRIPTOR)
        yield from unknown_words(self.summary, accounting_pb2.GenerationSummary.DESCRIPTOR)
        yield from unknown_words(self.response, router_pb2.RouteResponse.DESCRIPTOR)

    def _contradictions(self) -> Iterator[str]:
        answered = self.answer is not None
        if (self.status == "OK") is bool(self.reason):
            yield "an error has a reason, and OK has none"
        if answered is not (bool(self.events) and self.events[-1].keys() == {"finished"}):
            yield "an answer and a last event `finished` come together"
        if (self.cost_nano_usd is not None) is not bool(self.calls):
            yield "calls have a bill, and a bill has calls"
        if "calls" in self.summary:
            yield "calls stand beside the summary, not in it"


class Transcript(_Strict):
    """One request, what its upstream does, and what must come of it.

    Attributes:
        name: unique, and what the test is called.
        why: what it shows, in a sentence.
        call: the method.
        config: settings of the server, as its TOML file would have them.
        timeout_s: the caller's deadline; None for none.
        request: the request in the contract's JSON mapping, with the contract's field names.
        upstream: the simulator's script.
        expect: what must come of it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    why: Annotated[str, Field(min_length=20)]
    call: Literal["Generate", "Route"] = "Generate"
    config: dict[str, Any] = {}
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    request: dict[str, Any]
    upstream: dict[str, Any] = {}
    expect: Expectation

    @model_validator(mode="after")
    def _only_what_can_be(self) -> Self:
        try:
            _ = self.message, self.script, self.configuration({})
        except (json_format.ParseError, ConfigurationError) as error:
            raise ValueError(str(error)) from None
        if self.call == "Route" and (self.expect.events or self.expect.calls or self.upstream):
            raise ValueError("Route asks no model and has no events")
        if self.call == "Generate" and self.expect.response:
            raise ValueError("Generate has no response; its decision is in `started`")
        return self

    @property
    def message(self) -> Request:
        """The request as a message of its own."""
        message: Request = router_pb2.RouteRequest()
        if self.call == "Generate":
            message = router_pb2.GenerateRequest()
        json_format.ParseDict(self.request, message)
        return message

    @property
    def script(self) -> Script:
        """What the simulator does."""
        return Script.from_mapping(self.upstream)

    def configuration(self, environ: Mapping[str, str]) -> Config:
        """Return the server's settings with these variables over them."""
        found = examine_raw(_as_toml(self.config), environ)
        if found.config is None:
            raise ValueError("; ".join(map(str, found.faults)))
        return found.config


def _as_toml(value: Any) -> Any:
    """Return a copy with times as TOML has them: YAML's core schema has none, so they stand there as text."""
    if isinstance(value, dict):
        return {key: _as_toml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_toml(item) for item in value]
    is_time = isinstance(value, str) and _TIME.fullmatch(value)
    return dt.datetime.fromisoformat(value) if is_time else value


def read(text: str) -> list[Transcript]:
    """Return the transcripts of a file: one to a document.

    Raises:
        ValueError: something in the file is not of the format.
    """
    documents = yaml.load_all(text, Loader=_Loader)
    return [Transcript.model_validate(_expanded(document)) for document in documents]


@cache
def transcripts() -> tuple[Transcript, ...]:
    """Return all transcripts of tests/cases, in the order of files and documents."""
    found = [case for path in sorted(FOLDER.glob("*.yaml")) for case in _read_file(path)]
    names = [case.name for case in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names are unique, but not {', '.join(twice)}")
    return tuple(found)


def _read_file(path: Path) -> list[Transcript]:
    try:
        return read(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _expanded(value: Any) -> Any:
    """Return the value with each `{repeat: TEXT, times: N}` written out."""
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"repeat", "times"}:
        text: str = value["repeat"] * value["times"]
        return text
    return {key: _expanded(item) for key, item in value.items()}


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, without keys given twice: what every language's parser reads alike."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in the base

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.MarkedYAMLError(
                problem=f"{twice[0]!r} is given twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    ("null", r"null", "n"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first)
    )
