"""A run whose sample was too small grows: only what is new is asked, and what it was made for is never mixed up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import measuring
from tests.programs import run, simulating
from tierwise_server.config.resolve import core_model
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.collect import collect
from tierwise_server.measure.dataset import SampleTask, dataset_hash, stratified
from tierwise_server.measure.journal import Journal, RunInUse
from tierwise_server.measure.review import read_export
from tierwise_server.measure.run import Halt, RunOptions
from tierwise_server.measure.runfolder import SETTINGS_FILE, TASKS_FILE, RunFolder, RunMismatch
from tierwise_server.measure.session import Session
from tierwise_server.measure.table import propose_rows
from tierwise_server.simulator import Simulator

EVERYTHING = measuring.sample(6, checked=False)
FEW, MORE = stratified(EVERYTHING, 6, 0), stratified(EVERYTHING, 9, 0)
CALLS_A_TASK = 3 + 2 + 2 * 2
"""Answers, checks, and both pairs judged in both orders."""


async def folder_of(path: Path, tasks: tuple[SampleTask, ...]) -> RunFolder:
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator)
        async with measuring.engine_for(config) as engine:
            return measuring.a_folder(path, engine, tasks)


async def test_only_the_new_tasks_are_asked_and_the_evidence_follows(tmp_path: Path) -> None:
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator)
        judge = core_model(config.resolved.models[measuring.JUDGE].settings)
        async with measuring.engine_for(config) as engine:
            for tasks, asked in ((FEW, 6), (MORE, 3), (MORE, 0)):
                before = len(simulator.journal.messages)
                folder = measuring.a_folder(tmp_path / "run", engine, tasks)
                ended = await Session(folder, engine, RunOptions(), judge).run()
                assert ended.halt is Halt.DONE
                assert ended.whole
                assert len(simulator.journal.messages) - before == asked * CALLS_A_TASK
    opened = RunFolder.open(tmp_path / "run")
    assert opened.tasks == MORE
    assert opened.settings.grown_from == (dataset_hash(FEW),)
    assert "this is sample 2 of a run that grew" in opened.settings.cautions[-1]
    rows = propose_rows(collect(opened), Tolerance(0.05, 0.9))
    evidence = [row.row.evidence for row in rows]
    assert {e.dataset_hash for e in evidence if e is not None} == {dataset_hash(MORE)}
    assert sum(e.sample_size for e in evidence if e is not None) == 9


async def test_new_task_types_get_the_rows_in_force(tmp_path: Path) -> None:
    first = await folder_of(tmp_path / "run", tuple(t for t in FEW if t.task_type == "sort"))
    assert set(first.settings.table) == {"sort"}
    grown = await folder_of(tmp_path / "run", FEW)
    assert set(grown.settings.table) == {"sort", "draft", "debug"}


async def test_a_run_does_not_shrink_and_no_task_of_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "run"
    made = await folder_of(path, MORE)
    with pytest.raises(RunMismatch, match="3 of its 9 tasks are not in this one, such as"):
        await folder_of(path, FEW)
    task = MORE[4]
    changed = task.model_copy(update={"prompt": "another"})
    with pytest.raises(RunMismatch, match=f"1 tasks were changed, such as '{task.id}'"):
        await folder_of(path, (*MORE[:4], changed, *MORE[5:], *set(EVERYTHING) - set(MORE)))
    assert RunFolder.open(path) == made


async def test_growing_that_was_broken_off_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run"
    made = await folder_of(path, FEW)
    before = (path / TASKS_FILE).read_text(encoding="utf-8")
    grown = await folder_of(path, MORE)
    (path / TASKS_FILE).write_text(before, encoding="utf-8")
    opened = RunFolder.open(path)
    assert opened.tasks == FEW
    assert opened.settings.sample_hash == made.settings.sample_hash
    assert await folder_of(path, MORE) == grown


async def test_a_run_at_work_does_not_grow(tmp_path: Path) -> None:
    made = await folder_of(tmp_path / "run", FEW)
    with Journal(made.path), pytest.raises(RunInUse):
        await folder_of(made.path, MORE)
    assert RunFolder.open(made.path) == made


async def test_a_review_of_the_smaller_sample_is_still_of_the_run(tmp_path: Path) -> None:
    made = await folder_of(tmp_path / "run", FEW)
    export = {"format": "tierwise-review/1", "run": made.settings.origin, "labels": []}
    grown = await folder_of(tmp_path / "run", MORE)
    assert read_export(grown, json.dumps(export)) == 0


async def test_settings_from_before_runs_grew_are_read(tmp_path: Path) -> None:
    made = await folder_of(tmp_path / "run", FEW)
    content = json.loads((made.path / SETTINGS_FILE).read_text(encoding="utf-8"))
    del content["grown_from"]
    (made.path / SETTINGS_FILE).write_text(json.dumps(content), encoding="utf-8")
    assert RunFolder.open(made.path) == made


def test_the_same_command_with_a_larger_sample_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tasks.jsonl").write_text("".join(task.line() + "\n" for task in EVERYTHING))
    Path("script.json").write_text(json.dumps(measuring.script()))
    with simulating("--script", "script.json") as base_url:
        environ = {
            "ANTHROPIC_API_KEY": "any",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": base_url,
            "TIERWISE_PROFILE": "claude-4",
        }
        words = ("measure", "run", "tasks.jsonl", "--no-judge", "--sample")
        small = run(*words, "6", environ=environ)
        assert "18 of 18 answers" in small.stdout, small.stderr
        large = run(*words, "9", environ=environ)
        assert large.returncode == 0, large.stderr
        assert "27 of 27 answers" in large.stdout
        assert "has grown, 2 samples in all" in large.stderr
        assert "answering: 18 of 27" in large.stderr
        assert len(list(tmp_path.glob("measure-*"))) == 1
