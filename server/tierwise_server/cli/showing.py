"""How answers, decisions and money look at a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table

from tierwise_client import (
    Acceptance,
    Answer,
    CallKind,
    CallRecord,
    Cost,
    GenerationSummary,
    RouteResult,
    TierEstimate,
)

NANO_PER_USD = 1_000_000_000


def usd(nano_usd: int | None) -> str:
    """Show nano-USD exactly, in dollars; a cost that is not known stays unknown."""
    if nano_usd is None:
        return "unknown"
    dollars, nanos = divmod(nano_usd, NANO_PER_USD)
    micros, rest = divmod(nanos, 1000)
    return f"${dollars}.{micros:06d}" + (f"{rest:03d}" if rest else "")


def cost_of(cost: Cost | None) -> str:
    """Show a cost."""
    return usd(None if cost is None else cost.total_nano_usd)


def decision_lines(result: RouteResult) -> list[str]:
    """Show a decision in a few lines."""
    decision = result.decision
    lines = [f"{decision.tier} ({decision.model})", decision.why]
    if decision.confidence_threshold is not None:
        threshold = f"{decision.confidence_threshold:g}"
        lines.append(f"accepts at confidence {threshold} or more, by {decision.confidence_method}")
    lines.append(f"routing table {decision.table_version}")
    return lines


def estimates_table(result: RouteResult) -> Table:
    """Show what a task would cost at each tier."""
    table = Table(
        "tier", "model", box=box.SIMPLE_HEAD, title="estimated cost", title_justify="left"
    )
    for name in ("input tokens", "output assumed", "estimate", "at most"):
        table.add_column(name, justify="right")
    for tier in result.tiers:
        table.add_row(*_estimate_row(tier))
    return table


def _estimate_row(tier: TierEstimate) -> tuple[str, ...]:
    model = tier.model if tier.fits_context else f"{tier.model} (too small for the prompt)"
    return (
        tier.tier,
        model,
        str(tier.estimated_input_tokens),
        str(tier.assumed_output_tokens),
        usd(tier.estimated_cost_nano_usd),
        usd(tier.max_cost_nano_usd),
    )


def answer_line(answer: Answer) -> str:
    """Show who answered and what it cost, in one line."""
    confidence = "" if answer.confidence is None else f" · confidence {answer.confidence:g}"
    if answer.escalated and confidence:
        confidence += " in the draft"
    usage = f"{answer.usage.input_tokens} in, {answer.usage.output_tokens} out"
    return (
        f"{answer.tier} · {answer.model}{confidence} · {_ACCEPTANCE_WORDS[answer.acceptance]}"
        f" · {usage} · {cost_of(answer.cost)} · {answer.duration_s:.2f} s"
    )


_ACCEPTANCE_WORDS = {
    Acceptance.UNSPECIFIED: "no answer",
    Acceptance.UNCHECKED: "no check applies",
    Acceptance.ACCEPTED: "accepted",
    Acceptance.ACCEPTED_LOW: "accepted low: no time or money for a stronger tier",
}


def calls_table(summary: GenerationSummary) -> Table:
    """Show every call of a request with its tokens and cost, and their sum."""
    table = Table("call", "tier", box=box.SIMPLE_HEAD, show_footer=True)
    for name in ("tokens in", "tokens out", "cost"):
        table.add_column(name, justify="right")
    for call in summary.calls:
        table.add_row(*_call_row(call))
    sums = (
        str(summary.usage.input_tokens),
        str(summary.usage.output_tokens),
        cost_of(summary.cost),
    )
    for column, text in zip(table.columns, ("total", "", *sums), strict=True):
        column.footer = text
    return table


def _call_row(call: CallRecord) -> tuple[str, ...]:
    name = "check" if call.kind is CallKind.CHECK else f"attempt {call.attempt}"
    if call.superseded:
        name += ", superseded"
    usage = call.usage
    tokens = ("0", "0") if usage is None else (str(usage.input_tokens), str(usage.output_tokens))
    cost = "not billed" if usage is None else cost_of(call.cost)
    return (name, call.tier, *tokens, cost)
