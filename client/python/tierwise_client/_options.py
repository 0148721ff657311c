"""What a caller may ask of one call, and the requests made of it. Pure.

The ranges of values are the server's to judge: this side refuses only what cannot be put into a message.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, TypedDict, cast

from tierwise.v1 import router_pb2, routing_pb2
from tierwise_client._enums import DraftDelivery
from tierwise_client._prompt import Prompt, messages_of


class RouteOptions(TypedDict, total=False):
    """Wishes about one call. All are optional; None is the same as absent: the server decides.

    Attributes:
        task_type: what kind of task it is, e.g. "classify_intent"; the routing table gives it meaning.
        system: the system prompt.
        tier: pin the tier; nothing escalates unless `escalation` is True as well.
        max_tier: the strongest tier that may be used, now or by escalation.
        escalation: True lets a cheaper tier draft first; False never checks and never escalates.
        confidence_threshold: from 0 to 1; a draft below it is not accepted. "8 out of 10" is 0.8.
        max_cost_usd: the most the request may cost, every check and discarded draft included.
        max_cost_nano_usd: the same in whole nano-USD; give one of the two.
        max_output_tokens: the most output tokens of each answer call, thinking included.
        temperature: from 0 to 1; left out for models that reject it.
        top_p: from 0 to 1; left out for models that reject it.
        stop_sequences: texts that end the answer when the model writes them.
        timeout_s: deadline of this call in seconds, of a stream to its last event; wins over the
            client's; `math.inf` for none.
    """

    task_type: str | None
    system: str | None
    tier: str | None
    max_tier: str | None
    escalation: bool | None
    confidence_threshold: float | None
    max_cost_usd: Decimal | float | str | None
    max_cost_nano_usd: int | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop_sequences: Sequence[str] | None
    timeout_s: float | None


class GenerateOptions(RouteOptions, total=False):
    """Wishes about one call that runs a task.

    Attributes:
        request_id: the caller's own id of the request, printable ASCII, at most 128 characters.
        labels: up to 16 labels for accounting; never sent to a model.
    """

    request_id: str | None
    labels: Mapping[str, str] | None


class StreamOptions(GenerateOptions, total=False):
    """Wishes about one streamed call.

    Attributes:
        draft_delivery: HELD (the default) or LIVE.
    """

    draft_delivery: DraftDelivery | str | None


_DELIVERIES = {
    DraftDelivery.HELD: router_pb2.DRAFT_DELIVERY_HELD,
    DraftDelivery.LIVE: router_pb2.DRAFT_DELIVERY_LIVE,
}
_ROUTING = ("tier", "max_tier", "escalation", "confidence_threshold")
_GENERATION = ("max_output_tokens", "temperature", "top_p", "stop_sequences")


def route_request(prompt: Prompt, options: RouteOptions) -> router_pb2.RouteRequest:
    """Return the message for Route."""
    given = _given(options, RouteOptions)
    return router_pb2.RouteRequest(**_task(prompt, given))


def generate_request(prompt: Prompt, options: GenerateOptions) -> router_pb2.GenerateRequest:
    """Return the message for Generate, with HELD."""
    given = _given(options, GenerateOptions)
    request = router_pb2.GenerateRequest(**_task(prompt, given), **_picked(given, ("request_id",)))
    request.draft_delivery = router_pb2.DRAFT_DELIVERY_HELD
    request.labels.update(given.get("labels", {}))
    return request


def stream_request(prompt: Prompt, options: StreamOptions) -> router_pb2.GenerateRequest:
    """Return the message for Generate, with the delivery asked for."""
    given = _given(options, StreamOptions)
    delivery = DraftDelivery(given.pop("draft_delivery", DraftDelivery.HELD))
    request = generate_request(prompt, cast("GenerateOptions", given))
    request.draft_delivery = _DELIVERIES[delivery]
    return request


def timeout_s(options: RouteOptions, default_s: float) -> float | None:
    """Return the call's time limit in seconds; None for no limit."""
    chosen = options.get("timeout_s")
    chosen = checked_timeout_s(default_s if chosen is None else chosen)
    return None if math.isinf(chosen) else chosen


def checked_timeout_s(seconds: float) -> float:
    """Return a time limit that makes sense.

    Raises:
        ValueError: it is not above zero.
    """
    if not seconds > 0:
        raise ValueError(f"timeout_s must be above 0 (math.inf for no deadline), not {seconds!r}")
    return seconds


def _given(options: Mapping[str, Any], known: type) -> dict[str, Any]:
    """Return the options that are set; refuse what nobody would read."""
    names: frozenset[str] = known.__optional_keys__  # type: ignore[attr-defined] # a TypedDict's own
    unknown = sorted(options.keys() - names)
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; there are {', '.join(sorted(names))}")
    return {name: value for name, value in options.items() if value is not None}


def _task(prompt: Prompt, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that both requests have."""
    routing = routing_pb2.RoutingOptions(**_picked(given, _ROUTING))
    cap = _max_cost_nano_usd(given)
    if cap is not None:
        routing.max_cost_nano_usd = cap
    return {
        "messages": messages_of(prompt),
        "routing": routing,
        "generation": routing_pb2.GenerationOptions(**_picked(given, _GENERATION)),
        **_picked(given, ("task_type", "system")),
    }


def _picked(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _max_cost_nano_usd(given: Mapping[str, Any]) -> int | None:
    if "max_cost_usd" not in given:
        return given.get("max_cost_nano_usd")
    if "max_cost_nano_usd" in given:
        raise ValueError("give max_cost_usd or max_cost_nano_usd, not both")
    return _nano_usd(given["max_cost_usd"])


def _nano_usd(usd: Decimal | float | str) -> int:
    """Return whole nano-USD, rounded down: a cap never grows by rounding."""
    try:
        # By way of its text a float means what was written: 0.1 is a tenth.
        nano_usd = Decimal(str(usd)).scaleb(9).to_integral_value(ROUND_FLOOR)
        return int(nano_usd)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"max_cost_usd must be an amount of USD, not {usd!r}") from None
