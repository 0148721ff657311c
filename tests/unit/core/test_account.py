"""What a request did and cost: the sums of its records, and what one tier alone would have cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import EFFICIENT, FRONTIER, PRICES, REASONING, a_plan, a_tier
from tierwise_server.core.account import (
    Basis,
    CallRecord,
    CallStatus,
    Counterfactual,
    RequestFailed,
    Summary,
    counterfactuals,
    supersede,
)
from tierwise_server.core.cascade import Call
from tierwise_server.core.model import CallKind, Tier, Usage
from tierwise_server.core.prices import Cost
from tierwise_server.core.table import Policy
from tierwise_server.errors import Reason

UNPRICED = a_tier("unpriced")
TIERS = (EFFICIENT, FRONTIER, REASONING)


def a_record(
    usage: Usage | None,
    *,
    attempt: int = 1,
    kind: CallKind = CallKind.DIRECT,
    tier: Tier = FRONTIER,
) -> CallRecord:
    cost = None if usage is None else PRICES.cost(tier.model.id, usage)
    return CallRecord(Call(attempt, kind, tier), CallStatus.COMPLETED, usage, cost, 1.0)


def a_summary(*records: CallRecord) -> Summary:
    return Summary("request-1", "table-1", records, 2.0)


CLIMB = (
    a_record(Usage(100, output_tokens=20), kind=CallKind.DRAFT, tier=EFFICIENT),
    a_record(Usage(180, 100, 0, 0, 4), kind=CallKind.CHECK, tier=EFFICIENT),
    a_record(Usage(100, output_tokens=30), attempt=2, tier=FRONTIER),
)


def test_summary_adds_up_drafts_checks_and_the_answer() -> None:
    summary = a_summary(*CLIMB)
    assert summary.usage == Usage(380, 100, 0, 0, 54)
    # Draft 100 + 20 x 5; check 80 + 100 x 0.1 + 4 x 5; answer 100 x 3 + 30 x 15, in thousands.
    assert summary.cost == Cost(480_000, 10_000, 0, 570_000, "prices-1")


COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
RECORDS = st.lists(
    st.builds(
        a_record,
        st.none() | USAGES,
        attempt=st.integers(1, 5),
        kind=st.sampled_from(CallKind),
        tier=st.sampled_from(TIERS),
    ),
    max_size=8,
)


@given(RECORDS)
def test_summary_is_the_sum_of_its_records(records: list[CallRecord]) -> None:
    summary = a_summary(*records)
    billed = [record for record in records if record.usage is not None]
    usages = [record.usage for record in billed if record.usage is not None]
    assert summary.usage.input_tokens == sum(usage.input_tokens for usage in usages)
    assert summary.usage.output_tokens == sum(usage.output_tokens for usage in usages)
    assert summary.cost is not None
    costs = [record.cost for record in billed if record.cost is not None]
    assert summary.cost.total_nano_usd == sum(cost.total_nano_usd for cost in costs)


@given(RECORDS, RECORDS, USAGES)
def test_one_billed_call_without_a_price_makes_the_cost_unknown(
    before: list[CallRecord], after: list[CallRecord], usage: Usage
) -> None:
    unpriced = a_record(usage, tier=UNPRICED)
    assert a_summary(*before, unpriced, *after).cost is None


def test_call_that_was_not_billed_needs_no_price() -> None:
    billed = a_record(Usage(10), tier=FRONTIER)
    summary = a_summary(a_record(None, tier=UNPRICED), billed)
    assert summary.cost == billed.cost
    assert summary.usage == Usage(10)


@pytest.mark.parametrize("records", [(), (a_record(None), a_record(None, tier=UNPRICED))])
def test_request_that_was_not_billed_costs_nothing(records: tuple[CallRecord, ...]) -> None:
    summary = a_summary(*records)
    assert summary.usage == Usage()
    assert summary.cost is not None
    assert summary.cost.total_nano_usd == 0


def test_request_escalated_when_a_second_attempt_was_made() -> None:
    assert not a_summary().escalated
    assert not a_summary(*CLIMB[:2]).escalated
    assert a_summary(*CLIMB).escalated


def test_supersede_marks_the_attempt_and_neither_its_check_nor_others() -> None:
    marked = supersede(CLIMB, 1)
    assert marked == [replace(CLIMB[0], superseded=True), *CLIMB[1:]]
    assert supersede(marked, 2) == [*marked[:2], replace(CLIMB[2], superseded=True)]
    assert supersede(CLIMB, 3) == list(CLIMB)


def test_superseded_attempts_still_count() -> None:
    before, after = a_summary(*CLIMB), a_summary(*supersede(CLIMB, 1))
    assert (after.usage, after.cost) == (before.usage, before.cost)


def test_failure_carries_its_summary() -> None:
    summary = a_summary(*CLIMB)
    error = RequestFailed(Reason.UPSTREAM_TIMEOUT, "too slow", summary, retry_after_s=2.5)
    assert error.summary is summary
    assert (error.reason, error.message, error.retry_after_s) == (
        Reason.UPSTREAM_TIMEOUT,
        "too slow",
        2.5,
    )


def alone(answer: CallRecord, *tiers: Tier, measured: dict[str, int] | None = None) -> list[object]:
    """Return basis and nano-USD at each tier alone."""
    policy = Policy(("efficient",), measured_output_tokens=measured)
    told = counterfactuals(a_plan(EFFICIENT, policy=policy), tiers, answer, PRICES)
    assert [(one.tier, one.model) for one in told] == [(t.name, t.model.id) for t in tiers]
    return [(one.basis, one.cost_nano_usd) for one in told]


SAME, MEASURED = Basis.SAME_TOKENS, Basis.MEASURED_TOKENS


def test_counterfactual_prices_the_same_tokens_at_every_tier() -> None:
    answer = a_record(Usage(1_000, output_tokens=100), tier=FRONTIER)
    assert alone(answer, *TIERS) == [(SAME, 1_500_000), (SAME, 4_500_000), (SAME, 7_500_000)]


def test_counterfactual_uses_the_measured_output_of_other_tiers() -> None:
    answer = a_record(Usage(1_000, output_tokens=100), tier=FRONTIER)
    told = alone(answer, *TIERS, measured={"efficient": 300, "frontier": 900, "reasoning": 0})
    assert told == [(MEASURED, 2_500_000), (SAME, 4_500_000), (MEASURED, 5_000_000)]


def test_counterfactual_of_the_answers_own_tier_is_what_its_call_cost() -> None:
    answer = a_record(Usage(1_000, 500, 300, 100, 100), tier=FRONTIER)
    assert answer.cost is not None
    assert alone(answer, FRONTIER) == [(SAME, answer.cost.total_nano_usd)]


def test_counterfactual_of_another_tier_supposes_no_cache() -> None:
    cached = a_record(Usage(1_000, 500, 300, 100, 100), tier=FRONTIER)
    plain = a_record(Usage(1_000, output_tokens=100), tier=FRONTIER)
    assert alone(cached, EFFICIENT) == alone(plain, EFFICIENT)


def test_counterfactual_scales_tokens_between_models() -> None:
    dense = a_tier("dense", model="claude-haiku-5-5", token_scale=1.3)
    answer = a_record(Usage(1_000, output_tokens=100), tier=FRONTIER)
    assert alone(answer, dense) == [(SAME, 1_300 * 100 + 130 * 500)]
    back = a_record(Usage(1_300, output_tokens=130), tier=dense)
    assert alone(back, FRONTIER) == [(SAME, 4_500_000)]
    assert alone(back, FRONTIER, measured={"frontier": 200}) == [(MEASURED, 6_000_000)]


def test_counterfactual_without_a_price_is_unknown() -> None:
    answer = a_record(Usage(1_000, output_tokens=100), tier=FRONTIER)
    assert alone(answer, UNPRICED) == [(SAME, None)]


def test_counterfactual_of_an_unbilled_answer_supposes_no_tokens() -> None:
    plan = a_plan(EFFICIENT, FRONTIER)
    told = counterfactuals(plan, TIERS[:1], a_record(None), PRICES)
    assert told == (Counterfactual("efficient", EFFICIENT.model.id, 0, SAME),)


@given(USAGES, st.sampled_from(TIERS))
def test_counterfactual_grows_with_the_tiers_price(usage: Usage, tier: Tier) -> None:
    plain = Usage(usage.input_tokens, output_tokens=usage.output_tokens)
    told = counterfactuals(a_plan(EFFICIENT), TIERS, a_record(plain, tier=tier), PRICES)
    nanos = [one.cost_nano_usd for one in told if one.cost_nano_usd is not None]
    assert nanos == sorted(nanos)
    assert len(nanos) == len(TIERS)
