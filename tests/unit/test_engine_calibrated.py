"""A calibrated row decides on the calibrated confidence; the model's own score travels beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.core.builders import a_table, a_task
from tests.unit.engine_world import Heard, an_engine, score, script
from tierwise_server.core import stream
from tierwise_server.core.account import Summary
from tierwise_server.core.calibration import Calibration
from tierwise_server.core.model import RoutingOptions, Task
from tierwise_server.core.table import Policy
from tierwise_server.providers.scripted import answer

MODEST = Calibration("claude-haiku-4-5-20251001", intercept=-2.0, slope=1.0)
ROW = Policy(("efficient", "frontier"), 0.5, "self_report", calibration={"efficient": MODEST})


async def run(said: str, task: Task | None = None) -> tuple[Summary, stream.ConfidenceChecked]:
    engine, _ = an_engine(script(answer("Draft"), score(said), answer("Strong")))
    table = a_table()
    engine = replace(engine, table=replace(table, rows={**table.rows, "measured": ROW}))
    heard = Heard()
    summary = await engine.generate(task or a_task("measured"), heard, heard)
    [checked] = [event for event in heard.told if isinstance(event, stream.ConfidenceChecked)]
    return summary, checked


@pytest.mark.parametrize(
    ("said", "confidence", "escalated"), [("8", 0.351, True), ("9", 0.549, False)]
)
async def test_the_threshold_is_for_the_calibrated_confidence(
    said: str, confidence: float, escalated: bool
) -> None:
    summary, checked = await run(said)
    assert checked.check.score == int(said)
    assert checked.check.confidence == pytest.approx(confidence, abs=5e-4)
    assert summary.confidence == checked.check.confidence
    assert summary.escalated is escalated


async def test_a_row_without_calibration_decides_on_the_score_itself() -> None:
    climbing = replace(a_task("classify_intent"), routing=RoutingOptions(escalation=True))
    _, checked = await run("8", climbing)
    assert checked.check.confidence == 0.8
