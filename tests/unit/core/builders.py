"""Short ways to the core's values, with defaults that a test need not read."""

from __future__ import annotations

from tierwise_server.core.cascade import Call
from tierwise_server.core.model import CallKind, Message, Model, Prompt, Role, Task, Tier
from tierwise_server.core.prices import PriceBook, Rates
from tierwise_server.core.table import Plan, Policy, RoutingTable, Rule

PICO_USD_PER_TOKEN = 1_000_000
"""What one USD per million tokens is per token, in pico-USD."""


def a_model(
    name: str,
    *,
    context_tokens: int = 1_000_000,
    max_output_tokens: int = 64_000,
    token_scale: float = 1.0,
) -> Model:
    return Model(
        id=name,
        provider="anthropic",
        context_tokens=context_tokens,
        max_output_tokens=max_output_tokens,
        token_scale=token_scale,
    )


def a_tier(
    name: str,
    *,
    context_tokens: int = 1_000_000,
    max_output_tokens: int = 4_000,
    token_scale: float = 1.0,
    model: str = "",
) -> Tier:
    filled_by = a_model(
        model or f"model-{name}", context_tokens=context_tokens, token_scale=token_scale
    )
    return Tier(name=name, model=filled_by, max_output_tokens=max_output_tokens)


EFFICIENT = a_tier("efficient", model="claude-haiku-4-5-20251001", context_tokens=200_000)
FRONTIER = a_tier("frontier", model="claude-sonnet-4-6")
REASONING = a_tier("reasoning", model="claude-opus-4-8")


def a_plan(
    *cascade: Tier,
    overflow: tuple[Tier, ...] = (),
    fallback: tuple[Tier, ...] = (),
    threshold: float = 0.8,
    policy: Policy | None = None,
) -> Plan:
    return Plan(
        task_type="classify_intent",
        listed=True,
        cascade=cascade,
        overflow=overflow,
        fallback=fallback,
        threshold=threshold,
        method="self_report" if len(cascade) > 1 else "",
        rule=Rule.TASK_TYPE,
        adjustments=(),
        table_version="table-1",
        policy=policy or Policy(tuple(tier.name for tier in cascade)),
    )


def an_attempt(attempt: int, tier: Tier, kind: CallKind = CallKind.DIRECT) -> Call:
    return Call(attempt, kind, tier)


def a_prompt(*texts: str, system: str = "") -> Prompt:
    """Build a conversation that alternates, the user first."""
    roles = (Role.USER, Role.ASSISTANT)
    turns = tuple(Message(roles[at % 2], (text,)) for at, text in enumerate(texts))
    return Prompt(system, turns)


def a_task(task_type: str = "classify_intent", text: str = "Where is my parcel?") -> Task:
    return Task(task_type=task_type, prompt=a_prompt(text))


STATIC_ROWS = {
    "efficient": (
        "classify_intent",
        "extract_entities",
        "generate_summary",
        "answer_faq",
        "analyse_sentiment",
    ),
    "frontier": (
        "generate_response",
        "interpret_ambiguous_request",
        "write_technical_explanation",
        "review_code_logic",
    ),
    "reasoning": ("debug_complex_error", "plan_architecture", "evaluate_tradeoffs"),
}
TO_FRONTIER = Policy(("frontier",))


def a_table(default: Policy | None = TO_FRONTIER) -> RoutingTable:
    """Build the published table, with one more row that climbs two tiers and one that climbs three."""
    rows = {row: Policy((tier,)) for tier, types in STATIC_ROWS.items() for row in types}
    rows["climb_two"] = Policy(("efficient", "frontier"), 0.9, "self_report")
    rows["climb_all"] = Policy(("efficient", "frontier", "reasoning"), 0.6, "log_probs")
    return RoutingTable(
        version="table-1",
        tiers=(EFFICIENT, FRONTIER, REASONING),
        rows=rows,
        default=default,
        escalation=Policy(("efficient", "frontier"), 0.8, "self_report"),
    )


def published_rates(
    input_usd: float, output_usd: float, *, up_to_input_tokens: int | None = None
) -> Rates:
    """Build rates from USD per million tokens, the cache at its published multiples of the input price."""
    per_token = round(input_usd * PICO_USD_PER_TOKEN)
    return Rates(
        input=per_token,
        output=round(output_usd * PICO_USD_PER_TOKEN),
        cache_read=per_token // 10,
        cache_write=per_token * 5 // 4,
        cache_write_1h=per_token * 2,
        up_to_input_tokens=up_to_input_tokens,
    )


PRICES = PriceBook(
    version="prices-1",
    models={
        "claude-haiku-4-5-20251001": (published_rates(1, 5),),
        "claude-sonnet-4-6": (published_rates(3, 15),),
        "claude-opus-4-8": (published_rates(5, 25),),
        "claude-haiku-5-5": (
            published_rates(0.10, 0.50, up_to_input_tokens=100_000),
            published_rates(0.50, 2.50),
        ),
    },
)
