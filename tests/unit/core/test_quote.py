"""What a task would cost at each tier, before any call."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import PRICES, a_table, a_task, a_tier
from tierwise_server.core.estimate import prompt_tokens
from tierwise_server.core.model import GenerationOptions, RoutingOptions, Task
from tierwise_server.core.quote import TierEstimate, quote
from tierwise_server.core.table import Policy, RoutingTable, decide

# 35 characters are 10 tokens, 6 more for the message, 1 to round up.
TASK = a_task("classify_intent", "a" * 35)


def quoted(task: Task, table: RoutingTable | None = None) -> tuple[TierEstimate, ...]:
    table = table or a_table()
    return quote(table, PRICES, task, decide(table, task))


def nano_usd(estimate: TierEstimate) -> tuple[int, int]:
    """Return the estimated and the largest cost."""
    assert estimate.cost_nano_usd is not None
    assert estimate.max_cost_nano_usd is not None
    return estimate.cost_nano_usd, estimate.max_cost_nano_usd


def with_limit(task: Task, max_output_tokens: int) -> Task:
    return replace(task, generation=GenerationOptions(max_output_tokens=max_output_tokens))


def test_quote_names_every_tier_in_the_tables_order() -> None:
    table = a_table()
    assert tuple(estimate.tier for estimate in quoted(TASK)) == table.tiers


def test_quote_assumes_the_tables_answer_length_and_the_longest_allowed() -> None:
    efficient, frontier, _ = quoted(TASK)
    assert (efficient.input_tokens, efficient.assumed_output_tokens) == (17, 500)
    assert nano_usd(efficient) == (17_000 + 500 * 5_000, 17_000 + 4_000 * 5_000)
    assert nano_usd(frontier) == (51_000 + 500 * 15_000, 51_000 + 4_000 * 15_000)


def test_quote_assumes_the_measured_answer_length_where_there_is_one() -> None:
    table = a_table()
    row = Policy(("efficient",), measured_output_tokens={"efficient": 40, "reasoning": 0})
    table = replace(table, rows={**table.rows, "classify_intent": row})
    assert [e.assumed_output_tokens for e in quoted(TASK, table)] == [40, 500, 0]


def test_quote_never_assumes_more_than_the_longest_allowed() -> None:
    estimates = quoted(with_limit(TASK, 100))
    assert [estimate.assumed_output_tokens for estimate in estimates] == [100] * 3
    assert all(estimate.cost_nano_usd == estimate.max_cost_nano_usd for estimate in estimates)


def test_quote_says_where_the_prompt_does_not_fit() -> None:
    long = a_task("classify_intent", "a" * 3_500 * 250)
    assert [estimate.fits_context for estimate in quoted(long)] == [False, True, True]


def test_quote_without_a_price_is_unknown() -> None:
    table = replace(a_table(Policy(("free",))), tiers=(a_tier("free"),), rows={})
    (estimate,) = quoted(TASK, table)
    assert (estimate.cost_nano_usd, estimate.max_cost_nano_usd) == (None, None)


@given(
    st.text(max_size=50),
    st.none() | st.integers(1, 100_000),
    st.sampled_from(["", "efficient", "frontier", "reasoning"]),
    st.sampled_from(["classify_intent", "climb_all", "unheard_of"]),
)
def test_quoted_cost_is_never_above_the_largest(
    text: str, limit: int | None, pin: str, task_type: str
) -> None:
    task = replace(
        a_task(task_type, text),
        routing=RoutingOptions(tier=pin),
        generation=GenerationOptions(max_output_tokens=limit),
    )
    for estimate in quoted(task):
        cost, max_cost = nano_usd(estimate)
        assert 0 < cost <= max_cost
        assert estimate.input_tokens == prompt_tokens(task.prompt, estimate.tier.model)
