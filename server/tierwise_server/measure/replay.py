"""A recorded run under another table: every decision by the functions that serve, no model called.

`decide` chooses the tiers and `step` climbs them; what a model would have said, cost and taken comes from the run. A
prompt that outgrew a tier's model outgrows it again. Any other failure was the provider's on that day: a task whose way
leads there is left out, since neither its answer nor another tier's in its place is what the table is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierwise_server.core import cascade
from tierwise_server.core.model import CallKind, FinishReason, RoutingOptions, Tier
from tierwise_server.core.table import Plan, RoutingTable, decide
from tierwise_server.errors import Reason
from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.outcomes import FloatArray
from tierwise_server.measure.state import RunState, answer_key
from tierwise_server.measure.statistics import Interval, mean_interval, quality_interval, wilson


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a table would have made of one task.

    Attributes:
        tier: whose answer is kept; empty when there would have been none.
        cost_nano_usd: of every call on the way.
        latency_s: all calls one after another; None when the run has no latencies.
        quality: of the answer, 0 without one; None when nobody graded it.
        climbs: how many drafts were superseded.
    """

    task: str
    task_type: str
    tier: str
    cost_nano_usd: int
    latency_s: float | None
    quality: float | None
    climbs: int


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a table would have made of many tasks; costs are nano-USD per task.

    Attributes:
        left_out: tasks that the run cannot replay: a tier that they would climb to has no outcome or no grade.
    """

    task_type: str
    quality: Interval
    cost_nano_usd: Interval
    escalation: Interval
    latency_s: Interval | None
    left_out: int


class NotRecorded(LookupError):
    """The run has no outcome for a call that the table would make."""


def replay_task(
    measurement: Measurement, task: SampleTask, table: RoutingTable, threshold: float | None = None
) -> Replayed:
    """Play one task under the table. Pure.

    Args:
        measurement: the run.
        task: one of its tasks.
        table: decides; its tiers must be among those measured.
        threshold: in place of the table's own, where the task climbs.

    Raises:
        NotRecorded: a call that the table would make was not measured.
    """
    asked = task.task()
    if threshold is not None:
        asked = replace(asked, routing=RoutingOptions(confidence_threshold=threshold))
    play = _Play(measurement.state, task.id, decide(table, asked))
    play.to_end()
    grade = measurement.grades.final.get((task.id, play.kept))
    latency = None if measurement.settings.batched else play.latency_s
    quality = 0.0 if not play.kept else None if grade is None else grade.quality
    return Replayed(
        task.id, task.task_type, play.kept, play.cost_nano_usd, latency, quality, play.climbs
    )


@dataclass(slots=True)
class _Play:
    state: RunState
    task: str
    plan: Plan
    kept: str = ""
    cost_nano_usd: int = 0
    latency_s: float = 0.0
    climbs: int = 0

    def to_end(self) -> None:
        tiers: dict[int, Tier] = {}
        state = cascade.State(self.plan)
        event: cascade.Event | None = cascade.Asked()
        while event is not None:
            state, effects = cascade.step(state, event)
            event = None
            for effect in effects:
                match effect:
                    case cascade.Reserve():
                        event = cascade.Granted()
                    case cascade.Run(call):
                        tiers[call.attempt] = call.tier
                        event = self._run(call)
                    case cascade.Supersede():
                        self.climbs += 1
                    case cascade.Finish(attempt, _):
                        self.kept = tiers[attempt].name
                    case _:
                        pass

    def _run(self, call: cascade.Call) -> cascade.Event:
        unit = self.state.units.get((self.task, call.tier.name))
        if unit is None:
            raise NotRecorded(f"task {self.task!r} was not measured at tier {call.tier.name!r}")
        key = answer_key(self.task, call.tier.name, call.kind)
        entry = self.state.answered(key)
        direct = call.kind is CallKind.DIRECT
        self.cost_nano_usd += (
            self.state.alone_nano_usd(key) if direct else self.state.cost_nano_usd(key)
        )
        if entry is not None:
            self.latency_s += entry["duration_s"]
        if call.kind is CallKind.CHECK:
            if unit["outcome"] != "answered":
                raise NotRecorded(f"task {self.task!r} has no check at tier {call.tier.name!r}")
            confidence = unit.get("confidence")
            known = None if confidence is None else self.plan.confidence(call.tier, confidence)
            return cascade.Checked(known)
        if unit.get("reason") == Reason.CONTEXT_TOO_LONG.name:
            return cascade.Failed(Reason.CONTEXT_TOO_LONG)
        if entry is None:
            raise NotRecorded(f"task {self.task!r} has no answer at tier {call.tier.name!r}")
        return cascade.Answered(
            FinishReason[entry["finish_reason"]], empty=not entry["text"].strip()
        )


def replay(
    measurement: Measurement, table: RoutingTable, threshold: float | None = None
) -> tuple[tuple[Replayed, ...], tuple[ReplaySummary, ...]]:
    """Play every task of the run; summaries are per task type, then one over all, called "all"."""
    played: list[Replayed] = []
    missing: dict[str, int] = {}
    for task in measurement.folder.tasks:
        try:
            found = replay_task(measurement, task, table, threshold)
        except NotRecorded:
            found = None
        if found is None or found.quality is None:
            missing[task.task_type] = missing.get(task.task_type, 0) + 1
        else:
            played.append(found)
    groups: dict[str, list[Replayed]] = {}
    for one in played:
        groups.setdefault(one.task_type, []).append(one)
    summaries = [_summary(name, groups[name], missing.get(name, 0)) for name in sorted(groups)]
    if played:
        summaries.append(_summary("all", played, sum(missing.values())))
    return tuple(played), tuple(summaries)


def _summary(name: str, played: Sequence[Replayed], left_out: int) -> ReplaySummary:
    latencies = [one.latency_s for one in played if one.latency_s is not None]
    return ReplaySummary(
        name,
        quality_interval(_array([one.quality or 0.0 for one in played])),
        mean_interval(_array([one.cost_nano_usd for one in played])),
        wilson(sum(one.climbs > 0 for one in played), len(played)),
        mean_interval(_array(latencies)) if latencies else None,
        left_out,
    )


def _array(values: Sequence[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)
