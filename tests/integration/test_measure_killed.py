"""A run that is killed at any point is resumed by the same command: same results, and nothing answered is asked twice.

One thing nobody can know: whether a call that was under way at the kill was billed. Such calls are counted, named lost,
paid for at their worst case in the accounts, and asked again.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests import measuring
from tests.programs import command, environment
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.journal import FILE, Journal, RunDamaged, RunInUse, read_entries
from tierwise_server.measure.run import RunOptions
from tierwise_server.measure.runfolder import RunFolder
from tierwise_server.measure.session import Session
from tierwise_server.measure.state import RunState
from tierwise_server.simulator import Entry, Simulator
from tierwise_server.simulator.journal import Journal as ServedCalls

EACH = 10
KILLS = 2
CONCURRENCY = 4
CALLS = 3 * EACH * 5
PACE_S = 0.005


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(task.line() + "\n" for task in measuring.sample(EACH)))
    return path


def words(tasks: Path, run: Path, config: Path, *more: str) -> list[str]:
    return command("measure", "run", str(tasks), "--out", str(run), "--config", str(config), *more)


async def started(line: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *line,
        env=environment({"ANTHROPIC_API_KEY": "any"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def configured(tmp_path: Path, simulator: Simulator) -> Path:
    path = tmp_path / "tierwise.toml"
    path.write_text(
        f'profile = "claude-4"\n[upstream.anthropic]\nbase_url = "{simulator.base_url}"\n'
    )
    return path


def reaching(count: int) -> Callable[[ServedCalls], bool]:
    return lambda journal: len(journal) >= count


def results(measurement: Measurement) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    return [
        array
        for sample in measurement.samples
        for array in (
            sample.raw.quality,
            np.nan_to_num(sample.raw.confidence, nan=-1.0),
            sample.raw.cost_nano_usd,
            sample.raw.check_cost_nano_usd,
        )
    ]


async def uninterrupted(path: Path, simulator: Simulator) -> Measurement:
    async with measuring.engine_for(measuring.config_for(simulator)) as engine:
        folder = measuring.a_folder(path, engine, measuring.sample(EACH))
        await Session(folder, engine, RunOptions(concurrency=16)).run()
    simulator.reset()
    return collect(folder)


@pytest.mark.fault
@pytest.mark.parametrize("seed", [1])
async def test_a_run_killed_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, tasks: Path, seed: int
) -> None:
    rng = random.Random(seed)
    path = tmp_path / "killed"
    async with Simulator(measuring.script(first_token_delay_s=PACE_S)) as simulator:
        config = configured(tmp_path, simulator)
        expected = await uninterrupted(tmp_path / "whole", simulator)
        kills = sorted(rng.sample(range(1, CALLS - 10), KILLS))
        for point in kills:
            process = await started(words(tasks, path, config, "--concurrency", str(CONCURRENCY)))
            async with asyncio.timeout(30):
                await simulator.journal.until(reaching(point))
            await asyncio.sleep(rng.random() * 2 * PACE_S)
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        process = await started(words(tasks, path, config))
        said, _ = await process.communicate()
        await simulator.journal.settled()
        entries = simulator.journal.messages
    assert process.returncode == 0
    measurement = collect(RunFolder.open(path))
    for one, other in zip(results(measurement), results(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    nothing_answered_is_asked_twice(path, entries, said.decode())


def nothing_answered_is_asked_twice(path: Path, entries: tuple[Entry, ...], said: str) -> None:
    written = list(read_entries(path / FILE))
    answered = [entry for entry in written if entry["kind"] == "answered"]
    lost = [entry for entry in written if entry["kind"] == "lost"]
    assert max(Counter(entry["call"] for entry in answered).values()) == 1
    assert len(answered) == CALLS
    # Every request that reached the provider is either an answer in the journal or a call that was lost.
    ids = {entry["response_id"] for entry in answered}
    unknown = [entry for entry in entries if entry.message_id not in ids]
    assert len(entries) - len(unknown) == CALLS
    assert len(unknown) <= len(lost)
    assert len(lost) <= KILLS * CONCURRENCY
    assert all(entry["paid_nano_usd"] > 0 for entry in lost)
    state = RunState.of(written)
    assert state.paid_nano_usd == sum(entry["paid_nano_usd"] for entry in (*answered, *lost))
    assert (f"{len(lost)} calls were under way" in said) is bool(lost)


@pytest.mark.fault
async def test_ctrl_c_lets_what_is_under_way_finish_so_nothing_is_lost(
    tmp_path: Path, tasks: Path
) -> None:
    path = tmp_path / "run"
    async with Simulator(measuring.script(first_token_delay_s=0.05)) as simulator:
        config = configured(tmp_path, simulator)
        process = await started(words(tasks, path, config))
        async with asyncio.timeout(30):
            await simulator.journal.until(lambda journal: len(journal) >= 20)
        process.send_signal(signal.SIGINT)
        said, _ = await process.communicate()
        assert process.returncode == 3
        assert b"stopped; the same command resumes" in said
        state = RunState.of(read_entries(path / FILE))
        assert state.intents == {}
        assert len(state.outcomes) == len(simulator.journal.messages) < CALLS
        process = await started(words(tasks, path, config))
        await process.communicate()
        assert process.returncode == 0
        assert len(simulator.journal.messages) == CALLS
    assert collect(RunFolder.open(path)).state.lost == 0


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
