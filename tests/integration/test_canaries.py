"""What must not leave the server does not: keys, upstream bodies, exception texts; prompts and answers in telemetry.

Each thing to be kept in is marked by a word of its own, and every way out is searched for all of them.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.serving import KEY, Outcome, a_request, configured, outcome_of, serving
from tests.unit.access.records import a_key
from tierwise.v1 import router_pb2, routing_pb2
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.core.model import CallKind
from tierwise_server.providers.base import ModelCall, ProviderEvent
from tierwise_server.providers.scripted import answer
from tierwise_server.telemetry import configure_logging

PROMPT, SYSTEM, LABEL, TOKEN = "canary-prompt", "canary-system", "canary-label", "canary-token"
BODY, DRAFT, CHECK = "canary-body", "canary-draft", "canary-check"
EVERYTHING = (KEY, PROMPT, SYSTEM, LABEL, TOKEN, BODY, DRAFT, CHECK)

ONCE = configured({"upstream": {"retry": {"max_tries": 1}}})
HEADERS = {"x-upstream": BODY, "request-id": f"{BODY} {KEY}"}

FAULTS: dict[str, dict[str, Any]] = {
    **{
        str(status): {"kind": "status", "status": status, "message": f"{BODY} {KEY}"}
        for status in (400, 401, 403, 404, 413, 429, 500, 529)
    },
    "a strange type": {"kind": "status", "status": 418, "error_type": BODY, "message": KEY},
    "an error event": {"kind": "error_event", "at_event": 3, "message": f"{BODY} {KEY}"},
    "a strange event": {"kind": "error_event", "at_event": 5, "error_type": f"{BODY} {KEY}"},
    "a page": {"kind": "html"},
    "no JSON": {"kind": "invalid_json"},
    "no UTF-8": {"kind": "invalid_utf8"},
    "a redirect": {"kind": "redirect", "location": f"http://{BODY}.invalid/{KEY}"},
    "a cut": {"kind": "cut", "at_byte": 700},
    "a strange stop": {"kind": "unknown_stop_reason", "stop_reason": f"{BODY} {KEY}"},
}


def secretive(*, escalation: bool) -> router_pb2.GenerateRequest:
    return a_request(
        PROMPT,
        system=SYSTEM,
        labels={"tenant": LABEL},
        routing=routing_pb2.RoutingOptions(escalation=escalation),
    )


class Telling:
    """Everything that a server tells of itself."""

    def __init__(self) -> None:
        self.log = io.StringIO()
        self.spans = ""

    def check(self, *allowed: str) -> None:
        said = self.log.getvalue() + self.spans
        assert self.log.getvalue()
        assert self.spans
        assert not [word for word in EVERYTHING if word in said and word not in allowed]


def shown_to_caller(outcome: Outcome) -> str:
    trailers = b"".join(
        v if isinstance(v, bytes) else v.encode() for v in outcome.trailers.values()
    )
    return f"{outcome.message} {outcome.messages} {outcome.details} {trailers!r}"


@asynccontextmanager
async def told(telling: Telling, server: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """Keep what a server tells, at its loudest."""
    logging = configure_logging("debug", stream=telling.log)
    try:
        async with server as served:
            yield served
            telling.spans = repr([(span.name, span.attributes) for span in served.spans.spans()])
    finally:
        logging.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_the_upstream_says_when_it_fails_stays_in(fault: str) -> None:
    rule = {"chunks": ["one ", "two"], "headers": HEADERS, "fault": FAULTS[fault]}
    telling = Telling()
    async with told(telling, serving({"rules": [rule]}, ONCE)) as served:
        call = served.stub.Generate(
            secretive(escalation=False), metadata=(("authorization", f"Bearer {TOKEN}"),)
        )
        outcome = await outcome_of(call)
    telling.check()
    assert not [word for word in EVERYTHING if word in shown_to_caller(outcome)]


async def test_what_is_drafted_and_checked_is_on_no_span_and_in_no_log() -> None:
    rules = [
        {"kind": "check", "confidence": CHECK},
        {"model": "claude-haiku-*", "answer": DRAFT},
        {"model": "claude-sonnet-*", "answer": "The answer."},
    ]
    telling = Telling()
    async with told(telling, serving({"rules": rules}, ONCE)) as served:
        outcome = await outcome_of(served.stub.Generate(secretive(escalation=True)))
        assert outcome.kinds[-1] == "finished"
    telling.check()
    assert not [word for word in EVERYTHING if word in shown_to_caller(outcome)]


SECRET, RECORD = a_key(name="canary-name", tiers=frozenset({"efficient"}), requests_per_minute=6)
PARTS = (SECRET, SECRET.split("_")[2], SECRET.split("_")[2][:20], RECORD.digest, "canary-name")


@pytest.mark.parametrize(
    "shown",
    [
        (),
        (f"Bearer {SECRET}",),
        (f"Bearer {SECRET}x",),
        (f"Bearer {SECRET[:-1]}",),
        (f"bearer  {SECRET}",),
        (f"Basic {SECRET}",),
        (SECRET,),
        (f"Bearer {SECRET}", f"Bearer {SECRET}"),
        (f"Bearer {SECRET},{SECRET}",),
    ],
)
async def test_a_callers_key_stays_in_wherever_it_turns_up(shown: tuple[str, ...]) -> None:
    store = MemoryKeyStore()
    await store.add(RECORD)
    telling = Telling()
    metadata = tuple(("authorization", value) for value in shown)
    requests = (
        secretive(escalation=False),
        a_request(SECRET, system=SECRET, labels={"key": SECRET}),
        a_request(routing=routing_pb2.RoutingOptions(tier="reasoning")),
        router_pb2.GenerateRequest(),
        *(a_request() for _ in range(3)),
    )
    required = configured({"auth": {"mode": "required"}})
    shown_back = ""
    async with told(telling, serving(config=required, keys=store)) as served:
        for request in requests:
            outcome = await outcome_of(served.stub.Generate(request, metadata=metadata))
            # The simulator answers with words of the prompt.
            shown_back += "" if outcome.status == "OK" else shown_to_caller(outcome)
    said = telling.log.getvalue() + telling.spans
    assert "RouterService/Generate" in said
    assert not [part for part in PARTS if part in said + shown_back]
    is_good = shown == (f"Bearer {SECRET}",)
    assert ("RATE_LIMITED" in said) is is_good
    assert (RECORD.key_id in telling.log.getvalue()) is is_good


class Boom(RuntimeError):
    """A fault of ours that quotes what it should not."""


class Exploding:
    """A provider with a bug at one point of a request."""

    def __init__(self, at: CallKind) -> None:
        self._at = at

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        yield self._play(call)

    async def _play(self, call: ModelCall) -> AsyncIterator[ProviderEvent]:
        for event in answer("1" if call.kind is CallKind.CHECK else "A draft."):
            yield event  # type: ignore[misc]  # an answer holds no failures
            if call.kind is self._at:
                raise Boom(f"{BODY} {KEY} {call.prompt}")

    async def aclose(self) -> None:
        return


@pytest.mark.parametrize("at", CallKind, ids=lambda kind: kind.name)
async def test_a_fault_of_ours_is_told_with_its_bill_and_logged_without_its_text(
    at: CallKind,
) -> None:
    telling = Telling()
    providers: Any = {"anthropic": Exploding(at)}
    async with told(telling, serving(providers=providers)) as served:
        outcome = await outcome_of(served.stub.Generate(secretive(escalation=True)))
    assert (outcome.status, outcome.reason) == ("INTERNAL", "INTERNAL")
    assert outcome.summary is not None
    assert outcome.summary.cost.total_nano_usd > 0
    telling.check()
    assert not [word for word in EVERYTHING if word in shown_to_caller(outcome)]
    assert "Boom" in telling.log.getvalue()
    assert "test_canaries.py" in telling.log.getvalue()
