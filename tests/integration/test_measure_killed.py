"""A run that is killed at any point is resumed by the same command: same results, and nothing answered is asked twice.

One thing nobody can know: whether a call that was under way at the kill was billed. Such calls are counted, named lost,
paid for at their worst case in the accounts, and asked again, or with `--lost leave` never again.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests import measuring
from tests.killing import (
    CONCURRENCY,
    STRONGEST,
    KilledRun,
    incurred_nano_usd,
    named_sample,
    naming_script,
    outcomes_of,
    uninterrupted,
)
from tierwise_server.core.model import CallKind
from tierwise_server.measure.collect import collect
from tierwise_server.measure.journal import FILE, Journal, RunDamaged, RunInUse, read_entries
from tierwise_server.measure.judging import JUDGE
from tierwise_server.measure.run import Halt, RunOptions
from tierwise_server.measure.runfolder import RunFolder
from tierwise_server.measure.session import Session
from tierwise_server.measure.state import RunState, answer_key
from tierwise_server.simulator import Simulator

EACH = 4
PROBES = 3 * EACH * 5
"""Three answers and two checks a task."""

JUDGEMENTS = 3 * EACH * 2 * 2
"""Two pairs a task, in both orders."""

PACE_S = 0.01


def points(rng: random.Random) -> tuple[int, ...]:
    """When to kill: while it answers, and while it judges."""
    # What is lost is asked again, so that after a kill the same place is a few calls further on.
    judging = PROBES + CONCURRENCY + 1
    return (
        rng.randrange(1, PROBES - CONCURRENCY),
        rng.randrange(judging, PROBES + JUDGEMENTS - 2 * CONCURRENCY),
    )


@pytest.mark.fault
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_run_killed_while_it_answers_and_judges_ends_as_if_it_never_was(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    tasks = named_sample(EACH, checked=False)
    async with Simulator(naming_script(tasks, first_token_delay_s=PACE_S)) as simulator:
        expected = await uninterrupted(tmp_path / "whole", tasks, simulator)
        killed = KilledRun(tmp_path, tasks, simulator)
        for point in points(rng):
            await killed.kill_at(point, rng.random() * 2 * PACE_S)
        assert any(entry.model == measuring.JUDGE for entry in simulator.journal.messages)
        assert await killed.finish() == 0
        measurement = collect(RunFolder.open(killed.path))
        assert outcomes_of(measurement) == outcomes_of(expected)
        nothing_recorded_is_asked_twice(killed)
        what_was_lost_is_paid_for(killed)


def nothing_recorded_is_asked_twice(killed: KilledRun) -> None:
    answered, lost, asked = killed.counted("answered"), killed.counted("lost"), killed.asked
    assert len(answered) == PROBES + JUDGEMENTS
    assert set(answered.values()) == {1}
    assert set(asked) == set(answered)
    for call, times in asked.items():
        assert times <= 1 + lost[call], f"{call} was asked {times} times and lost {lost[call]}"
    assert lost.total() <= killed.kills * CONCURRENCY
    # The answer that stands in the journal is one that the provider gave, and the last that was asked for.
    given = {entry.rule: entry.message_id for entry in killed.simulator.journal.messages}
    recorded = {e["call"]: e["response_id"] for e in killed.written if e["kind"] == "answered"}
    assert recorded == given
    answers = f"{PROBES // 5 * 3} of {PROBES // 5 * 3} answers"
    assert f"{answers}, {JUDGEMENTS} of {JUDGEMENTS} judgements" in killed.said
    assert (f"{lost.total()} calls were under way" in killed.said) is bool(lost)


def what_was_lost_is_paid_for(killed: KilledRun) -> None:
    """Call by call the accounts hold at least what the provider may bill, and exactly that where nothing was lost."""
    billed: Counter[str] = Counter()
    for request in killed.simulator.journal.messages:
        billed[request.rule] += incurred_nano_usd(killed.prices, request)
    paid: Counter[str] = Counter()
    worst = {e["call"]: e["worst_nano_usd"] for e in killed.written if e["kind"] == "intent"}
    for entry in killed.written:
        if entry["kind"] == "lost":
            assert entry["paid_nano_usd"] == worst[entry["call"]] > 0
        paid[entry.get("call", "")] += entry.get("paid_nano_usd", 0)
    lost = killed.counted("lost")
    for call, nano_usd in billed.items():
        assert paid[call] >= nano_usd if lost[call] else paid[call] == nano_usd, call
    assert RunState.of(killed.written).paid_nano_usd == paid.total()


@pytest.mark.fault
async def test_what_was_lost_is_left_when_told_to_and_never_asked_again(tmp_path: Path) -> None:
    rng = random.Random(4)
    tasks = named_sample(EACH, checked=False)
    leave = ("--lost", "leave")
    async with Simulator(naming_script(tasks, first_token_delay_s=PACE_S)) as simulator:
        killed = KilledRun(tmp_path, tasks, simulator)
        # Right after requests came in, so that some are surely under way.
        await killed.kill_at(rng.randrange(10, 30), 0.0, *leave)
        await killed.kill_at(PROBES + 5, 0.0, *leave)
        assert await killed.finish(*leave) == 4
        lost = set(killed.counted("lost"))
        assert {call.startswith(JUDGE) for call in lost} == {True, False}
        assert set(killed.asked.values()) == {1}
        assert not lost & set(killed.counted("answered"))
        what_was_lost_is_paid_for(killed)
        its_tasks_are_left_out_and_said_to_be(killed, lost)
        asked = killed.asked
        assert await killed.finish(*leave) == 4
        assert killed.asked == asked
        # Without the option they are asked after all, once each.
        assert await killed.finish() == 0
        assert lost <= set(killed.counted("answered"))
        assert set((killed.asked - asked).values()) == {1}
        assert collect(RunFolder.open(killed.path)).empty == ()


def its_tasks_are_left_out_and_said_to_be(killed: KilledRun, lost: set[str]) -> None:
    state = RunState.of(killed.written)
    assert f"{len(lost)} calls were under way" in killed.said
    units = {place for place in state.units if not state.done(*place)}
    kinds = (CallKind.DIRECT, CallKind.CHECK)
    probes = {(place, str(answer_key(*place, kind))) for place in state.units for kind in kinds}
    assert units == {place for place, call in probes if call in lost}
    assert f"{len(units)} answers failed" in killed.said
    assert f"  {len(units)} were lost and may have been billed" in killed.said
    assert "the same command tries" not in killed.said
    measurement = collect(RunFolder.open(killed.path))
    whole = {task.id for sample in measurement.samples for task in sample.tasks}
    assert whole.isdisjoint(task for task, _ in units)


@pytest.mark.parametrize("kind", ["lost", "failed"])
async def test_failures_from_the_journal_are_no_failures_of_the_provider(
    tmp_path: Path, kind: str
) -> None:
    """However many calls were lost or failed earlier, a run that leaves them goes on to the end."""
    async with Simulator(measuring.script()) as simulator:
        async with measuring.engine_for(measuring.config_for(simulator)) as engine:
            folder = measuring.a_folder(tmp_path / "run", engine, measuring.sample(10))
            usage = {"input_tokens": 1, "output_tokens": 1}
            with Journal(folder.path) as journal:
                for task in folder.tasks:
                    call = str(answer_key(task.id, STRONGEST, CallKind.DIRECT))
                    cost = {"cost_nano_usd": 1, "paid_nano_usd": 1}
                    journal.write({"kind": kind, "call": call, "usage": usage, **cost})
            for _ in range(2):
                options = RunOptions(concurrency=CONCURRENCY, repeat_lost=False)
                ended = await Session(folder, engine, options).run()
                assert ended.halt is Halt.DONE
                assert ended.standing.failed == len(folder.tasks)
        assert len(simulator.journal.messages) == 4 * len(folder.tasks)


@pytest.mark.fault
async def test_ctrl_c_lets_what_is_under_way_finish_so_nothing_is_lost(tmp_path: Path) -> None:
    tasks = named_sample(2 * EACH, checked=True)
    calls = 2 * PROBES
    async with Simulator(naming_script(tasks, first_token_delay_s=0.05)) as simulator:
        stopped = KilledRun(tmp_path, tasks, simulator)
        process = await stopped.start()
        async with asyncio.timeout(30):
            await simulator.journal.until(lambda journal: len(journal) >= 20)
        process.send_signal(signal.SIGINT)
        said, _ = await process.communicate()
        assert process.returncode == 3
        assert b"stopped; the same command resumes" in said
        state = RunState.of(stopped.written)
        assert state.intents == {}
        assert len(state.outcomes) == len(simulator.journal.messages) < calls
        assert await stopped.finish() == 0
        assert len(stopped.asked) == calls
        assert set(stopped.asked.values()) == {1}
    assert collect(RunFolder.open(stopped.path)).state.lost == 0


def test_a_line_that_was_cut_off_is_dropped_and_written_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"kind":"unit","task":"a","tier":"t"}\n{"kind":"answ')
    assert len(list(read_entries(tmp_path / FILE))) == 1
    with Journal(tmp_path) as journal:
        journal.write({"kind": "note"})
    assert [entry["kind"] for entry in read_entries(tmp_path / FILE)] == ["unit", "note"]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"kind":"unit"}\nrubbish\n{"kind":"unit"}\n')
    with pytest.raises(RunDamaged, match="line 2"):
        list(read_entries(tmp_path / FILE))


def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(RunInUse), Journal(tmp_path):
        pass


def test_entries_are_plain_ascii_lines_whatever_the_answer_held(tmp_path: Path) -> None:
    text = "a\u2028b\nc \U0001f600 \x00"
    with Journal(tmp_path) as journal:
        journal.write({"kind": "answered", "text": text})
    raw = (tmp_path / FILE).read_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == 1
    assert json.loads(raw)["text"] == text
