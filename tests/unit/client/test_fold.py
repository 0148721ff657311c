"""The fold gives the final attempt's text and nothing else, or says that the stream is not whole."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.v1 import router_pb2
from tierwise_client import ProtocolError
from tierwise_client._fold import Fold, fold
from tierwise_client.testing import Script, answered, escalated
from tierwise_client.testing._scripts import numbered

Messages = list[router_pb2.GenerateResponse]

# Void text is written in letters that the answer never has.
VOID = st.lists(st.text("xyz", max_size=4), max_size=4)
FINAL = st.lists(st.text("abc \N{SNOWMAN}\N{GRINNING FACE}", max_size=4), max_size=6)
FROM_THE_FUTURE = b"\x9a\x3f\x03new"  # field 1011, bytes


def messages_of(script: Script) -> Messages:
    """Return the numbered messages of a script without failures and pauses."""
    return [step for step in numbered(script) if isinstance(step, router_pb2.GenerateResponse)]


def renumbered(messages: Messages) -> Messages:
    """Return copies that are numbered in their order."""
    copies = []
    for sequence, message in enumerate(messages):
        copy = router_pb2.GenerateResponse()
        copy.CopyFrom(message)
        copy.sequence = sequence
        copies.append(copy)
    return copies


@st.composite
def stories(draw: st.DrawFn, *, live: bool) -> tuple[Messages, str]:
    """Draw a stream of some void attempts and a final one, and the text it amounts to."""
    voids = draw(st.lists(VOID, max_size=3))
    final = draw(FINAL)
    head, *_, tail = messages_of(answered())
    tail.finished.summary.final_attempt = len(voids) + 1
    script: Script = [head]
    for attempt, pieces in enumerate(voids, 1):
        sent = pieces if live else []
        script = [*script, *attempt_of(attempt, sent), superseded(attempt)]
    script = [*script, *attempt_of(len(voids) + 1, final), tail]
    return renumbered(messages_of(script)), "".join(final)


def attempt_of(attempt: int, pieces: list[str]) -> Script:
    """Return an attempt that sends these pieces."""
    deltas = [router_pb2.TextDelta(attempt=attempt, text=piece) for piece in pieces]
    return [router_pb2.AttemptStarted(attempt=attempt), *deltas, router_pb2.AttemptFinished()]


def superseded(attempt: int) -> router_pb2.AttemptSuperseded:
    """Return the withdrawal of an attempt by the next."""
    return router_pb2.AttemptSuperseded(attempt=attempt, replacement_attempt=attempt + 1)


@given(stories(live=True))
def test_superseded_text_is_never_in_the_answer(story: tuple[Messages, str]) -> None:
    messages, text = story
    assert fold(messages, held=False).text == text


@given(stories(live=False))
def test_all_held_text_joined_is_the_answer(story: tuple[Messages, str]) -> None:
    messages, text = story
    assert "".join(message.text_delta.text for message in messages) == text
    assert fold(messages).text == text


@given(stories(live=True), st.lists(st.integers(min_value=1), max_size=5))
def test_events_that_are_newer_than_the_client_are_skipped(
    story: tuple[Messages, str], places: list[int]
) -> None:
    messages, text = story
    for place in places:
        unknown = router_pb2.GenerateResponse.FromString(FROM_THE_FUTURE)
        messages.insert(1 + place % (len(messages) - 1), unknown)
    state = Fold(held=False)
    events = [state.push(message) for message in renumbered(messages)]
    assert state.answer().text == text
    assert events.count(None) == len(places)


@given(stories(live=True), st.data())
def test_a_stream_that_lost_or_repeated_a_message_is_no_answer(
    story: tuple[Messages, str], data: st.DataObject
) -> None:
    messages, _ = story
    place = data.draw(st.integers(0, len(messages) - 1))
    with pytest.raises(ProtocolError):
        fold(messages[:place] + messages[place + 1 :], held=False)
    with pytest.raises(ProtocolError):
        fold([*messages[: place + 1], *messages[place:]], held=False)


@given(stories(live=True), st.data())
def test_a_stream_that_was_cut_is_no_answer(
    story: tuple[Messages, str], data: st.DataObject
) -> None:
    messages, _ = story
    with pytest.raises(ProtocolError):
        fold(messages[: data.draw(st.integers(0, len(messages) - 1))], held=False)


def test_a_renumbered_stream_without_started_is_no_answer() -> None:
    with pytest.raises(ProtocolError, match="started"):
        fold(renumbered(messages_of(answered())[1:]))


def test_started_comes_once() -> None:
    first, *rest = messages_of(answered())
    with pytest.raises(ProtocolError, match="started"):
        fold(renumbered([first, first, *rest]))


def test_nothing_comes_after_finished() -> None:
    messages = messages_of(answered())
    heartbeat = router_pb2.GenerateResponse(sequence=len(messages), heartbeat={})
    with pytest.raises(ProtocolError, match="after its finished"):
        fold([*messages, heartbeat])


@pytest.mark.parametrize("final_attempt", [0, 1, 3])
def test_finished_must_name_an_attempt_that_stands(final_attempt: int) -> None:
    messages = messages_of(escalated(live=True))
    messages[-1].finished.summary.final_attempt = final_attempt
    with pytest.raises(ProtocolError, match="final attempt"):
        fold(messages, held=False)


@pytest.mark.parametrize(
    "event",
    [
        router_pb2.TextDelta(attempt=1, text="late"),
        router_pb2.TextDelta(attempt=9, text="of nobody"),
        router_pb2.AttemptSuperseded(attempt=1),
        router_pb2.AttemptStarted(attempt=2),
    ],
)
def test_an_event_of_an_attempt_that_is_not_open_is_refused(event: Script) -> None:
    *messages, finished = messages_of(escalated(live=True))
    with pytest.raises(ProtocolError, match="attempt"):
        fold(renumbered([*messages, *messages_of([event]), finished]), held=False)  # type: ignore[list-item] # one of the events


def test_text_that_was_sent_under_held_is_never_withdrawn() -> None:
    with pytest.raises(ProtocolError, match="withdrawn"):
        fold(messages_of(escalated(live=True)), held=True)


def test_text_of_another_attempt_under_held_is_refused() -> None:
    messages = messages_of(escalated(live=True))
    kept = [message for message in messages if message.WhichOneof("event") != "attempt_superseded"]
    with pytest.raises(ProtocolError, match="not the answer"):
        fold(renumbered(kept), held=True)


def test_the_answer_has_every_word_of_the_summary() -> None:
    messages = messages_of(escalated())
    state = Fold()
    *_, finished = [state.push(message) for message in messages]
    answer = state.answer()
    assert answer.proto == messages[-1].finished.summary
    assert finished is not None
    summary = finished.summary  # type: ignore[union-attr] # the last event of the story
    for field in dataclasses.fields(summary):
        assert getattr(answer, field.name) == getattr(summary, field.name)
    assert (answer.tier, answer.escalated, answer.confidence) == ("frontier", True, 0.4)
    assert answer.decision.cascade == ("efficient", "frontier")


def test_the_calls_of_an_answer_add_up_to_its_cost() -> None:
    answer = fold(messages_of(escalated()))
    assert answer.cost is not None
    total = sum(call.cost.total_nano_usd for call in answer.calls if call.cost)
    assert answer.cost.total_nano_usd == total == 530_000
    assert str(answer.cost.usd) == "0.000530000"


def test_progress_is_written_on_an_error() -> None:
    state = Fold(held=False)
    error = ProtocolError("cut")
    state.note_progress(error)
    assert (error.started, error.partial_text, error.request_id) == (False, "", "")
    for message in messages_of(escalated(draft="Perhaps.", live=True))[:4]:
        state.push(message)
    state.note_progress(error)
    assert (error.started, error.partial_text, error.request_id) == (True, "Perhaps.", "request-1")
