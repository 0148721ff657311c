"""A server of one place for everything, so that whatever leaks stands in the way of the next call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.fault.proxy import FaultProxy, Toxic
from tests.integration.invariants import check_bill, check_stream
from tests.serving import Outcome, Served, a_request, configured, outcome_of, serving
from tierwise.v1 import router_pb2, routing_pb2

SOON_S: Final = 20.0
"""Far above what anything here takes."""

ONE_PLACE: Final[Mapping[str, Any]] = {
    "server": {"max_concurrent_requests": 1},
    "routing": {"fallback_to_next_tier": False},
    "upstream": {
        "max_connections": 1,
        "max_queue": 0,
        "first_event_timeout_s": 0.3,
        "idle_timeout_s": 0.3,
        "progress_timeout_s": 0.3,
        "retry": {"max_tries": 1},
        "breaker": {"enabled": False},
    },
}

Rule = Mapping[str, Any]

STRONG: Final[Rule] = {
    "model": "claude-sonnet-*",
    "answer": "The strong answer.",
    "usage": {"input_tokens": 10, "output_tokens": 5},
}
GOOD: Final[Rule] = {"answer": "All is well.", "usage": {"input_tokens": 10, "output_tokens": 5}}


@asynccontextmanager
async def faulty(
    rules: Sequence[Rule], *, toxic: Toxic | None = None, config: Mapping[str, Any] = ONE_PLACE
) -> AsyncIterator[tuple[Served, FaultProxy]]:
    """Run a server that reaches its upstream through a proxy."""
    async with (
        asyncio.timeout(SOON_S),
        FaultProxy(toxic) as proxy,
        serving({"rules": list(rules)}, configured(config), base_url=proxy.base_url) as served,
    ):
        proxy.upstream = served.simulator.base_url
        yield served, proxy


async def ask(
    served: Served,
    *,
    escalation: bool = False,
    delivery: str = "DRAFT_DELIVERY_UNSPECIFIED",
) -> Outcome:
    """Make a call, and hold what came of it to what holds of every call."""
    request = a_request(
        task_type="generate_response" if escalation else "classify_intent",
        routing=routing_pb2.RoutingOptions(escalation=True) if escalation else None,
        draft_delivery=router_pb2.DraftDelivery.Value(delivery),
    )
    outcome = await outcome_of(served.stub.Generate(request))
    check_stream(outcome)
    check_bill(outcome)
    return outcome


async def all_is_well_again(served: Served, proxy: FaultProxy) -> None:
    """Check that nothing is held any more: the upstream is left, and the one place of everything is free."""
    await served.simulator.journal.settled()
    proxy.toxic = None
    outcome = await ask(served)
    assert (outcome.status, outcome.reason) == ("OK", "")
    assert text_of(outcome) == GOOD["answer"]
    await served.simulator.journal.settled()


def text_of(outcome: Outcome) -> str:
    """All text of all attempts."""
    return "".join(event["text"] for kind, event in outcome.events if kind == "text_delta")
