"""Where a run stands: what is there, what failed and why, and whether the same command tries it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tierwise_server.core.model import CallKind
from tierwise_server.measure.run import Job
from tierwise_server.measure.runfolder import RunFolder
from tierwise_server.measure.state import RunState, answer_key, is_refusal


@dataclass(frozen=True, slots=True)
class Work:
    """How much of a kind of work is done: answers or judgements.

    Attributes:
        missing: what has no outcome yet.
        kept: failures that are repeated only when told to: they were refused, or failed after they were billed.
        left: failures whose call was lost when a run was killed, and not made again.
    """

    done: int = 0
    failed: int = 0
    missing: int = 0
    kept: int = 0
    left: int = 0

    @property
    def total(self) -> int:
        """How much there is to do in all."""
        return self.done + self.failed + self.missing


@dataclass(frozen=True, slots=True)
class Standing(Work):
    """Where the answers stand.

    Attributes:
        spent_nano_usd: what everything has cost, judgements too.
        lost: how often a call was under way when a run was killed.
        reasons: why answers failed, most first.
    """

    spent_nano_usd: int = 0
    lost: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def standing(folder: RunFolder, state: RunState) -> Standing:
    """Where the answers stand."""
    places = [(task.id, tier) for task in folder.tasks for tier in folder.settings.tiers]
    failed = [place for place in places if place in state.units and not state.done(*place)]
    done = sum(state.done(*place) for place in places)
    ends = [_ends_of_unit(state, place) for place in failed]
    return Standing(
        done=done,
        failed=len(failed),
        missing=len(places) - done - len(failed),
        spent_nano_usd=state.paid_nano_usd,
        lost=state.lost,
        kept=sum("failed" in kinds for kinds in ends),
        left=sum("lost" in kinds for kinds in ends),
        reasons=dict(Counter(state.units[place]["reason"] for place in failed).most_common()),
    )


def judged(jobs: Sequence[Job], state: RunState) -> Work:
    """Where the judgements stand."""
    unfinished = [job.calls for job in jobs if not job.done]
    failed = [calls for calls in unfinished if not state.outcomes.keys().isdisjoint(calls)]
    ends = [_ends(state, calls) for calls in failed]
    return Work(
        done=len(jobs) - len(unfinished),
        failed=len(failed),
        missing=len(unfinished) - len(failed),
        kept=sum("failed" in kinds for kinds in ends),
        left=sum("lost" in kinds for kinds in ends),
    )


def _ends_of_unit(state: RunState, place: tuple[str, str]) -> set[str]:
    calls = [str(answer_key(*place, kind)) for kind in (CallKind.DIRECT, CallKind.CHECK)]
    if state.outcomes.keys().isdisjoint(calls) and is_refusal(state.units[place]):
        # The tier's model cannot hold the prompt, so it was not asked.
        return {"failed"}
    return _ends(state, calls)


def _ends(state: RunState, calls: Sequence[str]) -> set[str]:
    """How these calls ended, where the same command does not make them again."""
    return {str(end["kind"]) for call in calls if (end := state.outcome(call)) is not None}
