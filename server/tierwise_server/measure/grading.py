"""How good each answer is, in [0, 1], and who says so: a deterministic check, else a human, else the judge.

A check decides where there is one. People's words win over the judge's, task by task: where they graded every answer.
An answer that nobody has judged has no quality, and its task is left out of every comparison.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping
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
    """Grade every answer that there is; all answers to a task by the same grader, as they are compared."""
    final: dict[tuple[str, str], Grade] = {}
    for task in tasks:
        for tier, grade in _grade(task, tiers, state, human, judge):
            final[task.id, tier] = grade
    return Grades(final, human, judge)


def _grade(
    task: SampleTask, tiers: tuple[str, ...], state: RunState, human: Scores, judge: Scores
) -> Iterator[tuple[str, Grade]]:
    texts = said(state, task, tiers)
    if task.checks:
        for tier, text in texts.items():
            yield tier, Grade(float(passes_all(task.checks, text)), Grader.CHECK)
        return
    spoken = {tier for tier, text in texts.items() if text.strip()}
    # A person's grade beside a judge's would compare the graders, not the answers.
    is_labelled = all((task.id, tier) in human for tier in spoken)
    scores, grader = (human, Grader.HUMAN) if is_labelled else (judge, Grader.JUDGE)
    for tier in texts:
        if tier not in spoken:
            # Nothing was said: nobody is needed to know what that is worth.
            yield tier, Grade(0.0, Grader.CHECK)
        elif (task.id, tier) in scores:
            yield tier, Grade(scores[task.id, tier], grader)


def said(state: RunState, task: SampleTask, tiers: Iterable[str]) -> dict[str, str]:
    """Tier to its answer to a task, of the tiers that answered."""
    entries = {tier: state.answered(answer_key(task.id, tier, CallKind.DIRECT)) for tier in tiers}
    return {tier: entry["text"] for tier, entry in entries.items() if entry is not None}


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
