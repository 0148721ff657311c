"""A stream of messages into one answer. Pure: no I/O, no clock; the same for both clients.

Enforces what the contract promises of a stream (proto/tierwise/v1/router.proto), so that an answer is whole or is not
an answer: `started` first, sequence without gaps, text only of open attempts, `finished` last and always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from tierwise.v1 import router_pb2
from tierwise_client import _convert
from tierwise_client._errors import ProtocolError, TierwiseError
from tierwise_client._events import (
    AttemptStarted,
    AttemptSuperseded,
    Event,
    Finished,
    Started,
    TextDelta,
)
from tierwise_client._values import Answer, GenerationSummary


def fold(messages: Iterable[router_pb2.GenerateResponse], *, held: bool = True) -> Answer:
    """Return the answer that a whole stream amounts to.

    Raises:
        ProtocolError: the messages are not a whole stream.
    """
    state = Fold(held=held)
    for message in messages:
        state.push(message)
    return state.answer()


class Fold:
    """What has been received of one stream.

    Args:
        held: the stream was asked for with HELD: text that is sent is never withdrawn.
    """

    def __init__(self, *, held: bool = True) -> None:
        self._held = held
        self._next_sequence = 0
        self._started: Started | None = None
        self._texts: dict[int, list[str]] = {}
        self._summary: GenerationSummary | None = None

    def note_progress(self, error: TierwiseError) -> None:
        """Write on the error how far the stream had come."""
        error.started = self._started is not None
        error.partial_text = "".join(self._texts[max(self._texts)]) if self._texts else ""
        if self._started is not None and not error.request_id:
            error.request_id = self._started.request_id

    def push(self, message: router_pb2.GenerateResponse) -> Event | None:
        """Take the next message; return its event, or None for a kind that is newer than this client.

        Raises:
            ProtocolError: the message cannot come here.
        """
        if self._summary is not None:
            raise ProtocolError("the stream went on after its finished event")
        if message.sequence != self._next_sequence:
            raise ProtocolError(
                f"event {self._next_sequence} is missing: event {message.sequence} came instead"
            )
        self._next_sequence += 1
        event = _convert.event(message)
        if isinstance(event, Started) is not (message.sequence == 0):
            raise ProtocolError("the started event must come first, and once")
        self._take(event)
        return event

    def answer(self) -> Answer:
        """Return the whole answer, at the end of the stream.

        Raises:
            ProtocolError: the stream ended before `finished`, or `finished` names no open attempt.
        """
        if self._started is None or self._summary is None:
            raise ProtocolError("the stream ended well but without its finished event")
        final = self._summary.final_attempt
        if final not in self._texts:
            raise ProtocolError(f"the final attempt, {final}, was never started or is void")
        if self._held and any(text for number, text in self._texts.items() if number != final):
            raise ProtocolError("text came of an attempt that is not the answer")
        known = {field.name: getattr(self._summary, field.name) for field in fields(self._summary)}
        return Answer(text="".join(self._texts[final]), decision=self._started.decision, **known)

    def _take(self, event: Event | None) -> None:
        match event:
            case TextDelta(attempt, text, _):
                self._open(attempt).append(text)
            case Started():
                self._started = event
            case AttemptStarted(attempt=attempt):
                self._start(attempt)
            case AttemptSuperseded(attempt=attempt):
                self._void(attempt)
            case Finished(summary):
                self._summary = summary

    def _start(self, attempt: int) -> None:
        if attempt in self._texts:
            raise ProtocolError(f"attempt {attempt} was started twice")
        self._texts[attempt] = []

    def _open(self, attempt: int) -> list[str]:
        try:
            return self._texts[attempt]
        except KeyError:
            raise ProtocolError(
                f"an event names attempt {attempt}, which was not started or is void"
            ) from None

    def _void(self, attempt: int) -> None:
        if self._open(attempt) and self._held:
            raise ProtocolError(f"the text of attempt {attempt} was withdrawn after it was sent")
        del self._texts[attempt]
