"""The account of one call: billed as the provider says, estimated when it was cut, nothing before it began."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import EFFICIENT, PRICES, a_tier, an_attempt
from tierwise_server.core.account import CallRecord, CallStatus
from tierwise_server.core.estimate import text_tokens
from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.core.tally import Tally
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
    tally.begun, tally.usage, tally.final = True, AT_END, True
    tally.pieces = TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert billed(record) == AT_END
    assert not record.estimated


def test_completed_call_without_a_bill_is_estimated_from_its_beginning() -> None:
    tally = a_tally()
    tally.begun, tally.usage, tally.pieces = True, AT_START, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert billed(record) == Usage(input_tokens=40, cache_read_tokens=10, output_tokens=20)
    assert record.estimated


@pytest.mark.parametrize("status", CUT)
def test_cut_call_is_billed_the_reported_prompt_and_the_text_seen(status: CallStatus) -> None:
    tally = a_tally()
    tally.begun, tally.usage, tally.pieces = True, AT_START, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record) == Usage(input_tokens=40, cache_read_tokens=10, output_tokens=20)
    assert record.estimated


@pytest.mark.parametrize("status", CUT)
def test_cut_call_is_never_billed_less_than_was_reported(status: CallStatus) -> None:
    tally = a_tally()
    tally.begun, tally.usage, tally.final = True, Usage(40, output_tokens=90), True
    tally.pieces = TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record).output_tokens == 90
    assert record.estimated


@pytest.mark.parametrize("status", CallStatus)
def test_call_whose_prompt_was_never_counted_is_billed_the_estimate_of_it(
    status: CallStatus,
) -> None:
    tally = a_tally()
    tally.begun, tally.pieces = True, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=status)
    assert billed(record) == Usage(input_tokens=33, output_tokens=20)
    assert record.estimated


@pytest.mark.parametrize("status", CUT)
def test_call_that_never_began_is_not_billed(status: CallStatus) -> None:
    record = a_tally().record(PRICES, 103.5, status=status, failure=Reason.UPSTREAM_OVERLOADED)
    assert (record.usage, record.cost, record.estimated) == (None, None, False)
    assert record.failure is Reason.UPSTREAM_OVERLOADED


def test_billed_call_of_a_model_without_a_price_has_usage_and_no_cost() -> None:
    tally = Tally(an_attempt(1, a_tier("unpriced")), 100.0, 33)
    tally.begun, tally.usage, tally.final = True, AT_END, True
    record = tally.record(PRICES, 103.5, status=CallStatus.COMPLETED)
    assert (record.usage, record.cost) == (AT_END, None)


def test_estimate_follows_the_models_scale() -> None:
    tally = Tally(an_attempt(1, a_tier("dense", token_scale=1.3)), 100.0, 33)
    tally.begun, tally.pieces = True, TWENTY_TOKENS
    record = tally.record(PRICES, 103.5, status=CallStatus.CANCELLED)
    assert record.usage == Usage(input_tokens=33, output_tokens=26)


def test_record_keeps_what_the_provider_said_and_times_from_the_start() -> None:
    tally = a_tally()
    tally.begun, tally.tries, tally.response_id = True, 2, "msg_1"
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
    tally.begun, tally.pieces = True, pieces
    record = tally.record(PRICES, 103.5, status=CallStatus.CANCELLED)
    assert tally.text == "".join(pieces)
    assert abs(billed(record).output_tokens - text_tokens(tally.text)) <= 0.5 + 1e-9
