"""What the judge's recorded answers say: a quality per answer, who won each pair, and how steady the judge is.

A judgement compares a tier's answer with the strongest tier's, blinded, in both orders (judge.py asks; this reads). One
model judges a run: where several were asked, the one that judged most pairs, and of equals the one asked last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tierwise_server.core.model import FinishReason
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.grading import HIGHEST, LOWEST, from_score, said
from tierwise_server.measure.state import CallKey, Entry, RunState

JUDGE: Final = "judge"
PROMPT_VERSION: Final = "pair-rubric-1"
"""Changes with the judge's prompt or the way its answer is read: judgements of two versions are not mixed."""

_PURPOSE: Final = f"{JUDGE}:{PROMPT_VERSION}:"

Winner = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement: the 1-10 scores of the answers shown first and second, and which was better."""

    first: int
    second: int
    winner: Winner


Side = tuple[int, int, float]
"""One judgement from the lesser tier's point of view: its score, the strongest's, its result."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both judgements of one pair, from the lesser tier's point of view; a side is None where it is missing.

    Attributes:
        shown_first: what was said when the lesser tier's answer stood first.
        shown_second: the same when it stood second.
    """

    task: str
    tier: str
    shown_first: Side | None
    shown_second: Side | None

    @property
    def sides(self) -> tuple[Side, ...]:
        """Both judgements; none where one is missing, as the order of showing would not cancel out."""
        if self.shown_first is None or self.shown_second is None:
            return ()
        return (self.shown_first, self.shown_second)

    @property
    def result(self) -> float | None:
        """1 when the lesser tier's answer won in both orders, 0 when it lost in both, else a tie, 0.5."""
        results = {side[2] for side in self.sides}
        if not results:
            return None
        return results.pop() if len(results) == 1 else 0.5

    @property
    def steady(self) -> bool | None:
        """Whether the order of showing did not change the result."""
        return len({side[2] for side in self.sides}) == 1 if self.sides else None


def judge_key(model: str, task: str, tier: str, strongest: str, *, swapped: bool) -> CallKey:
    """The key of one judgement; `swapped` shows the strongest tier's answer first."""
    order = f"{strongest}>{tier}" if swapped else f"{tier}>{strongest}"
    return CallKey(f"{_PURPOSE}{model}", task, order)


def judge_of(call: str) -> str | None:
    """Which model a call asks for a judgement; None for other calls, and for another version of the prompt."""
    purpose = CallKey.read(call).purpose
    return purpose.removeprefix(_PURPOSE) if purpose.startswith(_PURPOSE) else None


