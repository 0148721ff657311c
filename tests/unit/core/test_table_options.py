"""Every combination of options on every row, against the contract's sentences told a second time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.core.builders import a_table, a_task, a_tier
from tierwise_server.core.model import GenerationOptions, RoutingOptions, Task
from tierwise_server.core.table import (
    Adjustment,
    Plan,
    Policy,
    RoutingTable,
    Rule,
    decide,
    fits,
)
from tierwise_server.errors import InvalidRequest, Reason

ORDER = ["efficient", "frontier", "reasoning"]
ROWS = ["answer_faq", "review_code_logic", "plan_architecture", "climb_two", "climb_all", "other"]
COMBINATIONS = [
    RoutingOptions(*choice)
    for choice in itertools.product(["", *ORDER], ["", *ORDER], [None, True, False], [None, 0.5])
]


class Expected(NamedTuple):
    cascade: list[str]
    adjustments: list[str]
    threshold: float
    method: str


def told(row: list[str], own: tuple[float, str], wish: RoutingOptions) -> Expected | None:
    """Follow RoutingOptions in the contract, sentence by sentence; None when they contradict each other."""
    changed = []
    cascade = [wish.tier] if wish.tier else row
    climbs = len(cascade) > 1
    if wish.tier and wish.max_tier and ORDER.index(wish.tier) > ORDER.index(wish.max_tier):
        return None
    if wish.escalation and not climbs:
        cascade = ["efficient", cascade[0] if cascade[0] != "efficient" else "frontier"]
        changed.append("ESCALATION_ON")
    if wish.escalation is False and climbs:
        cascade = cascade[:1]
        changed.append("ESCALATION_OFF")
    strongest = ORDER.index(wish.max_tier or "reasoning")
    if max(map(ORDER.index, cascade)) > strongest:
        cascade = [tier for tier in cascade if ORDER.index(tier) <= strongest] or [wish.max_tier]
        changed.append("CAPPED")
    if len(cascade) == 1:
        return Expected(cascade, changed, 0.0, "")
    threshold, method = own if climbs else (0.8, "self_report")
    if wish.confidence_threshold is not None:
        changed.append("THRESHOLD")
        threshold = wish.confidence_threshold
    return Expected(cascade, changed, threshold, method)


@pytest.mark.parametrize("task_type", ROWS)
def test_every_combination_of_options_does_what_the_contract_says(task_type: str) -> None:
    table = a_table()
    policy = table.rows.get(task_type, Policy(("frontier",)))
    for options in COMBINATIONS:
        expected = told([*policy.cascade], (policy.threshold, policy.method), options)
        task = replace(a_task(task_type), routing=options)
        if expected is None:
            with pytest.raises(InvalidRequest):
                decide(table, task)
            continue
        plan = decide(table, task)
        cascade = [tier.name for tier in plan.cascade]
        adjustments = [change.name for change in plan.adjustments]
        assert expected == (cascade, adjustments, plan.threshold, plan.method), options
        assert plan.why


TIER_NAMES = ["t0", "t1", "t2", "t3", "t4"]


@st.composite
def tables(draw: st.DrawFn) -> RoutingTable:
    """Make a table of one to five tiers whose models hold different lengths, with one row and maybe a default."""
    count = draw(st.integers(1, 5))
    tiers = tuple(
        a_tier(name, context_tokens=draw(st.sampled_from([50, 500, 5_000])), max_output_tokens=20)
        for name in TIER_NAMES[:count]
    )
    cascades = st.sets(st.sampled_from(TIER_NAMES[:count]), min_size=1).map(sorted).map(tuple)
    policies = st.builds(Policy, cascades, st.floats(0.0, 1.0), st.just("self_report"))
    return RoutingTable(
        version=draw(st.text(max_size=5)),
        tiers=tiers,
        rows={"row": draw(policies)},
        default=draw(st.none() | policies),
        escalation=draw(policies),
    )


TIER_WISHES = st.sampled_from(["", "", *TIER_NAMES])
TASKS = st.builds(
    Task,
    task_type=st.sampled_from(["row", "row", "other"]),
    prompt=st.sampled_from([a_task(text="a" * n).prompt for n in (1, 700, 7_000, 70_000)]),
    routing=st.builds(
        RoutingOptions,
        TIER_WISHES,
        TIER_WISHES,
        st.none() | st.booleans(),
        st.none() | st.floats(0.0, 1.0),
    ),
    generation=st.builds(GenerationOptions, st.none() | st.integers(1, 1_000)),
)


def decided(table: RoutingTable, task: Task) -> Plan | Reason:
    """Return the plan, or why there is none."""
    try:
        return decide(table, task)
    except InvalidRequest as refused:
        return refused.reason if refused.faults else Reason.INTERNAL


def contradiction(table: RoutingTable, task: Task) -> Reason | None:
    """Say what is wrong with a request before any prompt is measured."""
    order = [tier.name for tier in table.tiers]
    pin, cap = task.routing.tier, task.routing.max_tier
    if not {pin, cap} <= {"", *order}:
        return Reason.UNKNOWN_TIER
    if pin and cap and order.index(pin) > order.index(cap):
        return Reason.INVALID_REQUEST
    unknown = task.task_type not in table.rows and table.default is None
    return Reason.UNKNOWN_TASK_TYPE if unknown and not pin else None


@settings(max_examples=500)
@given(tables(), TASKS)
def test_request_is_refused_for_what_is_wrong_with_it(table: RoutingTable, task: Task) -> None:
    wrong, outcome = contradiction(table, task), decided(table, task)
    if wrong is not None:
        assert outcome is wrong
    elif outcome is Reason.CONTEXT_TOO_LONG:
        assert not all(fits(tier, task) for tier in table.tiers)
    else:
        assert isinstance(outcome, Plan)


@settings(max_examples=500)
@given(tables(), TASKS)
def test_plan_is_possible_allowed_and_reproducible(table: RoutingTable, task: Task) -> None:
    version = table.version
    plan = decided(table, task)
    assert decided(table, task) == plan
    assert table.version == version
    if isinstance(plan, Reason):
        return
    assert plan.table_version == version
    options = task.routing
    ranks = [table.rank(tier.name) for tier in plan.cascade]
    later = [table.rank(tier.name) for tier in plan.overflow]
    assert all(fits(tier, task) for tier in plan.cascade)
    assert ranks == sorted(set(ranks))
    assert later == sorted(set(later) - set(ranks))
    assert all(rank > ranks[0] for rank in later)
    if options.max_tier:
        assert max(ranks + later) <= table.rank(options.max_tier)
    if options.tier and options.escalation is not True:
        assert (plan.cascade, plan.overflow) == ((table.tiers[table.rank(options.tier)],), ())
    if options.escalation is False:
        assert not plan.escalates
        assert not plan.overflow
    assert (plan.rule is Rule.PINNED) is bool(options.tier)
    assert len(set(plan.adjustments)) == len(plan.adjustments)
    assert (Adjustment.THRESHOLD in plan.adjustments) is (
        plan.escalates and options.confidence_threshold is not None
    )
    assert bool(plan.method) is plan.escalates
    assert plan.why.startswith(plan.cascade[0].name)
    assert plan.why.endswith(".")
