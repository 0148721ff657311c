"""What happens to one request, as values in the order they happen.

The engine emits them once; rpc/ turns those that are part of the contract into messages, telemetry and accounting fold
all of them. CheckStarted, CheckFinished and Ended are for the folds only and are not sent to callers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwise_server.core.account import CallRecord, Summary
    from tierwise_server.core.cascade import Call, CheckOutcome, EscalationReason
    from tierwise_server.core.table import Plan
    from tierwise_server.errors import Reason


@dataclass(frozen=True, slots=True)
class Started:
    """The task was routed. `started_at_s` is Unix time."""

    request_id: str
    plan: Plan
    started_at_s: float


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A model is asked for an answer, without the `ignored_options` it does not take."""

    call: Call
    ignored_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of an attempt's text."""

    attempt: int
    text: str
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An attempt's call ended, well or not."""

    record: CallRecord


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A draft's check is asked."""

    call: Call


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check's call ended, well or not; `confidence` and `score` are None when unreadable."""

    record: CallRecord
    confidence: float | None
    score: int | None


@dataclass(frozen=True, slots=True)
class ConfidenceChecked:
    """What followed from a check."""

    check: CheckFinished
    method: str
    threshold: float
    outcome: CheckOutcome


@dataclass(frozen=True, slots=True)
class AttemptSuperseded:
    """An attempt's text is void."""

    attempt: int
    replacement: int
    reason: EscalationReason


@dataclass(frozen=True, slots=True)
class Finished:
    """There is an answer."""

    summary: Summary


@dataclass(frozen=True, slots=True)
class Ended:
    """The request is over; `reason` is None when it finished. Emitted exactly once, last, whatever happened."""

    summary: Summary
    reason: Reason | None


StreamEvent = (
    Started
    | AttemptStarted
    | TextDelta
    | AttemptFinished
    | CheckStarted
    | CheckFinished
    | ConfidenceChecked
    | AttemptSuperseded
    | Finished
    | Ended
)


MOST_CHARACTERS: Final = 32_768
"""An accepted draft is sent in deltas of at most this many: few messages, each far below message limits."""


def pieces(held: str) -> Iterator[str]:
    """Cut a text that was held back into the texts of deltas."""
    for at in range(0, len(held), MOST_CHARACTERS):
        yield held[at : at + MOST_CHARACTERS]


class Sink(Protocol):
    """Takes the events of one request, in order; may wait, and may raise when the caller is gone."""

    async def __call__(self, event: StreamEvent) -> None:
        """Take one event."""
        ...


class Observer(Protocol):
    """Folds the events of one request into spans and metrics. Never waits and never raises."""

    def observe(self, event: StreamEvent) -> None:
        """Take one event."""
        ...

    def propagation(self) -> Mapping[str, str]:
        """Name the headers that carry the trace into the call started last."""
        ...
