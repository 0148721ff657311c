"""A world in which the right routing table is known: a simulator whose models have scripted skills and confidences."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tierwise_server import app
from tierwise_server.config import Config
from tierwise_server.config.examine import examine_raw
from tierwise_server.engine import Engine
from tierwise_server.measure.dataset import SampleTask, dataset_hash
from tierwise_server.measure.runfolder import RunFolder, settings_for
from tierwise_server.simulator import Simulator
from tierwise_server.translation import engine_settings

KEY: Final = "any"
NOW: Final = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
CONTEXT: Final = "Here is what you need to know about it. " * 20
OUTPUT_TOKENS: Final = {"claude-haiku-4-5*": 60, "claude-sonnet-4-6": 150, "claude-opus-4-8": 700}
LETTERS: Final = {"claude-haiku-4-5*": "e", "claude-sonnet-4-6": "f", "claude-opus-4-8": "r"}
JUDGE: Final = "claude-opus-5-5"

TYPES: Final = ("sort", "draft", "debug")
"""`sort` is easy for all; a `draft` fools frontier, but efficient knows when it is wrong; `debug` needs reasoning."""


def skills(kind: str, rng: random.Random) -> tuple[dict[str, int], int]:
    """Which tiers get a task of that type right, and the score that efficient gives itself."""
    if kind == "sort":
        return {"e": 1, "f": 1, "r": 1}, rng.choice([8, 9, 10])
    if kind == "draft":
        right = int(rng.random() < 0.6)
        return {"e": right, "f": int(rng.random() < 0.5), "r": 1}, rng.choice(
            [9, 10] if right else [2, 3, 4]
        )
    return {"e": int(rng.random() < 0.3), "f": int(rng.random() < 0.5), "r": 1}, rng.choice([8, 9])


def sample(each: int, *, checked: bool = True, seed: int = 3) -> tuple[SampleTask, ...]:
    """So many tasks of every type; what the models can do stands in the prompt, for the simulator alone."""
    rng = random.Random(seed)
    tasks = []
    for kind in TYPES:
        for number in range(each):
            able, score = skills(kind, rng)
            marks = " ".join(f"{letter}{can}" for letter, can in able.items())
            content: dict[str, Any] = {
                "id": f"{kind}-{number}",
                "task_type": kind,
                "prompt": f"Task {number}: {marks} c{score}. {CONTEXT}",
            }
            if checked:
                content["checks"] = [{"type": "regex", "pattern": "^right"}]
            tasks.append(SampleTask.model_validate(content))
    return tuple(tasks)


def script(**defaults: Any) -> dict[str, Any]:
    """What the simulator answers: right or wrong by the marks, and the score that the task names."""
    rules: list[dict[str, Any]] = [
        {"kind": "check", "contains": f" c{score}.", "confidence": score} for score in range(1, 11)
    ]
    for first, second, scores, better in (
        ("right", "right", (9, 9), "tie"),
        ("right", "wrong", (9, 2), "A"),
        ("wrong", "right", (2, 9), "B"),
        ("wrong", "wrong", (2, 2), "tie"),
    ):
        verdict = {"reason": "", "score_a": scores[0], "score_b": scores[1], "better": better}
        pattern = rf"(?s)\[answer A \w+\]\n{first}.*\[answer B \w+\]\n{second}"
        rules.append({"model": JUDGE, "matches": pattern, "answer": json.dumps(verdict)})
    for model, letter in LETTERS.items():
        usage = {"output_tokens": OUTPUT_TOKENS[model]}
        for able, answer in ((1, "right"), (0, "wrong")):
            rules.append(
                {
                    "kind": "answer",
                    "model": model,
                    "contains": f" {letter}{able} ",
                    "answer": f"{answer} says {letter}",
                    "usage": usage,
                }
            )
    return {"rules": rules, "defaults": defaults}


def config_for(
    simulator: Simulator, *, check: dict[str, Any] | None = None, **routing: Any
) -> Config:
    """The published table on the 4.x models, with the simulator as upstream."""
    raw = {
        "profile": "claude-4",
        "upstream": {"anthropic": {"base_url": simulator.base_url}},
        "routing": routing,
        "check": check or {},
    }
    found = examine_raw(raw, {}, today=NOW.date())
    assert found.config is not None, [str(fault) for fault in found.faults]
    return found.config


@asynccontextmanager
async def engine_for(config: Config) -> AsyncIterator[Engine]:
    """An engine as the command line builds it."""
    environ = {"ANTHROPIC_API_KEY": KEY}
    engine = Engine(
        table=config.routing_table(),
        prices=config.price_book(),
        providers=app.providers_of(config, environ),
        settings=engine_settings(config),
    )
    try:
        yield engine
    finally:
        for provider in engine.providers.values():
            await provider.aclose()


def a_folder(
    path: Path, engine: Engine, tasks: Sequence[SampleTask], *, batched: bool = False
) -> RunFolder:
    """A run's directory for these tasks."""
    settings = settings_for(
        engine.table,
        tasks,
        price_book_version=engine.prices.version,
        dataset="tasks.jsonl",
        whole_hash=dataset_hash(tasks),
        seed=0,
        now=NOW,
        batched=batched,
        checks=engine.settings,
    )
    return RunFolder.make(path, settings, tasks)
