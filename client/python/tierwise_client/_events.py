"""What happens while a task runs, as values in the order it happens.

`Started` comes first; `Finished` comes last, if and only if there is an answer. An attempt's text lies between its
`AttemptStarted` and whichever comes first of its `AttemptSuperseded` and `Finished`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tierwise_client._enums import CallKind, CheckOutcome, EscalationReason
    from tierwise_client._values import CallRecord, GenerationSummary, RouteDecision


@dataclass(frozen=True, slots=True)
class Started:
    """The task was routed and the first call is about to be made: from here on it may cost money.

    Attributes:
        request_id: the request's id.
        decision: which tier, and why.
        start_time: when the server took up the request.
    """

    request_id: str
    decision: RouteDecision
    start_time: datetime


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A model is asked for an answer.

    Attributes:
        attempt: numbers the attempts of a request from 1.
        kind: DIRECT or DRAFT.
        tier: the tier asked.
        model: the model asked.
        ignored_options: options of the request that this model does not take and that were left out.
    """

    attempt: int
    kind: CallKind
    tier: str
    model: str
    ignored_options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text; append it to the attempt's text.

    Attributes:
        attempt: the attempt whose text it is.
        text: the piece.
        provisional: the attempt is a draft that is not accepted yet; only with LIVE.
    """

    attempt: int
    text: str
    provisional: bool


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """A model finished an answer, or failed.

    Attributes:
        call: the call, with its tokens and cost.
    """

    call: CallRecord


@dataclass(frozen=True, slots=True)
class ConfidenceChecked:
    """A draft was checked.

    Attributes:
        attempt: the draft that was checked.
        method: how, e.g. "self_report".
        confidence: 0 to 1; None when the check failed or its answer was unreadable.
        score: the model's own number from 1 to 10, when the method asks for one and it was readable.
        threshold: the confidence, 0 to 1, that accepts a draft.
        outcome: what followed.
        call: the check's call, with its tokens and cost.
    """

    attempt: int
    method: str
    confidence: float | None
    score: int | None
    threshold: float
    outcome: CheckOutcome
    call: CallRecord


@dataclass(frozen=True, slots=True)
class AttemptSuperseded:
    """An attempt's text is void: drop what was received of it.

    Attributes:
        attempt: the attempt that is void.
        replacement_attempt: the attempt that replaces it.
        reason: why.
    """

    attempt: int
    replacement_attempt: int
    reason: EscalationReason


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened for a while; the task is still running."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The task is done.

    Attributes:
        summary: everything the request did and cost.
    """

    summary: GenerationSummary


Event: TypeAlias = (
    Started
    | AttemptStarted
    | TextDelta
    | AttemptFinished
    | ConfidenceChecked
    | AttemptSuperseded
    | Heartbeat
    | Finished
)
