"""How good each answer is, in [0, 1], and who says so: a deterministic check, else a human, else the judge.

A check decides where there is one. A human's word wins over the judge's. An answer that nobody has judged has no
quality, and its task is left out of every comparison.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tierwise_server.core.model import CallKind
from tierwise_server.measure.checks import passes_all
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.runfolder import LABELS_FILE
from tierwise_server.measure.state import RunState, answer_key

LOWEST, HIGHEST = 1, 10


class Grader(enum.Enum):
    """Who graded an answer."""

    CHECK = "check"
    HUMAN = "human"
    JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Grade:
    """How good an answer is, in [0, 1], and who says so."""

    quality: float
    grader: Grader


def from_score(score: float) -> float:
    """A 1-10 score as a quality: 1 is 0, 10 is 1."""
    return (score - LOWEST) / (HIGHEST - LOWEST)


Scores = Mapping[tuple[str, str], float]
"""(task, tier) to a quality."""


@dataclass(frozen=True, slots=True)
class Grades:
    """Every answer's grade, by (task, tier), and what each grader said on its own."""

    final: Mapping[tuple[str, str], Grade]
    human: Scores
    judge: Scores

    def graders(self, tasks: Iterable[SampleTask]) -> str:
        """Who graded answers to these tasks, most first."""
        wanted = {task.id for task in tasks}
        given = [grade.grader for (task, _), grade in self.final.items() if task in wanted]
        counts = {grader: given.count(grader) for grader in Grader}
        named = sorted((g for g in Grader if counts[g]), key=lambda g: -counts[g])
        return "+".join(grader.value for grader in named)


def grade_all(
    tasks: tuple[SampleTask, ...],
    tiers: tuple[str, ...],
    state: RunState,
    *,
    human: Scores,
    judge: Scores,
) -> Grades:
    """Grade every answer that there is."""
    final: dict[tuple[str, str], Grade] = {}
    for task in tasks:
        for tier in tiers:
            grade = _grade(task, tier, state, human, judge)
            if grade is not None:
                final[task.id, tier] = grade
    return Grades(final, human, judge)


def _grade(
    task: SampleTask, tier: str, state: RunState, human: Scores, judge: Scores
) -> Grade | None:
    answer = state.answered(answer_key(task.id, tier, CallKind.DIRECT))
    if answer is None:
        return None
    place = (task.id, tier)
    if task.checks:
        return Grade(float(passes_all(task.checks, answer["text"])), Grader.CHECK)
    if place in human:
        return Grade(human[place], Grader.HUMAN)
    if not answer["text"].strip():
        # Nothing was said: no judge is needed to know what that is worth.
        return Grade(0.0, Grader.CHECK)
    return Grade(judge[place], Grader.JUDGE) if place in judge else None


_FORMAT: Final = "tierwise-labels/1"


def read_labels(folder: Path) -> dict[tuple[str, str], float]:
    """What reviewers said so far; the mean where several labelled one answer."""
    path = folder / LABELS_FILE
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format") != _FORMAT:
        raise ValueError(f"{path} holds no labels that this version can read")
    scores: dict[tuple[str, str], list[float]] = {}
    for label in content["labels"]:
        scores.setdefault((label["task"], label["tier"]), []).append(label["score"])
    return {place: from_score(sum(given) / len(given)) for place, given in scores.items()}


def labels_document(labels: list[dict[str, object]]) -> str:
    """The labels file's content."""
    return json.dumps({"format": _FORMAT, "labels": labels}, indent=1, ensure_ascii=False) + "\n"
