"""tests/cases against the core alone: the same requests and the same upstream, without a server."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.messages import check, plain
from tests.transcripts import Transcript, transcripts
from tests.upstream_reading import Deed, Upstream
from tierwise.v1 import router_pb2
from tierwise_server.core.cascade import (
    Abort,
    Asked,
    Denied,
    Effect,
    Event,
    Finish,
    Granted,
    ReportCheck,
    Reserve,
    Run,
    State,
    Supersede,
    step,
)
from tierwise_server.core.model import CallKind, Task
from tierwise_server.core.quote import quote
from tierwise_server.core.table import Plan, decide
from tierwise_server.errors import InvalidRequest, Reason
from tierwise_server.rpc.requests import generate_task, route_task
from tierwise_server.rpc.responses import decision_message, route_message

ALL = transcripts()
REFUSED = [case for case in ALL if case.expect.violations]
ROUTED = [case for case in ALL if case.call == "Route" and case not in REFUSED]
GENERATED = [case for case in ALL if case.call == "Generate" and case not in REFUSED]


def task_of(case: Transcript) -> Task:
    request = case.message
    if isinstance(request, router_pb2.RouteRequest):
        return route_task(request)
    return generate_task(request)


def named(case: Transcript) -> str:
    return case.name


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_a_request_is_refused_for_all_that_is_wrong_with_it(case: Transcript) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        decide(case.configuration({}).routing_table(), task_of(case))
    assert refusal.value.reason.name == case.expect.reason
    assert [fault.path for fault in refusal.value.faults] == case.expect.violations


@pytest.mark.parametrize("case", ROUTED, ids=named)
def test_a_task_is_routed_and_priced(case: Transcript) -> None:
    config, task = case.configuration({}), task_of(case)
    table, prices = config.routing_table(), config.price_book()
    plan = decide(table, task)
    response = route_message(plan, quote(table, prices, task, plan), prices.version)
    check(case.expect.response, plain(response), "response")


@dataclass
class Climb:
    """Plays the engine's part: carries out effects, and tells what the upstream does.

    Whether a call can be paid for is the engine's to say, not the core's: the transcript tells it.
    """

    case: Transcript
    upstream: Upstream
    calls: list[dict[str, object]] = field(default_factory=list)
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    ended: Finish | Abort | None = None
    draft: str = ""

    def run(self, plan: Plan) -> None:
        state = State(plan)
        event: Event | None = Asked()
        while event is not None:
            state, effects = step(state, event)
            event = None
            for effect in effects:
                event = self.carry_out(effect)

    def carry_out(self, effect: Effect) -> Event | None:
        match effect:
            case Reserve():
                return self.reserve()
            case Run(call):
                deed = self.upstream.ask(call, self.draft)
                self.note(effect, deed)
                return deed.event
            case ReportCheck(outcome):
                self.told.append(("confidence_checked", {"outcome": outcome.name}))
            case Supersede(attempt, replacement, reason):
                words = {"attempt": attempt, "replacement_attempt": replacement}
                self.told.append(("attempt_superseded", words | {"reason": reason.name}))
                self.calls = [
                    call | {"superseded": True} if is_attempt(call, attempt) else call
                    for call in self.calls
                ]
            case Finish() | Abort():
                self.ended = effect
        return None

    def reserve(self) -> Event:
        expect = self.case.expect
        if len(self.calls) < len(expect.calls):
            return Granted()
        stopped = expect.reason in STOPPED or expect.summary.get("acceptance") == "ACCEPTED_LOW"
        assert stopped, "a call more than the transcript has"
        return Denied(Reason[expect.reason or "BUDGET_EXCEEDED"])

    def note(self, effect: Run, deed: Deed) -> None:
        call = effect.call
        words: dict[str, object] = {"attempt": call.attempt, "kind": call.kind.name}
        words |= {"tier": call.tier.name, "model": call.tier.model.id}
        if call.kind is not CallKind.CHECK:
            self.told.append(("attempt_started", words))
            self.draft = deed.text
        self.calls.append(words | {"superseded": False, "tries": deed.tries})


def is_attempt(call: dict[str, object], attempt: int) -> bool:
    return call["attempt"] == attempt and call["kind"] != "CHECK"


STOPPED = ("BUDGET_EXCEEDED", "DEADLINE_EXCEEDED")
DECIDED = ("attempt_started", "confidence_checked", "attempt_superseded")
TOLD_OF_CALLS = ("attempt", "kind", "tier", "model", "superseded", "tries")


def part(expected: Mapping[str, Any], keys: Container[str]) -> dict[str, Any]:
    """Return what of an expectation the core alone can know."""
    return {key: value for key, value in expected.items() if key in keys}


@pytest.mark.parametrize("case", GENERATED, ids=named)
def test_a_task_climbs_as_its_upstream_makes_it(case: Transcript) -> None:
    task = task_of(case)
    plan = decide(case.configuration({}).routing_table(), task)
    climb = Climb(case, Upstream(case, task))
    climb.run(plan)
    expect = case.expect
    events = [(kind, fields) for event in expect.events for kind, fields in event.items()]
    for kind, fields in events:
        if kind == "started":
            check(fields.get("decision", {}), plain(decision_message(plan)), "decision")
    wanted = [(kind, fields) for kind, fields in events if kind in DECIDED]
    assert [kind for kind, _ in climb.told] == [kind for kind, _ in wanted]
    for (_, told), (kind, fields) in zip(climb.told, wanted, strict=True):
        check(part(fields, told), told, kind)
    check([part(call, TOLD_OF_CALLS) for call in expect.calls], climb.calls, "calls")
    check_end(case, climb.ended)


def check_end(case: Transcript, ended: Finish | Abort | None) -> None:
    expect = case.expect
    if isinstance(ended, Finish):
        told = {"final_attempt": ended.attempt, "acceptance": ended.acceptance.name}
        check(part(expect.summary, told), told, "summary")
        assert expect.status == "OK"
    elif isinstance(ended, Abort):
        assert ended.reason.name == expect.reason
    else:
        # Nothing ever comes: the engine's deadline ends it.
        assert expect.reason == "DEADLINE_EXCEEDED"
