"""With check.cache_prompt a draft's prompt is dearer and its check cheaper; a tier that answers alone pays neither."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import measuring
from tests.serving import a_request, configured, outcome_of, serving
from tierwise_server.core.model import CallKind
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.outcomes import Candidate, play
from tierwise_server.measure.replay import replay_task
from tierwise_server.measure.runfolder import SETTINGS_FILE, RunFolder, RunMismatch
from tierwise_server.measure.session import Session
from tierwise_server.measure.state import answer_key
from tierwise_server.simulator import Simulator

CACHED = {"cache_prompt": True}
LONG = "Here is a long document about parcels and things. " * 1200
TASKS = tuple(
    task.model_copy(update={"prompt": f"{task.prompt} {LONG}"}) for task in measuring.sample(1)
)
CASCADE = Candidate(("efficient", "reasoning"), 0.8)


async def measured(path: Path, *, cached: bool) -> Measurement:
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator, check=CACHED if cached else None)
        async with measuring.engine_for(config) as engine:
            folder = measuring.a_folder(path, engine, TASKS)
            await Session(folder, engine).run()
    return collect(folder)


async def test_a_tier_alone_costs_what_it_costs_uncached_and_a_cascade_what_it_costs_cached(
    tmp_path: Path,
) -> None:
    cached = await measured(tmp_path / "cached", cached=True)
    plain = await measured(tmp_path / "plain", cached=False)
    entry = cached.state.answered(answer_key(TASKS[0].id, "efficient", CallKind.DIRECT))
    assert entry is not None
    assert entry["usage"]["cache_write_tokens"] > 0
    for one, other in zip(cached.samples, plain.samples, strict=True):
        np.testing.assert_array_equal(one.raw.cost_nano_usd, other.raw.cost_nano_usd)
        assert (one.raw.check_cost_nano_usd[:, 0] < other.raw.check_cost_nano_usd[:, 0]).all()
    await _serves_at_the_measured_cost(cached)


async def _serves_at_the_measured_cost(measurement: Measurement) -> None:
    routing = {"default": {"cascade": list(CASCADE.cascade), "threshold": 8}}
    config = configured({"profile": "claude-4", "check": CACHED, "routing": routing})
    async with serving(measuring.script(), config) as served:
        for sample in measurement.samples:
            (task,) = sample.tasks
            assert task.prompt is not None
            request = a_request(task.prompt, task.task_type)
            outcome = await outcome_of(served.stub.Generate(request))
            assert outcome.summary is not None
            spent = outcome.summary.cost.total_nano_usd
            assert play(sample.raw, CASCADE).cost_nano_usd == [spent]
            request.routing.tier = "efficient"
            outcome = await outcome_of(served.stub.Generate(request))
            assert outcome.summary is not None
            assert sample.raw.cost_nano_usd[0, 0] == outcome.summary.cost.total_nano_usd


async def test_a_replay_tells_drafts_from_answers(tmp_path: Path) -> None:
    measurement = await measured(tmp_path / "run", cached=True)
    async with Simulator(measuring.script()) as simulator:
        routing = {"default": {"cascade": list(CASCADE.cascade), "threshold": 8}}
        climbing = measuring.config_for(simulator, **routing).routing_table()
        alone = measuring.config_for(simulator, default={"tier": "efficient"}).routing_table()
    for sample in measurement.samples:
        (task,) = sample.tasks
        assert (
            replay_task(measurement, task, climbing).cost_nano_usd
            == play(sample.raw, CASCADE).cost_nano_usd
        )
        assert replay_task(measurement, task, alone).cost_nano_usd == sample.raw.cost_nano_usd[0, 0]


@pytest.mark.parametrize(
    ("check", "said"),
    [(CACHED, "check.cache_prompt differs"), ({"structured": False}, "check.structured differs")],
)
async def test_a_run_goes_on_only_with_the_same_checks(
    tmp_path: Path, check: dict[str, bool], said: str
) -> None:
    await measured(tmp_path / "run", cached=False)
    opened = RunFolder.open(tmp_path / "run")
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator, check=check)
        async with measuring.engine_for(config) as engine:
            with pytest.raises(RunMismatch, match=said):
                measuring.a_folder(tmp_path / "run", engine, TASKS)
            with pytest.raises(RunMismatch, match=said):
                await Session(opened, engine).run()
            # A run from before the checks were noted goes on: nothing is known to differ.
            path = tmp_path / "run" / SETTINGS_FILE
            content = json.loads(path.read_text(encoding="utf-8"))
            del content["checks"]
            path.write_text(json.dumps(content), encoding="utf-8")
            assert measuring.a_folder(tmp_path / "run", engine, TASKS).settings.checks is None
            # One that lacks more is refused, and says what it lacks.
            del content["tier_facts"]
            path.write_text(json.dumps(content), encoding="utf-8")
            with pytest.raises(RunMismatch, match="earlier version, without tier_facts"):
                RunFolder.open(tmp_path / "run")
