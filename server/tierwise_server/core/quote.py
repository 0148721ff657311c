"""What a task would cost at each tier, estimated before any call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwise_server.core.estimate import prompt_tokens, worst_case
from tierwise_server.core.table import fits, output_limit

if TYPE_CHECKING:
    from tierwise_server.core.model import Task, Tier
    from tierwise_server.core.prices import Cost, PriceBook
    from tierwise_server.core.table import Plan, RoutingTable


@dataclass(frozen=True, slots=True)
class TierEstimate:
    """What a task would cost at one tier alone; costs are None when the model has no price.

    `cost` assumes the measured or configured answer length, `max_cost` the longest answer allowed.
    """

    tier: Tier
    input_tokens: int
    assumed_output_tokens: int
    cost: Cost | None
    max_cost: Cost | None
    fits_context: bool


def quote(table: RoutingTable, book: PriceBook, task: Task, plan: Plan) -> tuple[TierEstimate, ...]:
    """Estimate the task's cost at every tier of the table, in its order."""
    return tuple(_estimate(table, book, task, plan, tier) for tier in table.tiers)


def _estimate(
    table: RoutingTable, book: PriceBook, task: Task, plan: Plan, tier: Tier
) -> TierEstimate:
    tokens = prompt_tokens(task.prompt, tier.model)
    limit = output_limit(tier, task)
    measured = (plan.policy.measured_output_tokens or {}).get(tier.name)
    assumed = min(limit, table.assumed_output_tokens if measured is None else measured)
    return TierEstimate(
        tier=tier,
        input_tokens=tokens,
        assumed_output_tokens=assumed,
        cost=worst_case(book, tier.model, input_tokens=tokens, max_output_tokens=assumed),
        max_cost=worst_case(book, tier.model, input_tokens=tokens, max_output_tokens=limit),
        fits_context=fits(tier, task),
    )
