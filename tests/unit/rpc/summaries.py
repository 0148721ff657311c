"""Summaries of requests that climbed high."""

from __future__ import annotations

from tests.unit.core.builders import PRICES, a_tier
from tierwise_server.core.account import CallRecord, CallStatus, Summary
from tierwise_server.core.cascade import Call
from tierwise_server.core.model import CallKind, FinishReason, Tier, Usage
from tierwise_server.errors import Reason

HUGE = Usage(200_000_000, 100_000_000, 20_000_000, 20_000_000, 64_000_000, 32_000_000)


def a_climb(tiers: int, *, name: str = "tier", model: str = "claude-sonnet-4-6") -> Summary:
    """Summarise a climb of so many tiers, each of which drafted and was checked at length, and the last one failed."""
    records: list[CallRecord] = []
    for number in range(1, tiers + 1):
        tier = a_tier(f"{name}-{number}", model=model)
        records += [_record(number, kind, tier) for kind in (CallKind.DRAFT, CallKind.CHECK)]
    return Summary("r" * 128, "512acd9c10ef", tuple(records), 600.5, None, None, 0.4, (), 1.25)


def _record(attempt: int, kind: CallKind, tier: Tier) -> CallRecord:
    return CallRecord(
        call=Call(attempt, kind, tier),
        status=CallStatus.FAILED,
        usage=HUGE,
        cost=PRICES.cost(tier.model.id, HUGE),
        duration_s=123.456789,
        estimated=True,
        superseded=True,
        finish_reason=FinishReason.OTHER,
        raw_finish_reason="x" * 64,
        failure=Reason.UPSTREAM_MODEL_MISSING,
        tries=3,
        response_id="msg_01" + "x" * 122,
    )
