"""Which rule a request gets. Rules are tried in order; counters make `nth` and `times` work."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tierwise_server.simulator.script import Kind, Rule


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules look at in one request."""

    kind: Kind
    models: tuple[str, ...] = ()
    stream: bool = False
    task_text: str = ""
    draft_text: str = ""
    system_text: str = ""


class _Compiled:
    """One rule with its patterns ready and its count of requests that fitted."""

    __slots__ = ("_contains", "_kinds", "_model", "_pattern", "_range", "fitted", "name", "rule")

    def __init__(self, index: int, rule: Rule) -> None:
        self.rule = rule
        self.name = rule.name or f"rules.{index}"
        self.fitted = 0
        self._kinds = (rule.kind,) if rule.kind else ("answer", "check")
        self._model = re.compile(fnmatch.translate(rule.model))
        self._contains = [rule.contains] if isinstance(rule.contains, str) else rule.contains
        self._pattern = re.compile(rule.matches) if rule.matches else None
        first = rule.nth or 1
        counts = 1 if rule.nth is not None and rule.times is None else rule.times
        self._range = (first, None if counts is None else first + counts - 1)

    def concerns(self, kind: Kind, models: Sequence[str]) -> bool:
        """Whether the rule is for such requests at all; the same for every request of the kind and model."""
        return kind in self._kinds and (
            self.rule.model == "*" or any(self._model.match(name) for name in models)
        )

    def fits(self, subject: Subject) -> bool:
        """Whether the request meets the rule's conditions, its count aside."""
        rule = self.rule
        if rule.stream is not None and rule.stream is not subject.stream:
            return False
        if not all(text in subject.task_text for text in self._contains):
            return False
        if self._pattern is not None and self._pattern.search(subject.task_text) is None:
            return False
        if rule.system_contains and rule.system_contains not in subject.system_text:
            return False
        return not rule.draft_contains or rule.draft_contains in subject.draft_text

    def takes(self) -> bool:
        """Count a request that fits; whether it is one of those the rule applies to."""
        self.fitted += 1
        first, last = self._range
        return self.fitted >= first and (last is None or self.fitted <= last)


class Matcher:
    """Finds the rule of each request. One per simulator: it counts."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [_Compiled(index, rule) for index, rule in enumerate(rules)]
        self._concerned: dict[tuple[Kind, tuple[str, ...]], list[_Compiled]] = {}

    def match(self, subject: Subject) -> tuple[str, Rule] | None:
        """The first rule that applies, with its name; None if none does."""
        for compiled in self._candidates(subject):
            if compiled.fits(subject) and compiled.takes():
                return compiled.name, compiled.rule
        return None

    def reset(self) -> None:
        """Start counting anew."""
        for compiled in self._rules:
            compiled.fitted = 0

    def _candidates(self, subject: Subject) -> list[_Compiled]:
        key = (subject.kind, subject.models)
        found = self._concerned.get(key)
        if found is None:
            found = [rule for rule in self._rules if rule.concerns(*key)]
            self._concerned[key] = found
        return found
