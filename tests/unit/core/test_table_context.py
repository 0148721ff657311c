"""Prompts that a model cannot hold: which tiers are left, and which may take over later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.core.builders import a_task, a_tier
from tierwise_server.core.model import GenerationOptions, RoutingOptions, Tier
from tierwise_server.core.table import Adjustment, Plan, Policy, RoutingTable, decide
from tierwise_server.errors import InvalidRequest, Reason

CAPPED, SKIP, THRESHOLD = Adjustment.CAPPED, Adjustment.CONTEXT_SKIP, Adjustment.THRESHOLD
ON, OFF = Adjustment.ESCALATION_ON, Adjustment.ESCALATION_OFF

SHORT, LONG, LONGER = "a" * 35, "a" * 3_500, "a" * 7_000
"""17, 1,007 and 2,007 tokens with what surrounds them."""


def holding(name: str, context_tokens: int) -> Tier:
    return a_tier(name, context_tokens=context_tokens, max_output_tokens=10)


A, B, C, D = holding("a", 100), holding("b", 1_100), holding("c", 2_100), holding("d", 3_100)


def planned(
    cascade: tuple[str, ...],
    text: str,
    options: RoutingOptions | None = None,
    *,
    tiers: tuple[Tier, ...] = (A, B, C, D),
) -> Plan:
    table = RoutingTable(
        version="table-1",
        tiers=tiers,
        rows={"row": Policy(cascade, 0.7, "self_report" if len(cascade) > 1 else "")},
        default=None,
        escalation=Policy(("a", "b"), 0.8, "self_report"),
    )
    return decide(table, replace(a_task("row", text), routing=options or RoutingOptions()))


def names(tiers: tuple[Tier, ...]) -> str:
    return "".join(tier.name for tier in tiers)


@pytest.mark.parametrize(
    ("row", "text", "options", "cascade", "overflow", "adjustments"),
    [
        # All fit.
        ("a", SHORT, RoutingOptions(), "a", "bcd", ()),
        ("ab", SHORT, RoutingOptions(), "ab", "cd", ()),
        ("ad", SHORT, RoutingOptions(), "ad", "bc", ()),
        ("abcd", SHORT, RoutingOptions(), "abcd", "", ()),
        ("d", SHORT, RoutingOptions(), "d", "", ()),
        # Some of the cascade do not.
        ("ab", LONG, RoutingOptions(), "b", "cd", (SKIP,)),
        ("abc", LONG, RoutingOptions(), "bc", "d", (SKIP,)),
        ("abcd", LONGER, RoutingOptions(), "cd", "", (SKIP,)),
        ("ac", LONG, RoutingOptions(), "c", "d", (SKIP,)),
        # None does: the next tier outside takes over, alone.
        ("a", LONG, RoutingOptions(), "b", "cd", (SKIP,)),
        ("a", LONGER, RoutingOptions(), "c", "d", (SKIP,)),
        ("ab", LONGER, RoutingOptions(), "c", "d", (SKIP,)),
        # A cap holds for what takes over as well.
        ("a", SHORT, RoutingOptions(max_tier="a"), "a", "", ()),
        ("a", SHORT, RoutingOptions(max_tier="c"), "a", "bc", ()),
        ("a", LONG, RoutingOptions(max_tier="b"), "b", "", (SKIP,)),
        ("abcd", LONG, RoutingOptions(max_tier="c"), "bc", "", (CAPPED, SKIP)),
        # A pinned tier is the only one.
        ("ab", SHORT, RoutingOptions(tier="a"), "a", "", ()),
        ("ab", LONG, RoutingOptions(tier="b"), "b", "", ()),
        ("ab", SHORT, RoutingOptions("a", escalation=True), "ab", "", (ON,)),
        ("ab", LONG, RoutingOptions("b", escalation=True), "b", "", (ON, SKIP)),
        # Without escalation a tier may be skipped beforehand, and nothing takes over later.
        ("ab", SHORT, RoutingOptions(escalation=False), "a", "", (OFF,)),
        ("a", LONG, RoutingOptions(escalation=False), "b", "", (SKIP,)),
        # A threshold is only said to be set where a check is left to use it.
        ("ab", SHORT, RoutingOptions(confidence_threshold=0.5), "ab", "cd", (THRESHOLD,)),
        ("ab", LONG, RoutingOptions(confidence_threshold=0.5), "b", "cd", (SKIP,)),
        ("abc", LONG, RoutingOptions(confidence_threshold=0.5), "bc", "d", (SKIP, THRESHOLD)),
    ],
)
def test_tiers_that_cannot_hold_the_prompt_are_skipped(
    row: str,
    text: str,
    options: RoutingOptions,
    cascade: str,
    overflow: str,
    adjustments: tuple[Adjustment, ...],
) -> None:
    plan = planned(tuple(row), text, options)
    assert (names(plan.cascade), names(plan.overflow)) == (cascade, overflow)
    assert plan.adjustments == adjustments
    assert bool(plan.method) is plan.escalates is (len(cascade) > 1)


@pytest.mark.parametrize(
    ("row", "options"),
    [
        ("a", RoutingOptions(max_tier="b")),
        ("ab", RoutingOptions(max_tier="b")),
        ("abcd", RoutingOptions(max_tier="a")),
        ("a", RoutingOptions(tier="a")),
        ("abcd", RoutingOptions(tier="b")),
        ("abcd", RoutingOptions(tier="a", escalation=True)),
    ],
)
def test_prompt_that_no_allowed_tier_holds_is_refused(row: str, options: RoutingOptions) -> None:
    with pytest.raises(InvalidRequest) as refused:
        planned(tuple(row), LONGER, options)
    assert refused.value.reason is Reason.CONTEXT_TOO_LONG
    assert [fault.path for fault in refused.value.faults] == ["messages"]


def test_stronger_tier_with_a_smaller_model_is_skipped_too() -> None:
    shrinking = (D, C, B)
    plan = planned(("d", "c"), LONGER, tiers=shrinking)
    assert (names(plan.cascade), names(plan.overflow)) == ("dc", "b")
    plan = planned(("d", "b"), LONGER, tiers=shrinking)
    assert (names(plan.cascade), names(plan.overflow)) == ("d", "c")
    assert plan.adjustments == (SKIP,)


def test_answer_length_counts_towards_the_context() -> None:
    table = RoutingTable("1", (A, B), {"row": Policy(("a",))}, None, Policy(("a", "b")))
    task = replace(a_task("row", SHORT), generation=GenerationOptions(max_output_tokens=84))
    assert names(decide(table, task).cascade) == "b"
    task = replace(task, generation=GenerationOptions(max_output_tokens=83))
    assert names(decide(table, task).cascade) == "a"
