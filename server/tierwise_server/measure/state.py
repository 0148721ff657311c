"""What a run's journal says: a fold over its entries. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote

from tierwise_server.core.model import CallKind
from tierwise_server.errors import Reason

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallKey:
    """Names a call for good: what it is for, the task, and the tier or tiers."""

    purpose: str
    task: str
    subject: str

    def __str__(self) -> str:
        """One string, whatever characters the parts hold."""
        return "/".join(quote(part, safe="") for part in (self.purpose, self.task, self.subject))

    @classmethod
    def read(cls, text: str) -> CallKey:
        """Read what `str` made of a key."""
        purpose, task, subject = (unquote(part) for part in text.split("/"))
        return cls(purpose, task, subject)


def answer_key(task: str, tier: str, kind: CallKind) -> CallKey:
    """The key of a tier's answer to a task, or of the check of that answer."""
    return CallKey("check" if kind is CallKind.CHECK else "answer", task, tier)


REFUSALS: Final = frozenset({Reason.CONTEXT_TOO_LONG, Reason.UPSTREAM_REJECTED})
"""Reasons that lie in the task: they say nothing of how the provider is, and asking again changes nothing."""


def is_refusal(entry: Entry) -> bool:
    """Whether a call or unit failed for a reason that lies in the task."""
    return Reason.__members__.get(entry.get("reason", "")) in REFUSALS


@dataclass(slots=True)
class RunState:
    """Where a run stands.

    Attributes:
        outcomes: call to how it ended last: answered, failed or lost.
        intents: call to the most it may cost, of calls that are under way.
        units: (task, tier) to the last word about it.
        failed_nano_usd: call to what its failures cost.
        paid_nano_usd: everything paid, failures and lost calls (at their worst case) included.
        lost: how often a call was under way when a run was stopped.
        batches: batch name to its last entry.
    """

    outcomes: dict[str, Entry] = field(default_factory=dict)
    intents: dict[str, int] = field(default_factory=dict)
    units: dict[tuple[str, str], Entry] = field(default_factory=dict)
    failed_nano_usd: dict[str, int] = field(default_factory=dict)
    paid_nano_usd: int = 0
    lost: int = 0
    batches: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> RunState:
        """Fold entries from the beginning."""
        state = cls()
        for entry in entries:
            state.take(entry)
        return state

    def take(self, entry: Entry) -> None:
        """Fold one entry; kinds it does not know change nothing."""
        match entry["kind"]:
            case "intent":
                self.intents[entry["call"]] = entry["worst_nano_usd"]
            case "answered" | "failed" | "lost":
                self.intents.pop(entry["call"], None)
                self.outcomes[entry["call"]] = entry
                self.paid_nano_usd += entry["paid_nano_usd"]
                self.lost += entry["kind"] == "lost"
                if entry["kind"] == "failed":
                    spent = self.failed_nano_usd.get(entry["call"], 0)
                    self.failed_nano_usd[entry["call"]] = spent + entry["cost_nano_usd"]
            case "unit":
                self.units[entry["task"], entry["tier"]] = entry
            case "batch":
                self.batches[entry["name"]] = {**self.batches.get(entry["name"], {}), **entry}
            case _:
                pass

    def outcome(self, key: str) -> Entry | None:
        """How the call ended; None when it never did, or failed at no cost for a reason that may have passed.

        A refusal stands: the same call would be refused again.
        """
        entry = self.outcomes.get(key)
        if entry is None or entry["kind"] != "failed" or entry["usage"] is not None:
            return entry
        return entry if is_refusal(entry) else None

    def answered(self, key: CallKey) -> Entry | None:
        """The answer to a call, if there is one."""
        entry = self.outcomes.get(str(key))
        return entry if entry is not None and entry["kind"] == "answered" else None

    def cost_nano_usd(self, key: CallKey) -> int:
        """What serving the call would cost: the answer, if there is one, and what was billed before it went well."""
        return self._cost_nano_usd(key, "cost_nano_usd")

    def alone_nano_usd(self, key: CallKey) -> int:
        """The same where no check follows the answer, so that its prompt is not written to the provider's cache."""
        return self._cost_nano_usd(key, "alone_nano_usd")

    def _cost_nano_usd(self, key: CallKey, name: str) -> int:
        answer = self.answered(key) or {"cost_nano_usd": 0}
        cost: int = answer.get(name, answer["cost_nano_usd"])
        return cost + self.failed_nano_usd.get(str(key), 0)

    def done(self, task: str, tier: str) -> bool:
        """Whether the tier's outcome on the task is known."""
        return self.units.get((task, tier), {}).get("outcome") == "answered"
