"""Deterministic checks: what a right answer must pass. They cost nothing and decide before any judge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tierwise_server.measure.schemas import examine, validator_of

_NUMBER: Final = re.compile(
    r"((?<![\w)\]}%.,])[-+])?[$€£¥]?((?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
)
"""A sign counts where nothing stands before it that it could join or subtract from: 3-5 ends in 5."""

_MINUS: Final = str.maketrans(dict.fromkeys("\u2212\u2013\ufe63\uff0d", "-"))
"""What is written for a minus: the sign itself, the en dash, and the small and the wide hyphen."""

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
    rules: Annotated[dict[str, Any], AfterValidator(examine), Field(alias="schema")]

    def passes(self, answer: str) -> bool:
        """Whether the answer passes."""
        fenced = _FENCE.match(answer)
        try:
            content = json.loads(fenced[1] if fenced else answer)
        except (ValueError, RecursionError):
            return False
        return bool(validator_of(self.rules).is_valid(content))


class NumericCheck(_Table):
    """The last number in the answer is this one, within the tolerance.

    Commas between digits and a currency's sign before them are skipped.

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
        found = _NUMBER.findall(answer[-_LONGEST_MATCHED:].translate(_MINUS))
        if not found:
            return False
        # In decimals, so that 0.3 is 0.1 away from 0.2.
        wanted = Decimal(repr(self.value))
        allowed = max(Decimal(repr(self.tolerance)), Decimal(repr(self.relative)) * abs(wanted))
        try:
            return abs(Decimal("".join(found[-1]).replace(",", "")) - wanted) <= allowed
        except ArithmeticError:
            return False


Check = Annotated[
    ExactCheck | RegexCheck | JsonSchemaCheck | NumericCheck, Field(discriminator="type")
]


def passes_all(checks: Iterable[Check], answer: str) -> bool:
    """Whether the answer passes every check. Never raises: an answer that a check cannot be applied to fails it."""
    return all(_passes(check, answer) for check in checks)


def _passes(check: Check, answer: str) -> bool:
    try:
        return check.passes(answer)
    except Exception:
        # One answer, whatever is in it, must not cost all others their report.
        return False
