"""The account of one call: billed as the provider says, estimated when it was cut, nothing before it began."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import EFFICIENT, PRICES, a_tier, an_attempt
from tierwise_server.core.account import CallRecord, CallStatus
from tierwise_server.core.estimate import text_tokens
from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.core.tally import Bounds, Tally, Wire
from tierwise_server.errors import Reason

CUT = [CallStatus.FAILED, CallStatus.CANCELLED]
AT_START = Usage(input_tokens=40, cache_read_tokens=10, output_tokens=1)
AT_END = Usage(input_tokens=40, cache_read_tokens=10, output_tokens=7)
TWENTY_TOKENS = ["a" * 35, "b" * 35]


def a_tally() -> Tally:
    return Tally(an_attempt(1, EFFICIENT), started_s=100.0, prompt_tokens=33)


def billed(record: CallRecord) -> Usage:
    """Return what was billed, and make sure that the record's cost is the price of it."""
    assert record.usage is not None
    assert record.cost == PRICES.cost(record.call.tier.model.id, record.usage)
    return record.usage


def test_completed_call_is_billed_what_was_reported_at_its_end() -> None:
    tally = a_tally()
    tally.begun_s, tally.usage, tally.final = 100.0, AT_END, True
    tally.pieces = TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert billed(record) == AT_END
    assert not record.estimated


def test_completed_call_without_a_bill_is_estimated_from_its_beginning() -> None:
    tally = a_tally()
    tally.begun_s, tally.usage, tally.pieces = 100.0, AT_START, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert billed(record) == Usage(input_tokens=40, cache_read_tokens=10, output_tokens=20)
    assert record.estimated


@pytest.mark.parametrize("status", CUT)
def test_cut_call_is_billed_the_reported_prompt_and_the_text_seen(status: CallStatus) -> None:
    tally = a_tally()
    tally.begun_s, tally.usage, tally.pieces = 100.0, AT_START, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record) == Usage(input_tokens=40, cache_read_tokens=10, output_tokens=20)
    assert record.estimated


@pytest.mark.parametrize("status", CUT)
def test_cut_call_is_never_billed_less_than_was_reported(status: CallStatus) -> None:
    tally = a_tally()
    tally.begun_s, tally.usage, tally.final = 100.0, Usage(40, output_tokens=90), True
    tally.pieces = TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record).output_tokens == 90
    assert record.estimated


@pytest.mark.parametrize("status", CallStatus)
def test_call_whose_prompt_was_never_counted_is_billed_the_estimate_of_it(
    status: CallStatus,
) -> None:
    tally = a_tally()
    tally.begun_s, tally.pieces = 100.0, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record) == Usage(input_tokens=33, output_tokens=20)
    assert record.estimated


@pytest.mark.parametrize("status", CUT)
def test_call_that_never_began_is_not_billed(status: CallStatus) -> None:
    record = a_tally().record(PRICES, 103.5, status=status, failure=Reason.UPSTREAM_OVERLOADED)
    assert (record.usage, record.cost, record.estimated) == (None, None, False)
    assert record.failure is Reason.UPSTREAM_OVERLOADED


@pytest.mark.parametrize("status", CUT)
def test_call_whose_caller_left_while_it_was_out_is_billed_its_prompt(status: CallStatus) -> None:
    """Nobody can know whether the provider took it; a caller who could leave unbilled would spend without a limit."""
    tally = a_tally()
    tally.wire.out = True
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record) == Usage(input_tokens=33)
    assert record.estimated


def thinking(most: int, **fields: Any) -> Tally:
    """A call that may write 1,000 tokens, so many of them thinking, and began at 100 s."""
    bounds = Bounds(output_tokens=1_000, thinking_tokens=most)
    return Tally(an_attempt(1, EFFICIENT), 99.0, 33, bounds, begun_s=100.0, **fields)


@pytest.mark.parametrize(
    ("most", "first_token_s", "tokens"),
    [
        (500, None, 400 + 20),
        (500, 101.0, 200 + 20),
        (150, None, 150 + 20),
        (2_000, None, 400 + 20),
        (0, None, 20),
    ],
)
def test_cut_call_of_a_model_that_thinks_is_billed_the_time_it_was_silent(
    most: int, first_token_s: float | None, tokens: int
) -> None:
    tally = thinking(most, first_token_s=first_token_s, pieces=TWENTY_TOKENS)
    record = tally.record(PRICES, 102.0, status=CallStatus.CANCELLED)
    assert billed(record) == Usage(input_tokens=33, output_tokens=tokens)
    assert record.estimated


def test_thinking_that_was_shown_is_billed_and_no_estimate_goes_beyond_the_limit() -> None:
    shown = thinking(900, wire=Wire(thought_tokens=700.0), first_token_s=100.0)
    record = shown.record(PRICES, 102.0, status=CallStatus.CANCELLED)
    assert billed(record).output_tokens == 700
    shown.wire.thought_tokens = 5_000.0
    record = shown.record(PRICES, 102.0, status=CallStatus.CANCELLED)
    assert billed(record).output_tokens == 1_000


def test_billed_call_of_a_model_without_a_price_has_usage_and_no_cost() -> None:
    tally = Tally(an_attempt(1, a_tier("unpriced")), 100.0, 33)
    tally.begun_s, tally.usage, tally.final = 100.0, AT_END, True
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert (record.usage, record.cost) == (AT_END, None)


def test_estimate_follows_the_models_scale() -> None:
    tally = Tally(an_attempt(1, a_tier("dense", token_scale=1.3)), 100.0, 33)
    tally.begun_s, tally.pieces = 100.0, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=CallStatus.CANCELLED)
    assert record.usage == Usage(input_tokens=33, output_tokens=26)


def test_record_keeps_what_the_provider_said_and_times_from_the_start() -> None:
    tally = a_tally()
    tally.begun_s, tally.tries, tally.response_id = 100.0, 2, "msg_1"
    tally.finish_reason, tally.raw_finish_reason = FinishReason.OTHER, "weary"
    tally.first_token_s = 100.25
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert record.call is tally.call
    assert record.status is CallStatus.COMPLETED
    assert (record.duration_s, record.first_token_s) == (3.5, 0.25)
    assert (record.tries, record.response_id) == (2, "msg_1")
    assert (record.finish_reason, record.raw_finish_reason) == (FinishReason.OTHER, "weary")
    assert (record.failure, record.superseded) == (None, False)


def test_record_without_text_has_no_first_token() -> None:
    record = a_tally().record(PRICES, 103.5, status=CallStatus.FAILED)
    assert record.first_token_s is None


@given(st.lists(st.text(min_size=1), max_size=6))
def test_text_is_all_pieces_and_its_estimate_does_not_depend_on_the_cuts(
    pieces: list[str],
) -> None:
    tally = a_tally()
    tally.begun_s, tally.pieces = 100.0, pieces
    record = tally.record(PRICES, 103.5, status=CallStatus.CANCELLED)
    assert tally.text == "".join(pieces)
    assert abs(billed(record).output_tokens - text_tokens(tally.text)) <= 0.5 + 1e-9
