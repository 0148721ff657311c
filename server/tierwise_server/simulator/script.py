"""The script: what the simulator answers, read from TOML, JSON or plain values.

Everything wrong with a script is found at once and raised as one ConfigurationError, each fault with its path.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.simulator.models import MODELS, Catalogue, ModelSpec
from tierwise_server.simulator.switches import FaultSwitch, HeaderValue, Seconds, fault_switch

Kind: TypeAlias = Literal["answer", "check", "models", "count_tokens"]
TokenCount: TypeAlias = Annotated[int, Field(ge=0, le=1 << 53)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Wait: TypeAlias = Annotated[float, Field(gt=0, le=86_400)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class UsageOverride(_Table):
    """Token counts reported, and billed in the journal, in place of the estimate."""

    input_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation_input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None


class Defaults(_Table):
    """What applies where a rule says nothing, and where no rule matches.

    Attributes:
        headers_delay_s: wait before the status line.
        first_token_delay_s: wait between message_start and the first content.
        delta_interval_s: wait before each further delta.
        ping_interval_s: a ping this often inside any of those waits but the first.
        words: how many words a generated answer has; None lets the prompt decide.
        deltas: how many deltas an answer is split into; None makes one per word.
        confidence: what a check answers.
        batch_s: how long a batch of messages takes.
    """

    headers_delay_s: Seconds = 0.0
    first_token_delay_s: Seconds = 0.0
    delta_interval_s: Seconds = 0.0
    ping_interval_s: Wait | None = None
    words: Annotated[int, Field(ge=0, le=200_000)] | None = None
    deltas: Annotated[int, Field(ge=1, le=200_000)] | None = None
    confidence: Annotated[int, Field(ge=1, le=10)] | str = 9
    batch_s: Seconds = 0.0


class Rule(_Table):
    """One rule: which requests it is for, and what they get. The first rule that applies decides.

    Attributes:
        name: what the journal calls it; `rules.N` unless given.
        model: a glob over the model's id and the alias used.
        kind: answer, check, models or count_tokens; None means answer and check.
        stream: only streamed, or only unstreamed, requests.
        contains: texts that the task must hold, all of them.
        matches: a regular expression to be found in the task.
        system_contains: a text that the system prompt must hold.
        draft_contains: a text that the last assistant message must hold: for a check, the draft.
        nth: apply from the nth request on that the conditions above fit (1 is the first).
        times: apply to that many of them; one, if only `nth` is given.
        answer: the answer's text.
        chunks: the answer's text, delta by delta.
        words: how many words to generate if neither is given.
        deltas: how many deltas to split the text into.
        confidence: what a check answers: a score, or text sent as it is.
        stop_reason: sent as it is; the answer is then not cut to max_tokens.
        usage: token counts to report.
        thinking_tokens: thinking tokens to report when the request makes the model think.
        headers: further response headers.
        headers_delay_s: see Defaults.
        first_token_delay_s: see Defaults.
        delta_interval_s: see Defaults.
        ping_interval_s: see Defaults.
        fault: what goes wrong.
    """

    name: str = ""
    model: Text = "*"
    kind: Kind | None = None
    stream: bool | None = None
    contains: Text | list[Text] = []
    matches: Text | None = None
    system_contains: Text | None = None
    draft_contains: Text | None = None
    nth: Annotated[int, Field(ge=1)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    answer: str | None = None
    chunks: list[Text] | None = None
    words: Annotated[int, Field(ge=0, le=200_000)] | None = None
    deltas: Annotated[int, Field(ge=1, le=200_000)] | None = None
    confidence: Annotated[int, Field(ge=1, le=10)] | str | None = None
    stop_reason: Text | None = None
    usage: UsageOverride | None = None
    thinking_tokens: TokenCount | None = None
    headers: dict[Text, HeaderValue] = {}
    headers_delay_s: Seconds | None = None
    first_token_delay_s: Seconds | None = None
    delta_interval_s: Seconds | None = None
    ping_interval_s: Wait | None = None
    fault: FaultSwitch | None = None


class ModelEntry(_Table):
    """A model to add, or to serve in place of the built-in one of the same id.

    Attributes:
        id: its id.
        like: the built-in model whose facts it takes over.
        aliases: other names for it.
        lifecycle: active, deprecated or retired.
        retires_at: when it retires: a date, a time, or RFC 3339 text.
        max_input_tokens: its context window.
        max_tokens: its output limit.
    """

    id: Text
    like: Text | None = None
    aliases: list[Text] = []
    lifecycle: Literal["active", "deprecated", "retired"] = "active"
    retires_at: datetime | date | Text | None = None
    max_input_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None


class Script(_Table):
    """What the simulator does. The empty script is a healthy API that answers everything.

    Attributes:
        seed: chooses generated text and ids.
        defaults: pace and size of answers.
        models: models to add or change.
        rules: tried in order; the first that applies decides.
    """

    seed: int = 0
    defaults: Defaults = Defaults()
    models: list[ModelEntry] = []
    rules: list[Rule] = []

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Script:
        """The script those plain values describe.

        Raises:
            ConfigurationError: something is wrong with it; names every fault.
        """
        faults: list[Fault] = []
        script = None
        try:
            script = cls.model_validate(dict(values))
        except ValidationError as error:
            faults.extend(_faults(error, values))
        faults.extend(_contradictions(values))
        if faults or script is None:
            raise ConfigurationError(tuple(faults))
        return script

    @classmethod
    def from_toml(cls, text: str) -> Script:
        """The script in a TOML document. Raises as from_mapping does."""
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError((Fault("", f"not TOML: {error}"),)) from None
        return cls.from_mapping(values)

    @classmethod
    def load(cls, path: Path) -> Script:
        """The script in a file: JSON if its name ends in .json, TOML otherwise.

        Raises:
            ConfigurationError: the file cannot be read, or something is wrong with the script.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError((Fault(str(path), f"cannot be read: {error}"),)) from None
        if path.suffix != ".json":
            return cls.from_toml(text)
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ConfigurationError((Fault("", f"not JSON: {error}"),)) from None
        if not isinstance(values, dict):
            raise ConfigurationError((Fault("", "must be an object"),))
        return cls.from_mapping(values)

    def catalogue(self) -> Catalogue:
        """The models served under this script, its own first."""
        added = [_model(entry) for entry in self.models]
        taken = {model.id for model in added}
        return Catalogue([*added, *(model for model in MODELS if model.id not in taken)])


