"""Which tiers may answer for want of an available model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.core.builders import EFFICIENT, FRONTIER, a_model, a_table, a_task, a_tier
from tierwise_server.core.calibration import Calibration
from tierwise_server.core.model import RoutingOptions
from tierwise_server.core.table import Policy, RoutingTable, decide


def fallback(
    task_type: str, options: RoutingOptions, table: RoutingTable | None = None, text: str = "Hi."
) -> list[str]:
    task = replace(a_task(task_type, text), routing=options)
    return [tier.name for tier in decide(table or a_table(), task).fallback]


@pytest.mark.parametrize(
    ("task_type", "options", "expected"),
    [
        ("answer_faq", RoutingOptions(), ["frontier", "reasoning"]),
        ("review_code_logic", RoutingOptions(), ["reasoning"]),
        ("plan_architecture", RoutingOptions(), []),
        ("climb_two", RoutingOptions(), ["reasoning"]),
        ("climb_all", RoutingOptions(), []),
        ("answer_faq", RoutingOptions(max_tier="frontier"), ["frontier"]),
        ("answer_faq", RoutingOptions(max_tier="efficient"), []),
        ("answer_faq", RoutingOptions(tier="efficient"), []),
        ("answer_faq", RoutingOptions(escalation=False), []),
        ("climb_two", RoutingOptions(escalation=False), []),
        ("answer_faq", RoutingOptions(escalation=True), ["reasoning"]),
        ("answer_faq", RoutingOptions(tier="efficient", escalation=True), []),
    ],
)
def test_only_stronger_tiers_that_the_request_allows_stand_in(
    task_type: str, options: RoutingOptions, expected: list[str]
) -> None:
    assert fallback(task_type, options) == expected


def test_a_table_can_keep_the_next_tier_out() -> None:
    table = replace(a_table(), fallback_to_next_tier=False)
    assert fallback("answer_faq", RoutingOptions(), table) == []


def test_a_tier_between_those_of_the_row_does_not_stand_in() -> None:
    table = a_table()
    row = Policy(("efficient", "reasoning"), 0.8, "self_report")
    assert fallback("x", RoutingOptions(), replace(table, rows={"x": row})) == []


def test_a_tier_that_cannot_hold_the_prompt_does_not_stand_in() -> None:
    small = a_tier("reasoning", context_tokens=5_000)
    table = replace(a_table(), tiers=(EFFICIENT, FRONTIER, small))
    assert fallback("answer_faq", RoutingOptions(), table) == ["frontier", "reasoning"]
    assert fallback("answer_faq", RoutingOptions(), table, "word " * 2_000) == ["frontier"]


def test_a_calibration_says_nothing_about_another_model() -> None:
    calibration = Calibration(model=EFFICIENT.model.id, intercept=0.0, slope=1.0)
    row = Policy(
        ("efficient", "frontier"), 0.5, "self_report", calibration={"efficient": calibration}
    )
    plan = decide(replace(a_table(), rows={"x": row}), a_task("x"))
    assert plan.confidence(EFFICIENT, 0.7) == pytest.approx(0.7)
    assert plan.confidence(replace(EFFICIENT, model=a_model("other")), 0.7) is None
