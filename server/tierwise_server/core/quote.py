"""What a task would cost at each tier, estimated before any call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwise_server.core.estimate import scaled_tokens, unscaled_tokens, worst_case_nano_usd
from tierwise_server.core.table import output_limit

if TYPE_CHECKING:
    from tierwise_server.core.model import Task, Tier
    from tierwise_server.core.prices import PriceBook
    from tierwise_server.core.table import Plan, RoutingTable


@dataclass(frozen=True, slots=True)
class TierEstimate:
    """What a task would cost at one tier alone, in nano-USD; None when the model has no price.

    `cost_nano_usd` assumes the measured or configured answer length, `max_cost_nano_usd` the longest answer allowed.
    """

    tier: Tier
    input_tokens: int
    assumed_output_tokens: int
    cost_nano_usd: int | None
    max_cost_nano_usd: int | None
    fits_context: bool


def quote(table: RoutingTable, book: PriceBook, task: Task, plan: Plan) -> tuple[TierEstimate, ...]:
    """Estimate the task's cost at every tier of the table, in its order."""
    measured = plan.policy.measured_output_tokens or {}
    unscaled = unscaled_tokens(task.prompt)
    estimates: list[TierEstimate] = []
    for tier in table.tiers:
        tokens, limit = scaled_tokens(unscaled, tier.model), output_limit(tier, task)
        assumed = min(limit, measured.get(tier.name, table.assumed_output_tokens))
        cost, most = (
            worst_case_nano_usd(book, tier.model, input_tokens=tokens, max_output_tokens=output)
            for output in (assumed, limit)
        )
        fits_context = tokens + limit <= tier.model.context_tokens
        estimates.append(TierEstimate(tier, tokens, assumed, cost, most, fits_context))
    return tuple(estimates)
