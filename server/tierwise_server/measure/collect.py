"""From a run's journal to what the statistics eat: per task type, every tier's outcome on the same tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tierwise_server.core.confidence import SELF_REPORT
from tierwise_server.core.model import CallKind
from tierwise_server.measure.calibration import (
    Calibrator,
    Key,
    Labelled,
    calibrate,
    with_calibrated,
)
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.grading import Grades, grade_all, read_labels
from tierwise_server.measure.journal import FILE, read_entries
from tierwise_server.measure.judging import judge_scores
from tierwise_server.measure.outcomes import FloatArray, Outcomes
from tierwise_server.measure.runfolder import RunFolder, RunSettings
from tierwise_server.measure.state import Entry, RunState, answer_key


@dataclass(frozen=True, slots=True)
class TypeSample:
    """One task type's part of a run.

    Attributes:
        tasks: those with a graded outcome at every tier, in the rows' order.
        raw: outcomes with the signals as the models gave them.
        calibrators: tier to its calibrator; None where there are too few labels.
        calibrated: the same outcomes with calibrated confidences.
        output_tokens: tier to the mean length of its answers, thinking included.
        left_out: how many sampled tasks lack an outcome or a grade at some tier.
    """

    tasks: tuple[SampleTask, ...]
    raw: Outcomes
    calibrators: Mapping[str, Calibrator | None]
    calibrated: Outcomes
    output_tokens: Mapping[str, int]
    left_out: int

    @property
    def task_type(self) -> str:
        """The task type."""
        return self.raw.task_type


@dataclass(frozen=True, slots=True)
class Measurement:
    """A whole run, ready for statistics.

    Attributes:
        samples: per task type, in alphabetical order; types without a whole task are left out.
        empty: task types that have no task with a graded outcome at every tier.
    """

    folder: RunFolder
    state: RunState
    grades: Grades
    samples: tuple[TypeSample, ...]
    empty: tuple[str, ...]

    @property
    def settings(self) -> RunSettings:
        """What the run measures."""
        return self.folder.settings

    def sample(self, task_type: str) -> TypeSample | None:
        """The part of one task type."""
        return next((s for s in self.samples if s.task_type == task_type), None)


def collect(path: RunFolder) -> Measurement:
    """Read a run's directory and fold it into outcomes. Spends nothing; the run may go on meanwhile."""
    state = RunState.of(read_entries(path.path / FILE))
    settings = path.settings
    grades = grade_all(
        path.tasks,
        settings.tiers,
        state,
        human=read_labels(path.path),
        judge=judge_scores(path.tasks, settings.tiers, state),
    )
    groups: dict[str, list[SampleTask]] = {}
    for task in path.tasks:
        groups.setdefault(task.task_type, []).append(task)
    found = {name: _whole(tasks, settings, state, grades) for name, tasks in sorted(groups.items())}
    raws = {
        name: _outcomes(name, tasks, settings, state, grades)
        for name, tasks in found.items()
        if tasks
    }
    calibrators = _calibrators(raws, settings)
    samples = tuple(
        TypeSample(
            tasks=tuple(found[name]),
            raw=raw,
            calibrators=calibrators[name],
            calibrated=with_calibrated(raw, calibrators[name]),
            output_tokens=_output_tokens(found[name], settings, state),
            left_out=len(groups[name]) - len(found[name]),
        )
        for name, raw in raws.items()
    )
    empty = tuple(name for name in found if not found[name])
    return Measurement(path, state, grades, samples, empty)


def _whole(
    tasks: Sequence[SampleTask], settings: RunSettings, state: RunState, grades: Grades
) -> list[SampleTask]:
    return [
        task
        for task in tasks
        if all(
            state.done(task.id, tier) and (task.id, tier) in grades.final for tier in settings.tiers
        )
    ]


def _outcomes(
    name: str,
    tasks: Sequence[SampleTask],
    settings: RunSettings,
    state: RunState,
    grades: Grades,
) -> Outcomes:
    def table(value: Any) -> FloatArray:
        rows = [[value(task.id, tier) for tier in settings.tiers] for task in tasks]
        return np.array(rows, dtype=np.float64)

    def answer(task: str, tier: str) -> Entry:
        found = state.answered(answer_key(task, tier, CallKind.DIRECT))
        assert found is not None  # noqa: S101 - only tasks with an answer at every tier come here
        return found

    def check(task: str, tier: str) -> Entry:
        return state.answered(answer_key(task, tier, CallKind.CHECK)) or {}

    def alone(task: str, tier: str) -> int:
        return state.alone_nano_usd(answer_key(task, tier, CallKind.DIRECT))

    def check_cost(task: str, tier: str) -> int:
        """What comes on top when the answer is checked: the check, and what caching the prompt for it changes."""
        kinds = (CallKind.DRAFT, CallKind.CHECK)
        both = sum(state.cost_nano_usd(answer_key(task, tier, kind)) for kind in kinds)
        return max(0, both - alone(task, tier))

    def signal(task: str, tier: str) -> float:
        confidence = state.units[task, tier].get("confidence")
        return np.nan if confidence is None else confidence

    raw = Outcomes(
        task_type=name,
        tiers=settings.tiers,
        quality=table(lambda task, tier: grades.final[task, tier].quality),
        cost_nano_usd=table(alone),
        confidence=table(signal),
        check_cost_nano_usd=table(check_cost),
    )
    if settings.batched:
        return raw
    return replace(
        raw,
        latency_s=table(lambda task, tier: answer(task, tier)["duration_s"]),
        check_latency_s=table(lambda task, tier: check(task, tier).get("duration_s", 0.0)),
    )


def _calibrators(
    raws: Mapping[str, Outcomes], settings: RunSettings
) -> dict[str, dict[str, Calibrator | None]]:
    """Fit every drafting tier's calibrator in every task type, each leaning on all types of its model."""
    drafting = settings.tiers[:-1]
    # Two tiers may share a model but not its settings, so the tier is part of what a fit belongs to.
    keys = {
        (name, tier): Key(f"{tier}: {settings.models[tier]}", name, SELF_REPORT)
        for name in raws
        for tier in drafting
    }
    fitted = calibrate(
        {
            key: Labelled(
                raws[name].confidence[:, raws[name].index(tier)],
                raws[name].quality[:, raws[name].index(tier)],
            )
            for (name, tier), key in keys.items()
        }
    )
    return {name: {tier: fitted[keys[name, tier]] for tier in drafting} for name in raws}


def _output_tokens(
    tasks: Sequence[SampleTask], settings: RunSettings, state: RunState
) -> dict[str, int]:
    means = {}
    for tier in settings.tiers:
        entries = [state.answered(answer_key(task.id, tier, CallKind.DIRECT)) for task in tasks]
        lengths = [e["usage"]["output_tokens"] for e in entries if e and e["usage"]]
        if lengths:
            means[tier] = max(1, round(sum(lengths) / len(lengths)))
    return means
