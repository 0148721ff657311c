"""Deterministic checks: what a right answer must pass. They cost nothing and decide before any judge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

import jsonschema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_NUMBER: Final = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_FENCE: Final = re.compile(r"\A\s*```[a-zA-Z]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_LONGEST_MATCHED: Final = 200_000
"""Regular expressions and numbers look at so much of an answer, which bounds the work."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    try:
        jsonschema.validators.validator_for(value).check_schema(value)
    except jsonschema.SchemaError as error:
        raise ValueError(f"is no JSON schema: {error.message[:200]}") from None
    return value


class ExactCheck(_Table):
    """The answer is this text, white space around both aside.

    Attributes:
        value: the text.
        ignore_case: whether capitals and small letters count as the same.
    """

    type: Literal["exact"]
    value: str
    ignore_case: bool = False

    def passes(self, answer: str) -> bool:
        """Whether the answer passes."""
        said, wanted = answer.strip(), self.value.strip()
        return said.casefold() == wanted.casefold() if self.ignore_case else said == wanted


class RegexCheck(_Table):
    """The pattern is found in the answer; `(?s)`, `(?i)` and anchors are the pattern's own business."""

    type: Literal["regex"]
    pattern: Annotated[str, AfterValidator(_pattern)]

    def passes(self, answer: str) -> bool:
        """Whether the answer passes."""
        return re.search(self.pattern, answer[:_LONGEST_MATCHED]) is not None


class JsonSchemaCheck(_Table):
    """The answer is JSON, in a code fence or not, that the schema accepts.

    `schema` is the name in the file.
    """

    type: Literal["json_schema"]
    rules: Annotated[dict[str, Any], AfterValidator(_schema), Field(alias="schema")]

    def passes(self, answer: str) -> bool:
        """Whether the answer passes."""
        fenced = _FENCE.match(answer)
        try:
            content = json.loads(fenced[1] if fenced else answer)
        except (ValueError, RecursionError):
            return False
        validator = jsonschema.validators.validator_for(self.rules)(self.rules)
        return bool(validator.is_valid(content))


class NumericCheck(_Table):
    """The last number in the answer is this one, within the tolerance; commas between digits are skipped.

    Attributes:
        value: the right number.
        tolerance: how far off is still right, in the number's own unit.
        relative: how far off is still right, as a share of the right number; the wider of the two counts.
    """

    type: Literal["numeric"]
    value: Annotated[float, Field(allow_inf_nan=False)]
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    relative: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def passes(self, answer: str) -> bool:
        """Whether the answer passes."""
        found = _NUMBER.findall(answer[-_LONGEST_MATCHED:])
        if not found:
            return False
        try:
            said = Decimal(found[-1].replace(",", ""))
        except InvalidOperation:
            return False
        # In decimals, so that 0.3 is 0.1 away from 0.2.
        wanted = Decimal(repr(self.value))
        allowed = max(Decimal(repr(self.tolerance)), Decimal(repr(self.relative)) * abs(wanted))
        return abs(said - wanted) <= allowed


Check = Annotated[
    ExactCheck | RegexCheck | JsonSchemaCheck | NumericCheck, Field(discriminator="type")
]


def passes_all(checks: Iterable[Check], answer: str) -> bool:
    """Whether the answer passes every check."""
    return all(check.passes(answer) for check in checks)
