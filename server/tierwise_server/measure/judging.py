"""What the judge's recorded answers say: a quality per answer, who won each pair, and how steady the judge is.

A judgement compares a tier's answer with the strongest tier's, blinded, in both orders (judge.py asks; this reads).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tierwise_server.core.model import FinishReason
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.grading import HIGHEST, LOWEST, from_score
from tierwise_server.measure.state import CallKey, RunState

JUDGE: Final = "judge"
PROMPT_VERSION: Final = "pair-rubric-1"
"""Changes with the judge's prompt or the way its answer is read: judgements of two versions are not mixed."""

Winner = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement: the 1-10 scores of the answers shown first and second, and which was better."""

    first: int
    second: int
    winner: Winner


@dataclass(frozen=True, slots=True)
class Pair:
    """Both judgements of one pair, from the lesser tier's point of view; a side is None where it is missing.

    Attributes:
        shown_first: what was said when the lesser tier's answer stood first: its score, the strongest's, its result.
        shown_second: the same when it stood second.
    """

    task: str
    tier: str
    shown_first: tuple[int, int, float] | None
    shown_second: tuple[int, int, float] | None

    @property
    def result(self) -> float | None:
        """1 when the lesser tier's answer won in both orders, 0 when it lost in both, else a tie, 0.5."""
        if self.shown_first is None or self.shown_second is None:
            return None
        one, other = self.shown_first[2], self.shown_second[2]
        return one if one == other else 0.5

    @property
    def steady(self) -> bool | None:
        """Whether the order of showing did not change the result."""
        if self.shown_first is None or self.shown_second is None:
            return None
        return self.shown_first[2] == self.shown_second[2]


def judge_key(task: str, tier: str, strongest: str, *, swapped: bool) -> CallKey:
    """The key of one judgement; `swapped` shows the strongest tier's answer first."""
    order = f"{strongest}>{tier}" if swapped else f"{tier}>{strongest}"
    return CallKey(f"{JUDGE}:{PROMPT_VERSION}", task, order)


def read_verdict(text: str) -> Verdict | None:
    """Read a judge's answer strictly; None for anything but the object that was asked for."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    first, second = content.get("score_a"), content.get("score_b")
    winner = {"A": "first", "B": "second", "tie": "tie"}.get(str(content.get("better")))
    scores = (first, second)
    if any(type(s) is not int or not LOWEST <= s <= HIGHEST for s in scores) or winner is None:
        return None
    return Verdict(first, second, winner)  # type: ignore[arg-type]  # the lines above have seen to it


def pairs(tasks: Sequence[SampleTask], tiers: Sequence[str], state: RunState) -> Iterator[Pair]:
    """Every pair that was judged at least once."""
    *below, strongest = tiers
    for task in tasks:
        for tier in below:
            straight = _verdict(state, judge_key(task.id, tier, strongest, swapped=False))
            swapped = _verdict(state, judge_key(task.id, tier, strongest, swapped=True))
            if straight is None and swapped is None:
                continue
            yield Pair(
                task.id,
                tier,
                straight
                if straight is None
                else (straight.first, straight.second, _result(straight, "first")),
                swapped
                if swapped is None
                else (swapped.second, swapped.first, _result(swapped, "second")),
            )


def judge_scores(
    tasks: Sequence[SampleTask], tiers: Sequence[str], state: RunState
) -> dict[tuple[str, str], float]:
    """The quality of every judged answer: the mean of its 1-10 scores over orders and pairs."""
    scores: dict[tuple[str, str], list[int]] = {}
    for pair in pairs(tasks, tiers, state):
        for side in (pair.shown_first, pair.shown_second):
            if side is not None:
                scores.setdefault((pair.task, pair.tier), []).append(side[0])
                scores.setdefault((pair.task, tiers[-1]), []).append(side[1])
    return {place: from_score(sum(given) / len(given)) for place, given in scores.items()}


def _verdict(state: RunState, key: CallKey) -> Verdict | None:
    entry = state.answered(key)
    if entry is None or not FinishReason[entry["finish_reason"]].whole:
        return None
    return read_verdict(entry["text"])


def _result(verdict: Verdict, lesser: Winner) -> float:
    if verdict.winner == "tie":
        return 0.5
    return 1.0 if verdict.winner == lesser else 0.0
