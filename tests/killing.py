"""`tierwise measure run` as a program that can be killed, against a simulator whose journal names every call."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import measuring
from tests.programs import command, environment
from tierwise_server.config.resolve import core_model
from tierwise_server.core.model import CallKind, Usage
from tierwise_server.core.prices import PriceBook
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.journal import FILE, read_entries
from tierwise_server.measure.judging import judge_key
from tierwise_server.measure.run import RunOptions
from tierwise_server.measure.session import Session
from tierwise_server.measure.state import answer_key
from tierwise_server.simulator import Entry, Simulator
from tierwise_server.simulator.journal import Journal as ServedCalls

CONCURRENCY = 4
WAIT_S = 30
TIERS = {
    "efficient": ("claude-haiku-4-5*", "e"),
    "frontier": ("claude-sonnet-4-6", "f"),
    "reasoning": ("claude-opus-4-8", "r"),
}
STRONGEST = "reasoning"


def named_sample(each: int, *, checked: bool) -> tuple[SampleTask, ...]:
    """The known world's sample; each prompt holds its task's id, so that a request tells which call it is."""
    return tuple(
        task.model_copy(update={"prompt": f"[{task.id}] {task.prompt}"})
        for task in measuring.sample(each, checked=checked)
    )


def naming_script(tasks: Sequence[SampleTask], **defaults: Any) -> dict[str, Any]:
    """The known world's script with a rule per call, named as the run's journal names the call."""
    rules: list[dict[str, Any]] = []
    for rule in measuring.script()["rules"]:
        for task in tasks:
            assert task.prompt is not None
            here = {**rule, "contains": [f"[{task.id}] "]}
            if rule.get("model") == measuring.JUDGE:
                rules += _judgements(here, task)
            elif rule["contains"] in task.prompt:
                rules += _probes(here, task)
    return {"rules": rules, "defaults": defaults}


def _probes(rule: dict[str, Any], task: SampleTask) -> list[dict[str, Any]]:
    kind = CallKind.CHECK if rule["kind"] == "check" else CallKind.DIRECT
    return [
        {**rule, "model": model, "name": str(answer_key(task.id, tier, kind))}
        for tier, (model, _) in TIERS.items()
        if rule.get("model", model) == model
    ]


def _judgements(rule: dict[str, Any], task: SampleTask) -> list[dict[str, Any]]:
    rules = []
    for tier, (_, letter) in TIERS.items():
        if tier == STRONGEST:
            continue
        for swapped in (False, True):
            first, second = ("r", letter) if swapped else (letter, "r")
            match = re.sub(r"B \\w\+\\\]\\n\w+", rf"\g<0> says {second}\\b", rule["matches"])
            match = re.sub(r"A \\w\+\\\]\\n\w+", rf"\g<0> says {first}\\b", match)
            name = str(judge_key(measuring.JUDGE, task.id, tier, STRONGEST, swapped=swapped))
            rules.append({**rule, "matches": match, "name": name})
    return rules


@dataclass
class KilledRun:
    """A run that is killed and resumed.

    Attributes:
        said: what the last process that ended by itself printed.
    """

    folder: Path
    tasks: tuple[SampleTask, ...]
    simulator: Simulator
    said: str = ""
    kills: int = field(default=0)

    async def start(self, *more: str) -> asyncio.subprocess.Process:
        """Start the command."""
        sample, config = self.folder / "tasks.jsonl", self.folder / "tierwise.toml"
        sample.write_text("".join(task.line() + "\n" for task in self.tasks))
        config.write_text(
            f'profile = "claude-4"\n[upstream.anthropic]\nbase_url = "{self.simulator.base_url}"\n'
        )
        words = ("--out", str(self.path), "--config", str(config), *more)
        return await asyncio.create_subprocess_exec(
            *command("measure", "run", str(sample), *words),
            env=environment({"ANTHROPIC_API_KEY": "any"}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def kill_at(self, calls: int, then_s: float, *more: str) -> None:
        """Resume it, and kill it so long after the simulator has been asked so often."""

        def reached(journal: ServedCalls) -> bool:
            return len(journal) >= calls

        process = await self.start("--concurrency", str(CONCURRENCY), *more)
        async with asyncio.timeout(WAIT_S):
            await self.simulator.journal.until(reached)
        await asyncio.sleep(then_s)
        assert process.returncode is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        await self.simulator.journal.settled()
        self.kills += 1

    async def finish(self, *more: str) -> int | None:
        """Resume it and let it end; returns the exit code."""
        process = await self.start(*more)
        async with asyncio.timeout(WAIT_S):
            said, complaints = await process.communicate()
        await self.simulator.journal.settled()
        self.said = said.decode()
        assert b"Traceback" not in complaints
        return process.returncode

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.folder / "run"

    @property
    def written(self) -> list[dict[str, Any]]:
        """The run's journal."""
        return list(read_entries(self.path / FILE))

    def counted(self, kind: str) -> Counter[str]:
        """How often the run's journal says that of each call."""
        return Counter(entry["call"] for entry in self.written if entry["kind"] == kind)

    @property
    def asked(self) -> Counter[str]:
        """How often the simulator was asked each call."""
        return Counter(entry.rule for entry in self.simulator.journal.messages)

    @property
    def prices(self) -> PriceBook:
        """What calls cost."""
        return measuring.config_for(self.simulator).price_book()


def incurred_nano_usd(book: PriceBook, entry: Entry) -> int:
    """What the provider may bill for a request, by its own journal."""
    cached = entry.cache_read_input_tokens, entry.cache_creation_input_tokens
    usage = Usage(
        input_tokens=entry.input_tokens + sum(cached),
        cache_read_tokens=cached[0],
        cache_write_tokens=cached[1],
        output_tokens=entry.output_tokens,
    )
    cost = book.cost(entry.model, usage)
    assert cost is not None
    return cost.total_nano_usd


async def uninterrupted(
    path: Path, tasks: tuple[SampleTask, ...], simulator: Simulator
) -> Measurement:
    """The same sample, run without any disturbance; the simulator forgets it."""
    config = measuring.config_for(simulator)
    judge = core_model(config.resolved.models[measuring.JUDGE].settings)
    async with measuring.engine_for(config) as engine:
        folder = measuring.a_folder(path, engine, tasks)
        await Session(folder, engine, RunOptions(concurrency=16), judge).run()
    simulator.reset()
    return collect(folder)


def outcomes_of(measurement: Measurement) -> str:
    """All that a run found out, whatever the order and the time in which it did."""
    content = [
        {
            "tasks": [task.id for task in sample.tasks],
            "quality": sample.raw.quality.tolist(),
            "confidence": sample.raw.confidence.tolist(),
            "cost": sample.raw.cost_nano_usd.tolist(),
            "checks": sample.raw.check_cost_nano_usd.tolist(),
            "left_out": sample.left_out,
        }
        for sample in measurement.samples
    ]
    answers = {
        key: (entry["text"], entry["cost_nano_usd"], entry["usage"])
        for key, entry in measurement.state.outcomes.items()
        if entry["kind"] == "answered"
    }
    return json.dumps([content, answers], sort_keys=True)