def read_switch(text: str) -> FaultSwitch:
    """The fault switch in an `x-simulator-fault` header.

    Raises:
        ConfigurationError: it is not one; names every fault.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigurationError((Fault("", f"not JSON: {error}"),)) from None
    try:
        return fault_switch.validate_python(values)
    except ValidationError as error:
        raise ConfigurationError(tuple(_faults(error, values))) from None


def _faults(error: ValidationError, values: object) -> Iterator[Fault]:
    """One fault per place; where a value may take several forms, what each form misses."""
    messages: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        path = _path(item["loc"], values, missing=item["type"] == "missing")
        messages.setdefault(path, []).append(item["msg"])
    yield from (Fault(path, " or ".join(said)) for path, said in messages.items())


def _path(location: Sequence[str | int], values: object, *, missing: bool) -> str:
    """The place in the script, without the names that pydantic adds for the form it tried."""
    parts: list[str] = []
    here: Any = values
    for part in location:
        index = isinstance(here, list) and isinstance(part, int)
        if index or (isinstance(here, Mapping) and part in here):
            here = here[part]
            parts.append(str(part))
    if missing:
        parts.append(str(location[-1]))
    return ".".join(parts)


def _contradictions(values: Mapping[str, Any]) -> Iterator[Fault]:
    """What no single field shows. Tolerates any shape, so that all faults are found in one go."""
    for index, rule in enumerate(_tables(values.get("rules"))):
        for field, message in _rule_contradictions(rule):
            yield Fault(f"rules.{index}.{field}", message)
    known = {model.id for model in MODELS}
    for index, entry in enumerate(_tables(values.get("models"))):
        like = entry.get("like", entry.get("id"))
        if isinstance(like, str) and like not in known:
            field = "like" if "like" in entry else "id"
            message = (
                f"{like!r} is not a built-in model"
                if "like" in entry
                else f"{like!r} is new, so `like` must name a built-in model"
            )
            yield Fault(f"models.{index}.{field}", message)


def _tables(values: Any) -> list[Mapping[str, Any]]:
    listed = values if isinstance(values, list) else []
    return [item if isinstance(item, Mapping) else {} for item in listed]


_ANSWER_FIELDS = (
    "answer",
    "chunks",
    "confidence",
    "contains",
    "deltas",
    "draft_contains",
    "matches",
    "stop_reason",
    "stream",
    "system_contains",
    "thinking_tokens",
    "usage",
    "words",
)
_MEANINGLESS = {
    "answer": (("confidence",), "only a check answers with a confidence"),
    "check": (("answer", "chunks", "words"), "a check answers with `confidence`"),
    "models": (_ANSWER_FIELDS, "has no meaning for kind 'models'"),
    "count_tokens": (_ANSWER_FIELDS, "has no meaning for kind 'count_tokens'"),
}
"""Per kind, the fields that could never take effect."""


def _rule_contradictions(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "answer" in rule and "chunks" in rule:
        yield "chunks", "give `answer` or `chunks`, not both"
    if "chunks" in rule and "deltas" in rule:
        yield "deltas", "`chunks` already says what each delta holds"
    fields, message = _MEANINGLESS.get(str(rule.get("kind")), ((), ""))
    yield from ((field, message) for field in fields if field in rule)
    pattern = rule.get("matches")
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error as error:
            yield "matches", f"not a regular expression: {error}"


def _model(entry: ModelEntry) -> ModelSpec:
    base = next(model for model in MODELS if model.id == (entry.like or entry.id))
    return replace(
        base,
        id=entry.id,
        display_name=base.display_name if entry.id == base.id else entry.id,
        aliases=tuple(entry.aliases) or (base.aliases if entry.id == base.id else ()),
        lifecycle=entry.lifecycle,
        deprecated_at=None if entry.lifecycle == "active" else base.deprecated_at,
        retires_at=_rfc3339(entry.retires_at),
        max_input_tokens=entry.max_input_tokens or base.max_input_tokens,
        max_tokens=entry.max_tokens or base.max_tokens,
    )


def _rfc3339(moment: datetime | date | str | None) -> str | None:
    if moment is None or isinstance(moment, str):
        return moment
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")
