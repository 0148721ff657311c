"""What fails in a run: what is tried again, what is not, what ends the run, and what the command says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import measuring
from tests.programs import run, simulating
from tierwise_server.config.resolve import core_model
from tierwise_server.measure.journal import FILE, read_entries
from tierwise_server.measure.run import Halt, RunOptions
from tierwise_server.measure.session import Ended, Session
from tierwise_server.simulator import Simulator

CONCURRENCY = 4


async def ended(
    path: Path, simulator: Simulator, options: RunOptions, *, judging: bool = True
) -> Ended:
    config = measuring.config_for(simulator)
    model = core_model(config.resolved.models[measuring.JUDGE].settings)
    judge = model if judging else None
    async with measuring.engine_for(config) as engine:
        folder = measuring.a_folder(path, engine, measuring.sample(10, checked=False))
        return await Session(folder, engine, options, judge).run()


async def test_a_provider_that_fails_every_call_ends_the_run(tmp_path: Path) -> None:
    broken = {"rules": [{"fault": {"kind": "redirect"}}]}
    async with Simulator(broken) as simulator:
        end = await ended(tmp_path / "run", simulator, RunOptions(CONCURRENCY))
        assert end.halt is Halt.FAILING
        assert end.standing.missing > 0
        assert len(simulator.journal.messages) < 3 * 30


async def test_when_one_model_is_down_what_is_answered_is_judged(tmp_path: Path) -> None:
    """A resumed run that has nothing left to ask but a model that is down stops asking it, and judges."""
    down = {"model": "claude-haiku-4-5*", "fault": {"kind": "redirect"}}
    script = measuring.script()
    script["rules"] = [down, *script["rules"]]
    async with Simulator(script) as simulator:
        end = await ended(tmp_path / "run", simulator, RunOptions(CONCURRENCY), judging=False)
        assert end.halt is Halt.DONE
        assert end.standing.failed == 30
        assert end.standing.kept == 0
        end = await ended(tmp_path / "run", simulator, RunOptions(CONCURRENCY))
    assert end.halt is Halt.FAILING
    assert end.judgements == 2 * 30


@pytest.mark.parametrize("status", [400, 413])
async def test_refusals_end_no_run_and_are_repeated_only_when_told_to(
    tmp_path: Path, status: int
) -> None:
    """Thirty tasks that one tier always refuses: everything else is answered and judged, now and when resumed."""
    script = measuring.script()
    refused = {"model": "claude-haiku-4-5*", "fault": {"kind": "status", "status": status}}
    script["rules"] = [refused, *script["rules"]]
    once, again = RunOptions(1), RunOptions(1, again=True)
    async with Simulator(script) as simulator:
        for options, asked in ((once, 30), (once, 0), (again, 30)):
            before = len(simulator.journal.messages)
            end = await ended(tmp_path / "run", simulator, options)
            assert end.halt is Halt.DONE
            assert not end.whole
            assert end.standing.failed == end.standing.kept == 30
            assert end.judgements == 2 * 30
            new = simulator.journal.messages[before:]
            assert sum(entry.model.startswith("claude-haiku") for entry in new) == asked
        simulator.use(measuring.script())
        end = await ended(tmp_path / "run", simulator, again)
    assert end.whole
    assert end.judgements == end.judged.total == 2 * 2 * 30


async def test_a_prompt_that_no_model_is_asked_needs_no_money_and_is_noted_once(
    tmp_path: Path,
) -> None:
    (task, *others) = measuring.sample(1)
    tasks = (
        task.model_copy(update={"prompt": f"{task.prompt} " + "many words " * 1_200_000}),
        *others,
    )
    options = RunOptions(CONCURRENCY, most_nano_usd=3_000_000_000)
    async with (
        Simulator(measuring.script()) as simulator,
        measuring.engine_for(measuring.config_for(simulator)) as engine,
    ):
        folder = measuring.a_folder(tmp_path / "run", engine, tasks)
        for _ in range(2):
            end = await Session(folder, engine, options).run()
            assert end.halt is Halt.DONE
            assert end.standing.done == 2 * 3
            assert end.standing.kept == 3
            assert end.standing.reasons == {"CONTEXT_TOO_LONG": 3}
    noted = [entry for entry in read_entries(tmp_path / "run" / FILE) if entry["kind"] == "unit"]
    assert len(noted) == 9


async def test_refused_judgements_end_no_run_and_are_counted(tmp_path: Path) -> None:
    script = measuring.script()
    refused = {"model": measuring.JUDGE, "fault": {"kind": "status", "status": 400}}
    script["rules"] = [refused, *script["rules"]]
    async with Simulator(script) as simulator:
        for asked in (2 * 2 * 30, 0):
            before = len(simulator.journal.messages)
            end = await ended(tmp_path / "run", simulator, RunOptions(1))
            assert end.halt is Halt.DONE
            assert (end.judged.done, end.judged.failed, end.judged.kept) == (0, 120, 120)
            new = simulator.journal.messages[before:]
            assert sum(entry.model == measuring.JUDGE for entry in new) == asked


def test_the_command_says_what_failed_and_what_becomes_of_it(tmp_path: Path) -> None:
    sample = measuring.sample(1, checked=False)
    (tmp_path / "tasks.jsonl").write_text("".join(task.line() + "\n" for task in sample))
    script = measuring.script()
    weak, middle = "claude-haiku-4-5*", "claude-sonnet-4-6"
    script["rules"] = [
        {"model": weak, "contains": "Task", "fault": {"kind": "status", "status": 400}, "times": 2},
        {"model": middle, "fault": {"kind": "redirect"}, "times": 1},
        {"model": measuring.JUDGE, "fault": {"kind": "status", "status": 400}, "times": 1},
        *script["rules"],
    ]
    (tmp_path / "script.json").write_text(json.dumps(script))
    words = ("measure", "run", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "run"))
    with simulating("--script", str(tmp_path / "script.json")) as base_url:
        environ = {
            "ANTHROPIC_API_KEY": "any",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": base_url,
            "TIERWISE_PROFILE": "claude-4",
        }
        done = run(*words, environ=environ)
        assert done.returncode == 4, done.stderr
        answers, *lines = done.stdout.splitlines()
        assert answers.startswith("6 of 9 answers, 5 of 6 judgements, $")
        assert lines[:5] == [
            "3 answers failed; their tasks are left out of every comparison"
            " (UPSTREAM_REJECTED 2, UPSTREAM_PROTOCOL 1)",
            "  the same command tries 1 of them again",
            "  2 were refused or billed: only --retry-failed tries them again",
            "1 judgements failed; what they would compare is left out",
            "  1 were refused or billed: only --retry-failed tries them again",
        ]
        done = run(*words, "--retry-failed", environ=environ)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("9 of 9 answers, 12 of 12 judgements, $")
