"""Real outcomes of real models, read from the folder that TIERWISE_BENCH_DATA names; nothing of it is kept here."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tierwise_server.measure.outcomes import FloatArray, IntArray, Outcomes

MODELS = ("gpt-4o-mini-2024-07-18", "deepseek-chat", "claude-haiku-4-5-20251001")
"""Of the self-reports, weakest first."""

NANO = 1e9


@dataclass(frozen=True, eq=False)
class Graded:
    """Qualities per task type, each of shape (tasks, models)."""

    models: tuple[str, ...]
    types: tuple[str, ...]
    quality: tuple[FloatArray, ...]

    @property
    def every(self) -> FloatArray:
        """All tasks together."""
        return np.concatenate(self.quality)


@dataclass(frozen=True, eq=False)
class SelfReports:
    """Verbal confidences and what became of the answers: arrays of shape (models, contexts, items, runs)."""

    contexts: tuple[str, ...]
    confidence: FloatArray
    correct: FloatArray
    cost_usd: FloatArray

    @property
    def items(self) -> int:
        """How many different questions there are; runs repeat them."""
        return int(self.confidence.shape[2])

    def outcomes(
        self, tiers: tuple[int, ...], context: int, items: IntArray, runs: IntArray | None = None
    ) -> Outcomes:
        """One task per item at the given run of it, or one per item and run.

        The recorded call gave answer and confidence at once. A check is counted as a second call of the same cost,
        which is what asking afterwards costs at most.
        """
        quality, confidence, cost = (
            np.stack([_pick(values[tier, context], items, runs) for tier in tiers], axis=1)
            for values in (self.correct, self.confidence, self.cost_usd * NANO)
        )
        check = cost.copy()
        check[:, -1] = 0.0
        names = tuple(MODELS[tier] for tier in tiers)
        return Outcomes(self.contexts[context], names, quality, cost, confidence, check)


def _pick(values: FloatArray, items: IntArray, runs: IntArray | None) -> FloatArray:
    return values[items].ravel() if runs is None else values[items, runs]


def mmlu(folder: Path) -> Graded:
    """RouteLLM's outcomes of a weak and a strong model; the subject is the task type."""
    return _graded(
        folder / "routellm" / "mmlu_dev.csv",
        "subject",
        ("weak_correct", "strong_correct"),
        skip="contaminated",
    )


def llm_router(folder: Path) -> Graded:
    """LLMRouter's scores of nine models on fourteen task types."""
    path = folder / "llmrouter" / "train.csv"
    with path.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    return _graded(path, "task_name", tuple(header[header.index("prompt") + 1 :]))


def _graded(path: Path, type_column: str, models: tuple[str, ...], skip: str = "") -> Graded:
    rows: dict[str, list[list[float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if skip and line[skip] != "0":
                continue
            rows.setdefault(line[type_column], []).append([float(line[m]) for m in models])
    types = tuple(sorted(rows))
    return Graded(models, types, tuple(np.array(rows[name]) for name in types))


def self_reports(folder: Path) -> SelfReports:
    """Verbal confidences of three models, five contexts and ten runs per item."""
    with (folder / "selfreport" / "selfreport.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    items = sorted({line["claim_id"] for line in lines}, key=int)
    contexts = tuple(sorted({line["level"] for line in lines}))
    runs = max(int(line["run"]) for line in lines)
    shape = (len(MODELS), len(contexts), len(items), runs)
    confidence, correct, cost = (np.full(shape, np.nan) for _ in range(3))
    place = {name: number for number, name in enumerate(items)}
    for line in lines:
        where = (
            MODELS.index(line["model"]),
            contexts.index(line["level"]),
            place[line["claim_id"]],
            int(line["run"]) - 1,
        )
        confidence[where] = float(line["confidence"])
        correct[where] = float(line["correct"])
        cost[where] = float(line["cost_usd"])
    return SelfReports(contexts, confidence, correct, cost)
