"""The whole loop over real sockets: a sample is run, judged, reported, and the table it proposes is the right one."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import measuring
from tests.serving import a_request, configured, outcome_of, serving
from tierwise.v1 import router_pb2
from tierwise_server.config.evidence import row_hash
from tierwise_server.config.resolve import core_model
from tierwise_server.core.confidence import CHECK_MARK
from tierwise_server.core.model import CallKind
from tierwise_server.engine import Engine
from tierwise_server.measure import report
from tierwise_server.measure.analysis import analyse
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.outcomes import Candidate, play
from tierwise_server.measure.replay import replay, replay_task
from tierwise_server.measure.run import Halt, RunOptions, Unpriced
from tierwise_server.measure.runfolder import RunFolder, RunMismatch
from tierwise_server.measure.session import Ended, Session
from tierwise_server.measure.state import answer_key
from tierwise_server.measure.table import Pricing, ProposedRow, propose_rows, rows_with_comments
from tierwise_server.measure.toml_rows import replace_rows
from tierwise_server.simulator import Simulator

EACH = 60
TOLERANCE = Tolerance(0.05, 0.9)


async def run(
    path: Path,
    simulator: Simulator,
    *,
    each: int = EACH,
    checked: bool = True,
    options: RunOptions | None = None,
) -> tuple[Ended, Measurement, Engine]:
    config = measuring.config_for(simulator)
    judge = None if checked else core_model(config.resolved.models[measuring.JUDGE].settings)
    async with measuring.engine_for(config) as engine:
        folder = measuring.a_folder(path, engine, measuring.sample(each, checked=checked))
        session = Session(folder, engine, options or RunOptions(concurrency=24), judge)
        ended = await session.run()
    return ended, collect(folder), engine


def by_type(rows: tuple[ProposedRow, ...]) -> dict[str, ProposedRow]:
    return {row.sample.task_type: row for row in rows}


async def test_the_proposed_table_is_the_right_one_and_serves_as_proposed(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        ended, measurement, _ = await run(tmp_path / "run", simulator)
        entries = simulator.journal.messages
    assert ended.halt is Halt.DONE
    # Two tiers draft and are checked, the strongest only answers; nothing else was asked.
    assert [sum(e.kind == kind for e in entries) for kind in ("answer", "check")] == [
        3 * 3 * EACH,
        2 * 3 * EACH,
    ]
    rows = propose_rows(measurement, TOLERANCE)
    proposed = by_type(rows)
    assert proposed["sort"].candidate == Candidate(("efficient",))
    assert proposed["debug"].candidate == Candidate(("reasoning",))
    assert proposed["draft"].candidate.cascade == ("efficient", "reasoning")
    assert proposed["draft"].proposal.certified
    _priced_rows_are_the_right_ones(measurement)
    toml = replace_rows('profile = "claude-4"\n', rows_with_comments(rows))
    await _serves_as_proposed(toml, proposed)


def _priced_rows_are_the_right_ones(measurement: Measurement) -> None:
    """Choosing by utility finds the same tiers, promises nothing, and seals its rows as well."""
    rows = by_type(propose_rows(measurement, Pricing(0.10)))
    assert {kind: row.candidate.cascade for kind, row in rows.items()} == {
        "sort": ("efficient",),
        "draft": ("efficient", "reasoning"),
        "debug": ("reasoning",),
    }
    for row in rows.values():
        evidence = row.row.evidence
        assert evidence is not None
        assert evidence.row_hash == row_hash(row.row)
        assert evidence.tolerance is evidence.confidence is evidence.loss_bound is None
        assert "the most quality less 0.1 x cost; loses " in row.proposal.why
    guarded = by_type(propose_rows(measurement, Pricing(0.10, guard=0.95)))
    assert guarded["debug"].candidate == Candidate(("reasoning",))
    assert "where that is not 95% sure" in guarded["debug"].proposal.why


async def _serves_as_proposed(toml: str, proposed: dict[str, ProposedRow]) -> None:
    """A server with the proposed table sends each task where the sample says it goes, and shows the evidence."""
    tasks = [
        task for task in measuring.sample(EACH) if task.id.split("-")[1] in ("0", "1", "2", "3")
    ]
    async with serving(measuring.script(), configured(tomllib.loads(toml))) as served:
        for kind, row in proposed.items():
            shown = await served.stub.Route(
                router_pb2.RouteRequest(task_type=kind, messages=a_request("x").messages)
            )
            evidence = row.row.evidence
            assert evidence is not None
            assert shown.evidence.sample_size == EACH
            assert shown.evidence.judge == "check"
            assert shown.evidence.mean_cost_nano_usd == evidence.mean_cost_nano_usd
            assert shown.evidence.escalation_rate == evidence.escalation_rate
            assert shown.evidence.tolerance == TOLERANCE.loss
            assert shown.evidence.confidence == TOLERANCE.confidence
            assert shown.evidence.HasField("loss_bound") is (evidence.loss_bound is not None)
            assert shown.evidence.loss_bound == (evidence.loss_bound or 0.0)
            assert list(shown.decision.cascade) == list(row.candidate.cascade)
        for task in tasks:
            assert task.prompt is not None
            outcome = await outcome_of(served.stub.Generate(a_request(task.prompt, task.task_type)))
            assert outcome.summary is not None
            row = proposed[task.task_type]
            place = row.sample.tasks.index(task)
            played = play(row.outcomes, row.candidate)
            climbs = bool(played.climbs[place])
            assert outcome.summary.escalated is climbs
            assert outcome.summary.tier == row.candidate.cascade[1 if climbs else 0]
            assert outcome.summary.cost.total_nano_usd == played.cost_nano_usd[place]


async def test_a_replay_agrees_with_the_vectorised_rule_and_calls_nobody(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        _, measurement, engine = await run(tmp_path / "run", simulator, each=20)
        asked = len(simulator.journal)
        table = measuring.config_for(
            simulator,
            default={"cascade": ["efficient", "frontier", "reasoning"], "threshold": 9},
        ).routing_table()
        replayed, summaries = replay(measurement, table)
        assert len(simulator.journal) == asked
    del engine
    row = Candidate(("efficient", "frontier", "reasoning"), 0.9)
    cost, quality = [], []
    for sample in measurement.samples:
        played = play(sample.raw, row)
        cost += played.cost_nano_usd.tolist()
        quality += played.quality.tolist()
        for place, task in enumerate(sample.tasks):
            one = replay_task(measurement, task, table)
            assert one.cost_nano_usd == played.cost_nano_usd[place]
            assert one.quality == played.quality[place]
            assert one.climbs == played.climbs[place]
    assert summaries[-1].task_type == "all"
    assert summaries[-1].cost_nano_usd.value == pytest.approx(np.mean(cost))
    assert summaries[-1].quality.value == pytest.approx(np.mean(quality))
    assert len(replayed) == 60


async def test_running_again_asks_nothing_and_changes_nothing(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        _, before, _ = await run(tmp_path / "run", simulator, each=4)
        asked = len(simulator.journal)
        ended, after, _ = await run(tmp_path / "run", simulator, each=4)
        assert len(simulator.journal) == asked
    assert ended.standing.missing == ended.standing.failed == 0
    assert after.state.paid_nano_usd == before.state.paid_nano_usd


async def test_a_run_of_other_tasks_is_not_continued(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        await run(tmp_path / "run", simulator, each=2)
        with pytest.raises(RunMismatch, match="the sample differ"):
            await run(tmp_path / "run", simulator, each=3)


async def test_the_cost_limit_is_hard_and_more_money_goes_on(tmp_path: Path) -> None:
    limit = 300_000_000
    async with Simulator(measuring.script()) as simulator:
        options = RunOptions(concurrency=4, most_nano_usd=limit)
        ended, _, _ = await run(tmp_path / "run", simulator, each=10, options=options)
        assert ended.halt is Halt.MONEY
        assert ended.standing.spent_nano_usd <= limit
        assert ended.standing.missing > 0
        ended, measurement, _ = await run(tmp_path / "run", simulator, each=10)
        entries = simulator.journal.messages
    assert ended.halt is Halt.DONE
    assert ended.standing.missing == 0
    assert len(entries) == 30 * 5
    assert all(sample.left_out == 0 for sample in measurement.samples)


async def test_a_judge_in_place_of_checks_finds_the_same_table_and_knows_no_names(
    tmp_path: Path,
) -> None:
    async with Simulator(measuring.script()) as simulator:
        ended, measurement, _ = await run(tmp_path / "run", simulator, checked=False)
        judged = [e for e in simulator.journal.messages if e.model == measuring.JUDGE]
    assert ended.judgements == len(judged) == 3 * EACH * 2 * 2
    rows = propose_rows(measurement, TOLERANCE)
    proposed = by_type(rows)
    assert {kind: row.candidate.cascade for kind, row in proposed.items()} == {
        "sort": ("efficient",),
        "draft": ("efficient", "reasoning"),
        "debug": ("reasoning",),
    }
    assert rows[0].row.evidence is not None
    assert rows[0].row.evidence.judge == f"{measuring.JUDGE} pair-rubric-1"
    analysis = analyse(measurement, rows)
    assert analysis.judge is not None
    assert analysis.judge.steady is not None
    assert analysis.judge.steady.value == 1.0
    assert not analysis.judge.judges_itself
    assert analysis.money.judge > 0
    parts = analysis.money
    assert parts.answers + parts.checks + parts.judge + parts.unanswered == parts.total


async def test_the_report_stands_alone_and_every_number_has_its_interval(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        _, measurement, _ = await run(tmp_path / "run", simulator, each=12)
    analysis = analyse(measurement, propose_rows(measurement, TOLERANCE))
    page = report.write(analysis, tmp_path / "report").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert page.count("data:image/svg+xml;base64,") == 4 + 1 + 2
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.html", "report.json", "report.csv", "enough.png", "enough.svg"} <= names
    content = report.as_json(analysis)
    assert '"format": "tierwise-report/1"' in content
    lines = report.as_csv(analysis).splitlines()
    assert lines[0] == "task_type,subject,measure,value,low,high,n,unit"
    measures = set()
    for line in lines[1:]:
        _, _, measure, value, low, high, n, _ = line.split(",")
        measures.add(measure)
        assert not low or float(low) <= float(value)
        assert not high or float(value) <= float(high)
        assert int(n) > 0
    assert {"quality", "cost", "latency_p95", "enough", "loss", "escalation"} <= measures
    assert {"apgr", "cpt_80", "aiq", "auroc", "ece", "ece_calibrated", "unreadable"} <= measures


async def test_what_is_asked_is_what_serving_asks(tmp_path: Path) -> None:
    """The answer and the check of a measured tier cost to the token what the same calls cost when they are served."""
    task = measuring.sample(1)[1]
    assert task.prompt is not None
    async with serving(measuring.script(), configured({"profile": "claude-4"})) as served:
        request = a_request(task.prompt, "anything")
        request.routing.escalation = True
        outcome = await outcome_of(served.stub.Generate(request))
    assert outcome.summary is not None
    async with Simulator(measuring.script()) as simulator:
        _, measurement, _ = await run(tmp_path / "run", simulator, each=1)
    costs = [
        measurement.state.outcomes[str(answer_key(task.id, "efficient", kind))]["cost_nano_usd"]
        for kind in (CallKind.DRAFT, CallKind.CHECK)
    ]
    assert [call.cost.total_nano_usd for call in outcome.summary.calls[:2]] == costs


async def test_a_failed_call_is_asked_again_and_left_out_until_then(tmp_path: Path) -> None:
    broken = measuring.script()
    refused = {"contains": "Task 1:", "model": "claude-opus-4-8"}
    broken["rules"] = [
        {**refused, "fault": {"kind": "redirect"}},
        *broken["rules"],
    ]
    async with Simulator(broken) as simulator:
        ended, measurement, _ = await run(tmp_path / "run", simulator, each=3)
        assert ended.standing.failed == 3
        assert [sample.left_out for sample in measurement.samples] == [1, 1, 1]
        simulator.use(measuring.script())
        asked = len(simulator.journal.messages)
        ended, measurement, _ = await run(tmp_path / "run", simulator, each=3)
        assert len(simulator.journal.messages) == asked + 3
    assert ended.standing.failed == 0
    assert [sample.left_out for sample in measurement.samples] == [0, 0, 0]


async def test_an_opened_run_is_the_run_that_was_made(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        _, measurement, _ = await run(tmp_path / "run", simulator, each=1)
    opened = RunFolder.open(tmp_path / "run")
    assert opened.settings == measurement.settings
    assert opened.tasks == measurement.folder.tasks
    assert CHECK_MARK not in (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8")


async def test_a_model_without_a_price_is_not_measured(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator)
        async with measuring.engine_for(config) as engine:
            models = {k: v for k, v in engine.prices.models.items() if k != "claude-sonnet-4-6"}
            engine = replace(engine, prices=replace(engine.prices, models=models))
            folder = measuring.a_folder(tmp_path / "run", engine, measuring.sample(1))
            with pytest.raises(Unpriced, match="claude-sonnet-4-6"):
                await Session(folder, engine).run()
        assert len(simulator.journal) == 0
