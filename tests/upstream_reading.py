"""What a transcript's upstream does to a call, in the core's words.

A reading of the simulator's script of its own, without simulator, SDK or parser: where the server comes to the same end
as the core that is told these facts, both have read the script alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.transcripts import Transcript
from tierwise_server.core import confidence
from tierwise_server.core.cascade import Answered, Call, Checked, CheckFailed, Event, Failed
from tierwise_server.core.model import CallKind, FinishReason, Task
from tierwise_server.errors import Reason
from tierwise_server.providers.calls import check_call
from tierwise_server.simulator import Rule
from tierwise_server.simulator.matching import Matcher, Subject
from tierwise_server.simulator.switches import ErrorEvent, FaultSwitch, Status

REASON_OF_STATUS = {
    400: Reason.UPSTREAM_REJECTED,
    401: Reason.UPSTREAM_AUTH,
    404: Reason.UPSTREAM_MODEL_MISSING,
    429: Reason.UPSTREAM_RATE_LIMITED,
    500: Reason.UPSTREAM_UNAVAILABLE,
    529: Reason.UPSTREAM_OVERLOADED,
}
HARMLESS = ("slow_drip", "usage")
"""Faults that leave an answer whole."""
WORTH_ANOTHER_TRY = (429, 500, 529)
FINISH_OF_STOP = {
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "refusal": FinishReason.REFUSAL,
}


@dataclass(frozen=True)
class Deed:
    """What came of a call.

    Attributes:
        event: what the cascade is told; None when nothing ever comes.
        tries: how often the upstream was asked.
        text: what it wrote.
    """

    event: Event | None
    tries: int
    text: str = ""


class Upstream:
    """The upstream of one transcript. Its rules count, so ask for each call once and in order."""

    def __init__(self, case: Transcript, task: Task) -> None:
        config = case.configuration({})
        self._matcher = Matcher(case.script.rules)
        self._task = task
        self._retries_left = config.upstream.retry.max_tries - 1
        self._longest_wait_s = config.server.max_request_s
        self._structured = config.check.structured is not False

    def ask(self, call: Call, draft: str) -> Deed:
        """Make a call; `draft` is the text of the attempt that a check is about."""
        tries, rule = 1, self._rule(call, draft)
        while self._goes_on(rule.fault) and tries <= self._retries_left:
            tries, rule = tries + 1, self._rule(call, draft)
        deed = self._deed(call, rule, tries)
        if isinstance(deed.event, Failed | CheckFailed):
            # What a call that failed has used up, the request's later calls do not have.
            self._retries_left -= tries - 1
        return deed

    def _rule(self, call: Call, draft: str) -> Rule:
        is_check = call.kind is CallKind.CHECK
        task = self._task
        prompt = check_call(task, call, draft, structured=True).prompt if is_check else task.prompt
        users = ["\n".join(m.texts) for m in prompt.messages if m.role.value == "user"]
        drafts = ["\n".join(m.texts) for m in prompt.messages if m.role.value == "assistant"]
        subject = Subject(
            kind="check" if is_check else "answer",
            models=(call.tier.model.id,),
            stream=True,
            task_text="\n".join(users) if is_check else users[-1],
            draft_text=drafts[-1] if drafts else "",
            system_text=prompt.system,
        )
        found = self._matcher.match(subject)
        return found[1] if found else Rule()

    def _goes_on(self, fault: FaultSwitch | None) -> bool:
        """Whether the server asks again after this."""
        if not isinstance(fault, Status):
            return fault is not None and fault.kind == "drop"
        advised_s = float(fault.retry_after or 0)
        return fault.status in WORTH_ANOTHER_TRY and advised_s < self._longest_wait_s

    def _deed(self, call: Call, rule: Rule, tries: int) -> Deed:
        if rule.fault is None or rule.fault.kind in HARMLESS:
            text = self._text(rule, call)
            return Deed(self._answered(call, rule, text), tries, text)
        if rule.fault.kind == "hang":
            return Deed(None, tries)
        seen = self._text_before(rule)
        if call.kind is CallKind.CHECK:
            return Deed(CheckFailed(), tries)
        shown = bool(seen) and call.kind is CallKind.DIRECT
        return Deed(Failed(_reason(rule.fault), shown=shown), tries, seen)

    def _text(self, rule: Rule, call: Call) -> str:
        if call.kind is CallKind.CHECK:
            return self._check_text(rule)
        text = "".join(rule.chunks or ()) or rule.answer or ""
        stops = [s for s in self._task.generation.stop_sequences if s in text]
        return min((text.partition(stop)[0] for stop in stops), key=len, default=text)

    def _check_text(self, rule: Rule) -> str:
        if isinstance(rule.confidence, str):
            return rule.confidence
        said = rule.confidence
        return json.dumps({"confidence": said}) if self._structured else str(said)

    def _answered(self, call: Call, rule: Rule, text: str) -> Event:
        finish = FINISH_OF_STOP.get(rule.stop_reason or "end_turn", FinishReason.OTHER)
        if call.kind is not CallKind.CHECK:
            return Answered(finish, empty=not text)
        score = confidence.read_score(text, structured=self._structured)
        return Checked(score.confidence if score and finish is FinishReason.STOP else None)

    def _text_before(self, rule: Rule) -> str:
        """Return the text that got out before the fault."""
        fault = rule.fault
        if isinstance(fault, ErrorEvent):
            # Before the first delta come the start, the block's start and a ping.
            return "".join((rule.chunks or [rule.answer or ""])[: fault.at_event - 3])
        is_late = fault is not None and fault.kind == "missing_stop"
        return (rule.answer or "") if is_late else ""


def _reason(fault: FaultSwitch) -> Reason:
    if isinstance(fault, Status):
        if fault.message is not None and "prompt is too long" in fault.message:
            return Reason.CONTEXT_TOO_LONG
        return REASON_OF_STATUS[fault.status]
    if isinstance(fault, ErrorEvent):
        is_overload = fault.error_type == "overloaded_error"
        return Reason.UPSTREAM_OVERLOADED if is_overload else Reason.UPSTREAM_INTERRUPTED
    named = {
        "missing_stop": Reason.UPSTREAM_INTERRUPTED,
        "html": Reason.UPSTREAM_PROTOCOL,
        "drop": Reason.UPSTREAM_UNAVAILABLE,
    }
    return named[fault.kind]
