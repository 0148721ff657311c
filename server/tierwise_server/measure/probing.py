"""One tier on one task, through the engine that serves: the answer and, below the strongest tier, its check.

The probed tier is the draft of a cascade whose next tier may never start, as it asks for more time than there ever is.
So the engine drafts, checks, and keeps the draft whatever the check says: exactly the calls that serving would make,
and no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tierwise_server.core import confidence
from tierwise_server.core.account import CallStatus, RequestFailed
from tierwise_server.core.estimate import prompt_tokens, worst_case_nano_usd
from tierwise_server.core.model import CallKind, Tier
from tierwise_server.core.prices import PriceBook
from tierwise_server.core.stream import CheckFinished, StreamEvent
from tierwise_server.core.table import Policy, RoutingTable, fits, output_limit
from tierwise_server.engine import Engine
from tierwise_server.errors import Reason
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.recording import Recorder, RecordingProvider
from tierwise_server.measure.state import CallKey, answer_key
from tierwise_server.providers.base import Provider

UNREACHABLE: Final = "unreachable"
_QUESTION_TOKENS: Final = 200
"""What the confidence question adds to a check's prompt, at most."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One tier to be measured on one task."""

    sample: SampleTask
    tier: Tier
    checked: bool

    @property
    def place(self) -> tuple[str, str]:
        """Task and tier, by name."""
        return self.sample.id, self.tier.name


def units_of(tasks: tuple[SampleTask, ...], tiers: tuple[Tier, ...]) -> tuple[Unit, ...]:
    """Every tier on every task, task by task, so that a run that stops early leaves whole tasks."""
    return tuple(Unit(task, tier, tier is not tiers[-1]) for task in tasks for tier in tiers)


def probing_table(tier: Tier, *, checked: bool) -> RoutingTable:
    """A table that sends every task to the tier, with a check or without."""
    # Another model's answer would be no measurement of this one.
    tier = replace(tier, fallbacks=())
    never = replace(
        tier,
        name=UNREACHABLE,
        model=replace(tier.model, context_tokens=2**62),
        headroom_s=math.inf,
    )
    cascade = (tier.name, UNREACHABLE) if checked else (tier.name,)
    policy = Policy(cascade, 0.0, confidence.SELF_REPORT)
    tiers = (tier, never) if checked else (tier,)
    return RoutingTable(f"measure:{tier.name}", tiers, {}, policy, policy)


def worst_nano_usd(book: PriceBook, unit: Unit) -> int:
    """What the unit may cost at most, check included; 0 for what has no price, or is not asked as it does not fit."""
    task, tier = unit.sample.task(), unit.tier
    if not fits(tier, task):
        return 0
    tokens, limit = prompt_tokens(task.prompt, tier.model), output_limit(tier, task)
    answer = worst_case_nano_usd(
        book, tier.model, input_tokens=tokens, max_output_tokens=limit, cached=True
    )
    check = worst_case_nano_usd(
        book,
        tier.model,
        input_tokens=tokens + limit + _QUESTION_TOKENS,
        max_output_tokens=confidence.max_output_tokens(tier.model),
    )
    costs = (answer, check) if unit.checked else (answer,)
    return sum(cost for cost in costs if cost is not None)


@dataclass(slots=True)
class _Ear:
    """Hears the check; everything else is in the summary."""

    check: CheckFinished | None = None

    async def __call__(self, event: StreamEvent) -> None:
        del event

    def observe(self, event: StreamEvent) -> None:
        if isinstance(event, CheckFinished):
            self.check = event

    def propagation(self) -> Mapping[str, str]:
        return {}


Naming = Callable[[CallKind], CallKey]
"""Names the calls of one unit."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Measures units; every call goes through the journal.

    Attributes:
        engine: the serving engine, for its prices, settings and providers.
        recorder: the run's journal and what is known from it.
        instead: makes the provider of a unit's calls, where it is not the engine's own.
    """

    engine: Engine
    recorder: Recorder
    instead: Callable[[Naming, Tier], Provider] | None = None

    async def measure(self, unit: Unit) -> dict[str, Any]:
        """Measure one unit and write what came of it. Spends money for calls that the journal does not know.

        Raises:
            RequestError: the provider refuses us altogether: credentials, spend limit, no such model.
            Exception: a fault of ours.
        """
        entry = await self.outcome(unit)
        await self.note(unit, entry)
        return entry

    async def note(self, unit: Unit, entry: Mapping[str, Any]) -> None:
        """Write down what came of a unit, where that is news."""
        if self.recorder.state.units.get(unit.place) != entry:
            await self.recorder.note(entry)

    async def outcome(self, unit: Unit) -> dict[str, Any]:
        """The same without writing it down; the calls it makes are written down nevertheless."""
        entry = {"kind": "unit", "task": unit.sample.id, "tier": unit.tier.name}
        return entry | await self._outcome(unit)

    async def _outcome(self, unit: Unit) -> dict[str, Any]:
        task = unit.sample.task()
        if not fits(unit.tier, task):
            return _failed(Reason.CONTEXT_TOO_LONG, "the tier's model cannot hold the prompt")
        ear = _Ear()
        try:
            await self._engine(unit).generate(task, ear, ear)
        except RequestFailed as failure:
            if failure.__cause__ is not None:
                raise failure.__cause__ from None
            if failure.reason in HOPELESS:
                raise
            return _failed(failure.reason, failure.message)
        check = ear.check
        if check is not None and check.record.status is CallStatus.FAILED:
            reason = check.record.failure or Reason.UPSTREAM_UNAVAILABLE
            return _failed(reason, "the check failed")
        return {
            "outcome": "answered",
            "score": None if check is None else check.score,
            "confidence": None if check is None else check.confidence,
        }

    def _engine(self, unit: Unit) -> Engine:
        def name(kind: CallKind) -> CallKey:
            return answer_key(*unit.place, kind)

        providers: dict[str, Provider] = {}
        for provider, real in self.engine.providers.items():
            providers[provider] = (
                RecordingProvider(real, self.recorder, name, unit.tier)
                if self.instead is None
                else self.instead(name, unit.tier)
            )
        table = probing_table(unit.tier, checked=unit.checked)
        return replace(self.engine, table=table, providers=providers)


HOPELESS: Final = frozenset(
    {Reason.UPSTREAM_AUTH, Reason.UPSTREAM_SPEND_LIMIT, Reason.UPSTREAM_MODEL_MISSING}
)
"""Failures that every further call would meet as well."""


def _failed(reason: Reason, message: str) -> dict[str, Any]:
    return {"outcome": "failed", "reason": reason.name, "message": message}
