"""Recordings in which something failed, replayed: what outgrew a model climbs, what else failed is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests import measuring
from tierwise_server.core.model import CallKind
from tierwise_server.core.table import RoutingTable
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.replay import NotRecorded, replay, replay_task
from tierwise_server.measure.run import RunOptions
from tierwise_server.measure.session import Session
from tierwise_server.measure.state import CallKey, answer_key
from tierwise_server.simulator import Simulator

TOO_LONG: Final = "prompt is too long: 200001 tokens > 200000 maximum"
HAIKU: Final = "claude-haiku-4-5*"


def fails(number: int, kind: str, message: str = "no", model: str = HAIKU) -> dict[str, Any]:
    fault = {"kind": "status", "status": 400, "message": message}
    return {"model": model, "kind": kind, "contains": f"Task {number}:", "fault": fault}


@pytest.fixture
async def recorded(tmp_path: Path) -> tuple[Measurement, RoutingTable]:
    """Of every type task 0 outgrows efficient, 1 fails there, 2 has no check there, 3 fails at reasoning."""
    script = measuring.script()
    script["rules"] = [
        fails(0, "answer", TOO_LONG),
        fails(1, "answer"),
        fails(2, "check"),
        fails(3, "answer", model="claude-opus-4-8"),
        *script["rules"],
    ]
    async with Simulator(script) as simulator:
        row = {"cascade": ["efficient", "reasoning"], "threshold": 9}
        config = measuring.config_for(simulator, default=row, rows=[])
        async with measuring.engine_for(config) as engine:
            folder = measuring.a_folder(tmp_path / "run", engine, measuring.sample(6))
            await Session(folder, engine, RunOptions(concurrency=4), None).run()
    return collect(folder), config.routing_table()


async def test_what_was_billed_before_it_went_well_counts(tmp_path: Path) -> None:
    """An answer that broke off is paid for, also where the next try succeeds."""
    script = measuring.script()
    broken = {"kind": "missing_stop"}
    script["rules"].insert(
        0,
        {
            "model": "claude-opus-4-8",
            "contains": "Task 0:",
            "times": 1,
            "answer": "right says r",
            "fault": broken,
        },
    )
    async with Simulator(script) as simulator:
        config = measuring.config_for(simulator)
        async with measuring.engine_for(config) as engine:
            folder = measuring.a_folder(tmp_path / "run", engine, measuring.sample(2))
            for again in (False, True):
                ended = await Session(folder, engine, RunOptions(again=again), None).run()
                assert ended.standing.failed == (0 if again else 1)
        calls = [entry for entry in simulator.journal.messages if entry.fault]
    measurement, table = collect(folder), config.routing_table()
    assert len(calls) == 1
    [name] = {key for key, cost in measurement.state.failed_nano_usd.items() if cost}
    key = CallKey.read(name)
    answer = measurement.state.answered(key)
    assert answer is not None
    billed = answer["cost_nano_usd"] + measurement.state.failed_nano_usd[name]
    assert billed > answer["cost_nano_usd"]
    sample = next(s for s in measurement.samples if key.task in {task.id for task in s.tasks})
    place = [task.id for task in sample.tasks].index(key.task)
    assert sample.raw.cost_nano_usd[place, -1] == billed
    straight = table.tiers[-1].name
    assert straight == key.subject
    only = replace(table, rows={}, default=replace(table.escalation, cascade=(straight,)))
    assert replay_task(measurement, sample.tasks[place], only).cost_nano_usd == billed


def task_of(measurement: Measurement, name: str) -> SampleTask:
    return next(task for task in measurement.folder.tasks if task.id == name)


async def test_what_outgrew_a_model_is_answered_by_the_next_tier(
    recorded: tuple[Measurement, RoutingTable],
) -> None:
    measurement, table = recorded
    played = replay_task(measurement, task_of(measurement, "debug-0"), table)
    answer = measurement.state.answered(answer_key("debug-0", played.tier, CallKind.DIRECT))
    assert answer is not None
    assert played.tier != "efficient"
    assert (played.climbs, played.quality) == (1, 1.0)
    assert played.cost_nano_usd == answer["cost_nano_usd"]


@pytest.mark.parametrize("number", [1, 2])
async def test_what_the_provider_failed_at_is_left_out_not_counted_as_wrong(
    recorded: tuple[Measurement, RoutingTable], number: int
) -> None:
    measurement, table = recorded
    with pytest.raises(NotRecorded):
        replay_task(measurement, task_of(measurement, f"debug-{number}"), table)


async def test_a_failure_that_the_task_does_not_meet_hurts_nothing(
    recorded: tuple[Measurement, RoutingTable],
) -> None:
    """Task 3 of `sort` is accepted as a draft or fails at reasoning; with a threshold of 0 none climbs."""
    measurement, table = recorded
    played = replay_task(measurement, task_of(measurement, "sort-3"), table, threshold=0.0)
    assert (played.tier, played.climbs, played.quality) == ("efficient", 0, 1.0)
    with pytest.raises(NotRecorded):
        replay_task(measurement, task_of(measurement, "sort-3"), table, threshold=1.0)


async def test_summaries_count_what_was_left_out(
    recorded: tuple[Measurement, RoutingTable],
) -> None:
    measurement, table = recorded
    played, summaries = replay(measurement, table, 0.0)
    assert len(played) == 3 * 4
    assert {s.task_type: (s.quality.n, s.left_out) for s in summaries} == {
        **dict.fromkeys(measuring.TYPES, (4, 2)),
        "all": (12, 6),
    }


async def test_an_answer_whose_check_failed_serves_a_table_that_asks_for_no_check(
    recorded: tuple[Measurement, RoutingTable], tmp_path: Path
) -> None:
    measurement, _ = recorded
    async with Simulator(measuring.script()) as simulator:
        alone = measuring.config_for(simulator, default={"tier": "efficient"}, rows=[])
    played = replay_task(measurement, task_of(measurement, "sort-2"), alone.routing_table())
    assert (played.tier, played.climbs) == ("efficient", 0)
    assert played.cost_nano_usd > 0
