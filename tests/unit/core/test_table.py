"""The decision about one task: what the published table says, and what a request may change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.core.builders import STATIC_ROWS, a_table, a_task, a_tier
from tierwise_server.core.model import GenerationOptions, RoutingOptions, Task, Tier
from tierwise_server.core.table import (
    Adjustment,
    Evidence,
    Plan,
    Policy,
    Rule,
    decide,
    fits,
    output_limit,
    with_version,
)
from tierwise_server.errors import Fault, InvalidRequest, Reason

ON, OFF = Adjustment.ESCALATION_ON, Adjustment.ESCALATION_OFF
CAPPED, THRESHOLD = Adjustment.CAPPED, Adjustment.THRESHOLD

E, F, R = "efficient", "frontier", "reasoning"


def routed(task_type: str, options: RoutingOptions | None = None) -> Plan:
    return decide(a_table(), with_options(a_task(task_type), options or RoutingOptions()))


def with_options(task: Task, options: RoutingOptions) -> Task:
    return replace(task, routing=options)


def names(tiers: tuple[Tier, ...]) -> list[str]:
    return [tier.name for tier in tiers]


@pytest.mark.parametrize(
    ("tier", "task_type"), [(tier, row) for tier, rows in STATIC_ROWS.items() for row in rows]
)
def test_published_row_is_one_tier_that_answers_unchecked(tier: str, task_type: str) -> None:
    plan = routed(task_type)
    assert names(plan.cascade) == [tier]
    assert (plan.rule, plan.adjustments) == (Rule.TASK_TYPE, ())
    assert (plan.threshold, plan.method, plan.escalates) == (0.0, "", False)


@pytest.mark.parametrize(
    ("task_type", "cascade", "threshold", "method"),
    [
        ("climb_two", [E, F], 0.9, "self_report"),
        ("climb_all", [E, F, R], 0.6, "log_probs"),
    ],
)
def test_row_that_climbs_keeps_its_own_threshold_and_method(
    task_type: str, cascade: list[str], threshold: float, method: str
) -> None:
    plan = routed(task_type)
    assert names(plan.cascade) == cascade
    assert (plan.threshold, plan.method, plan.escalates) == (threshold, method, True)


def test_cascade_without_a_method_takes_the_escalations() -> None:
    table = replace(a_table(), rows={"bare": Policy((E, F), 0.3)})
    plan = decide(table, a_task("bare"))
    assert (plan.threshold, plan.method) == (0.8, "self_report")


@pytest.mark.parametrize("task_type", ["unheard_of", "", "CLASSIFY_INTENT"])
def test_other_task_types_take_the_default(task_type: str) -> None:
    plan = routed(task_type)
    assert names(plan.cascade) == [F]
    assert plan.rule is Rule.DEFAULT
    assert plan.task_type == task_type


def test_task_type_without_row_or_default_is_refused() -> None:
    table = replace(a_table(default=None), rows={"b": Policy((E,)), "a": Policy((E,))})
    with pytest.raises(InvalidRequest) as refused:
        decide(table, a_task("unheard_of"))
    assert refused.value.reason is Reason.UNKNOWN_TASK_TYPE
    fault = Fault("task_type", "there is no row for it; rows: a, b")
    assert refused.value.faults == (fault,)


@pytest.mark.parametrize(
    ("task_type", "options", "cascade", "adjustments"),
    [
        # A pin, alone and with each other option.
        ("climb_all", RoutingOptions(R), [R], ()),
        ("unheard_of", RoutingOptions(E), [E], ()),
        ("climb_all", RoutingOptions(E, max_tier=F), [E], ()),
        ("climb_all", RoutingOptions(F, max_tier=F), [F], ()),
        ("climb_all", RoutingOptions(F, escalation=False), [F], ()),
        ("climb_all", RoutingOptions(E, escalation=True), [E, F], (ON,)),
        ("climb_all", RoutingOptions(F, escalation=True), [E, F], (ON,)),
        ("climb_all", RoutingOptions(R, escalation=True), [E, R], (ON,)),
        ("climb_all", RoutingOptions(R, confidence_threshold=0.5), [R], ()),
        # A cap.
        ("answer_faq", RoutingOptions(max_tier=F), [E], ()),
        ("review_code_logic", RoutingOptions(max_tier=E), [E], (CAPPED,)),
        ("plan_architecture", RoutingOptions(max_tier=F), [F], (CAPPED,)),
        ("climb_all", RoutingOptions(max_tier=R), [E, F, R], ()),
        ("climb_all", RoutingOptions(max_tier=F), [E, F], (CAPPED,)),
        ("climb_all", RoutingOptions(max_tier=E), [E], (CAPPED,)),
        # Escalation on and off.
        ("answer_faq", RoutingOptions(escalation=True), [E, F], (ON,)),
        ("review_code_logic", RoutingOptions(escalation=True), [E, F], (ON,)),
        ("plan_architecture", RoutingOptions(escalation=True), [E, R], (ON,)),
        ("unheard_of", RoutingOptions(escalation=True), [E, F], (ON,)),
        ("climb_all", RoutingOptions(escalation=True), [E, F, R], ()),
        ("climb_all", RoutingOptions(escalation=False), [E], (OFF,)),
        ("answer_faq", RoutingOptions(escalation=False), [E], ()),
        # Escalation and a cap.
        ("plan_architecture", RoutingOptions("", F, True), [E], (ON, CAPPED)),
        ("plan_architecture", RoutingOptions("", R, True), [E, R], (ON,)),
        ("answer_faq", RoutingOptions("", E, True), [E], (ON, CAPPED)),
        ("climb_all", RoutingOptions("", E, False), [E], (OFF,)),
        # A threshold, where something is checked.
        ("climb_two", RoutingOptions(confidence_threshold=0.5), [E, F], (THRESHOLD,)),
        ("answer_faq", RoutingOptions(confidence_threshold=0.5), [E], ()),
        ("answer_faq", RoutingOptions("", "", True, 0.5), [E, F], (ON, THRESHOLD)),
        ("climb_all", RoutingOptions("", F, None, 0.5), [E, F], (CAPPED, THRESHOLD)),
        ("climb_all", RoutingOptions("", E, None, 0.5), [E], (CAPPED,)),
        ("climb_all", RoutingOptions("", "", False, 0.5), [E], (OFF,)),
        # A cost cap is for the engine.
        ("answer_faq", RoutingOptions(max_cost_nano_usd=1), [E], ()),
    ],
)
def test_options_change_the_row_as_the_contract_says(
    task_type: str,
    options: RoutingOptions,
    cascade: list[str],
    adjustments: tuple[Adjustment, ...],
) -> None:
    plan = routed(task_type, options)
    assert names(plan.cascade) == cascade
    assert plan.adjustments == adjustments
    assert (plan.rule is Rule.PINNED) is bool(options.tier)


def test_threshold_of_the_request_replaces_the_rows_and_keeps_its_method() -> None:
    plan = routed("climb_all", RoutingOptions(confidence_threshold=0.0))
    assert (plan.threshold, plan.method) == (0.0, "log_probs")


def test_escalation_turned_on_brings_its_own_threshold_and_method() -> None:
    rows = {"one": Policy((E,), 0.1, "unused"), "all": Policy((E, F, R), 0.6, "log_probs")}
    table = replace(a_table(), rows=rows)
    on = RoutingOptions(escalation=True)
    plan = decide(table, with_options(a_task("one"), on))
    assert (plan.threshold, plan.method) == (0.8, "self_report")
    plan = decide(table, with_options(a_task("all"), on))
    assert (plan.threshold, plan.method) == (0.6, "log_probs")


@pytest.mark.parametrize(
    ("escalation", "pin", "cascade"),
    [
        # A tier below the ladder drafts for all of it.
        ((F, R), E, [E, F, R]),
        ((F, R), F, [F, R]),
        ((F, R), R, [F, R]),
        # The strongest tier of a ladder of one has nothing to climb to.
        ((R,), R, [R]),
        ((E,), E, [E]),
        ((E,), F, [E, F]),
        ((E, F, R), E, [E, F, R]),
        ((E, F, R), F, [E, F]),
    ],
)
def test_escalation_around_a_tier_drafts_below_it_where_there_is_a_below(
    escalation: tuple[str, ...], pin: str, cascade: list[str]
) -> None:
    table = replace(a_table(), escalation=Policy(escalation, 0.8, "self_report"))
    plan = decide(table, with_options(a_task(), RoutingOptions(pin, escalation=True)))
    assert names(plan.cascade) == cascade
    assert plan.adjustments == ((ON,) if len(cascade) > 1 else ())


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (RoutingOptions(tier="best"), "routing.tier"),
        (RoutingOptions(tier="Efficient"), "routing.tier"),
        (RoutingOptions(max_tier="best"), "routing.max_tier"),
        (RoutingOptions(tier=E, max_tier="best"), "routing.max_tier"),
        (RoutingOptions(tier="best", max_tier="better"), "routing.tier"),
    ],
)
def test_unknown_tier_is_refused_and_the_known_ones_named(
    options: RoutingOptions, fault: str
) -> None:
    with pytest.raises(InvalidRequest, match="efficient, frontier, reasoning") as refused:
        routed("answer_faq", options)
    assert refused.value.reason is Reason.UNKNOWN_TIER
    assert [each.path for each in refused.value.faults] == [fault]


@pytest.mark.parametrize("escalation", [None, True, False])
def test_pin_above_the_cap_is_refused(escalation: bool | None) -> None:
    with pytest.raises(InvalidRequest, match="'reasoning' is above max_tier 'frontier'") as refused:
        routed("answer_faq", RoutingOptions(R, F, escalation))
    assert refused.value.reason is Reason.INVALID_REQUEST
    assert [each.path for each in refused.value.faults] == ["routing.tier"]


def test_plan_names_its_table_and_keeps_the_row() -> None:
    table = a_table()
    evidence = Evidence(100, 0.9, 0.85, 0.94, 1_000, "human", "d", "prices-1", 1, 2)
    row = Policy((E,), evidence=evidence, measured_output_tokens={E: 40})
    table = replace(table, version="table-7", rows={"answer_faq": row})
    plan = decide(table, a_task("answer_faq"))
    assert plan.table_version == "table-7"
    assert plan.policy is row
    pinned = decide(table, with_options(a_task("answer_faq"), RoutingOptions(tier=R)))
    assert pinned.policy == Policy((R,))


def test_table_under_another_version_decides_the_same() -> None:
    table = a_table()
    other = with_version(table, "table-2")
    assert (table.version, other.version) == ("table-1", "table-2")
    plan = decide(other, a_task("climb_all"))
    assert plan == replace(decide(table, a_task("climb_all")), table_version="table-2")


def test_rank_is_the_place_from_the_weakest() -> None:
    table = a_table()
    assert [table.rank(tier) for tier in (E, F, R, "best", "")] == [0, 1, 2, -1, -1]


@pytest.mark.parametrize(
    ("task_type", "options", "why"),
    [
        ("answer_faq", RoutingOptions(), "efficient: the table has a row for 'answer_faq'."),
        (
            "poem",
            RoutingOptions(),
            "frontier: the table has no row for the task type, so its default applies.",
        ),
        ("poem", RoutingOptions(tier=R), "reasoning: the request pins the tier."),
        (
            "climb_all",
            RoutingOptions("", F, None, 0.5),
            "efficient then frontier: the table has a row for 'climb_all'; the request's max_tier"
            " or its key left tiers out; the request set the threshold.",
        ),
    ],
)
def test_why_tells_the_decision_in_one_sentence(
    task_type: str, options: RoutingOptions, why: str
) -> None:
    assert routed(task_type, options).why == why


def test_why_has_words_for_every_rule_and_adjustment() -> None:
    bare = replace(routed("climb_all"), adjustments=())
    told = {replace(bare, rule=rule).why for rule in Rule}
    told |= {replace(bare, adjustments=(change,)).why for change in Adjustment}
    assert len(told) == len(Rule) + len(Adjustment)


@pytest.mark.parametrize(
    ("wish", "tier_limit", "limit"),
    [(None, 4_000, 4_000), (100, 4_000, 100), (9_000, 4_000, 9_000), (99_000, 4_000, 64_000)],
)
def test_output_limit_is_the_callers_wish_within_what_the_model_can_write(
    wish: int | None, tier_limit: int, limit: int
) -> None:
    tier = a_tier("any", max_output_tokens=tier_limit)
    task = replace(a_task(), generation=GenerationOptions(max_output_tokens=wish))
    assert output_limit(tier, task) == limit
    tier = a_tier("any", max_output_tokens=70_000)
    assert output_limit(tier, a_task()) == 64_000


@pytest.mark.parametrize(("context_tokens", "held"), [(117, True), (116, False)])
def test_tier_fits_when_prompt_and_longest_answer_do(context_tokens: int, held: bool) -> None:
    tier = a_tier("any", context_tokens=context_tokens, max_output_tokens=100)
    # 35 characters are 10 tokens, 6 more for the message, 1 to round up.
    assert fits(tier, a_task(text="a" * 35)) is held