def due(state: RunState, task: SampleTask, tiers: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The judgements that a task wants, as (tier, swapped).

    None where a check decides, or where there is nothing to compare. Who said the same as the strongest tier is worth
    the same, so it is asked about only, and once, where nothing else says what that is worth.
    """
    *below, strongest = tiers
    answers = said(state, task, tiers)
    if task.checks or strongest not in answers:
        return
    open_ = [tier for tier in below if answers.get(tier, "").strip()]
    unlike = [tier for tier in open_ if answers[tier] != answers[strongest]]
    for tier in unlike:
        yield from ((tier, False), (tier, True))
    if open_ and not unlike:
        yield open_[0], False


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


def judgements(state: RunState) -> Iterator[tuple[str, Entry]]:
    """Every recorded judgement that can be told from others, with the model that was asked, in order."""
    for call, entry in state.outcomes.items():
        model = judge_of(call)
        if model is not None and entry["kind"] == "answered":
            yield model, entry


def chosen_judge(tasks: Sequence[SampleTask], tiers: Sequence[str], state: RunState) -> str | None:
    """The model whose word counts in this run; None where nobody was asked."""
    asked = list(dict.fromkeys(model for model, _ in judgements(state)))
    whole = {
        model: sum(bool(pair.sides) for pair in _pairs(model, tasks, tiers, state))
        for model in asked
    }
    return max(reversed(asked), key=lambda model: whole[model], default=None)


def pairs(tasks: Sequence[SampleTask], tiers: Sequence[str], state: RunState) -> Iterator[Pair]:
    """Every pair of unlike answers that the run's judge saw at least once."""
    model = chosen_judge(tasks, tiers, state)
    return iter(()) if model is None else _pairs(model, tasks, tiers, state)


def _pairs(
    model: str, tasks: Sequence[SampleTask], tiers: Sequence[str], state: RunState
) -> Iterator[Pair]:
    for task in tasks:
        for tier, swapped in due(state, task, tiers):
            if swapped:
                pair = _pair(model, task, tier, tiers[-1], state)
                if pair.shown_first is not None or pair.shown_second is not None:
                    yield pair


def _pair(model: str, task: SampleTask, tier: str, strongest: str, state: RunState) -> Pair:
    straight = _verdict(state, judge_key(model, task.id, tier, strongest, swapped=False))
    swapped = _verdict(state, judge_key(model, task.id, tier, strongest, swapped=True))
    return Pair(
        task.id,
        tier,
        None
        if straight is None
        else (straight.first, straight.second, _result(straight.winner, "first")),
        None
        if swapped is None
        else (swapped.second, swapped.first, _result(swapped.winner, "second")),
    )


def judge_scores(
    tasks: Sequence[SampleTask], tiers: Sequence[str], state: RunState
) -> dict[tuple[str, str], float]:
    """The quality of every judged answer.

    The strongest tier's is the mean of its scores. Another's lies as far from that as the two were apart where they
    were shown side by side, in both orders: a mean over other pairs would tell of a loss that nobody saw.
    """
    model = chosen_judge(tasks, tiers, state)
    if model is None:
        return {}
    return {
        (task.id, tier): quality
        for task in tasks
        for tier, quality in _judged(model, task, tiers, state).items()
    }


def _judged(
    model: str, task: SampleTask, tiers: Sequence[str], state: RunState
) -> dict[str, float]:
    strongest, answers = tiers[-1], said(state, task, tiers)
    wanted = list(due(state, task, tiers))
    sides: dict[str, tuple[Side, ...]] = {}
    for tier in dict.fromkeys(tier for tier, _ in wanted):
        pair = _pair(model, task, tier, strongest, state)
        # Equal answers are shown once: there is no order to cancel out.
        alone = () if pair.shown_first is None else (pair.shown_first,)
        sides[tier] = pair.sides if (tier, True) in wanted else alone
    own = [side[1] for shown in sides.values() for side in shown]
    if not own:
        return {}
    apart = {tier: _apart(shown) for tier, shown in sides.items() if shown}
    apart |= {t: 0.0 for t, text in answers.items() if text == answers[strongest]}
    mean = from_score(sum(own) / len(own)) if answers[strongest].strip() else 0.0
    level = _level(mean, list(apart.values()))
    return {tier: min(1.0, max(0.0, level + more)) for tier, more in apart.items()}


def _apart(shown: Sequence[Side]) -> float:
    """How much better the lesser tier's answer is than the strongest's, in [-1, 1]."""
    return sum(side[0] - side[1] for side in shown) / len(shown) / (HIGHEST - LOWEST)


def _level(mean: float, apart: Sequence[float]) -> float:
    """The strongest tier's quality: its mean, moved where the others would leave [0, 1]; no loss is ever cut short."""
    return max(min(mean, 1.0 - max(apart)), -min(apart))


def _verdict(state: RunState, key: CallKey) -> Verdict | None:
    entry = state.answered(key)
    if entry is None or not FinishReason[entry["finish_reason"]].whole:
        return None
    return read_verdict(entry["text"])


def _result(winner: Winner, lesser: Winner) -> float:
    if winner == "tie":
        return 0.5
    return 1.0 if winner == lesser else 0.0
