"""From the contract's requests to the core's Task; names every fault of a request at once. Pure."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from tierwise.v1 import message_pb2, router_pb2
from tierwise_server.core.model import (
    DraftDelivery,
    GenerationOptions,
    Message,
    Prompt,
    Role,
    RoutingOptions,
    Task,
)
from tierwise_server.errors import Fault, InvalidRequest
from tierwise_server.telemetry.redaction import is_credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierwise.v1 import routing_pb2

LONGEST_TASK_TYPE = 128
MOST_STOP_SEQUENCES = 16
MOST_LABELS = 16
LONGEST_LABEL_KEY = 64
LONGEST_LABEL_VALUE = 256

CREDENTIAL = "looks like a credential, and names are kept and told"

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_ROLES = {message_pb2.ROLE_USER: Role.USER, message_pb2.ROLE_ASSISTANT: Role.ASSISTANT}
_DELIVERIES = {
    router_pb2.DRAFT_DELIVERY_UNSPECIFIED: DraftDelivery.HELD,
    router_pb2.DRAFT_DELIVERY_HELD: DraftDelivery.HELD,
    router_pb2.DRAFT_DELIVERY_LIVE: DraftDelivery.LIVE,
}
_NO_ROUTING = RoutingOptions()
_NO_GENERATION = GenerationOptions()


def route_task(request: router_pb2.RouteRequest) -> Task:
    """Read a RouteRequest, which may have no messages.

    Raises:
        InvalidRequest: with every fault found.
    """
    faults: list[Fault] = []
    task = Task(
        task_type=_task_type(request.task_type, faults),
        prompt=Prompt(request.system, _messages(request.messages, faults)),
        routing=_routing(request.routing, faults) if request.HasField("routing") else _NO_ROUTING,
        generation=_generation(request.generation, faults)
        if request.HasField("generation")
        else _NO_GENERATION,
    )
    _raise(faults)
    return task


def generate_task(request: router_pb2.GenerateRequest) -> Task:
    """Read a GenerateRequest; gives it an id where the caller gave none.

    Raises:
        InvalidRequest: with every fault found.
    """
    faults: list[Fault] = []
    messages = _messages(request.messages, faults)
    _check_turns(messages, faults)
    if request.draft_delivery not in _DELIVERIES:
        faults.append(Fault("draft_delivery", f"{request.draft_delivery} is not a known value"))
    task = Task(
        request_id=_request_id(request.request_id, faults),
        task_type=_task_type(request.task_type, faults),
        prompt=Prompt(request.system, messages),
        routing=_routing(request.routing, faults) if request.HasField("routing") else _NO_ROUTING,
        generation=_generation(request.generation, faults)
        if request.HasField("generation")
        else _NO_GENERATION,
        draft_delivery=_DELIVERIES.get(request.draft_delivery, DraftDelivery.HELD),
        labels=_labels(request.labels, faults),
    )
    _raise(faults)
    return task


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise InvalidRequest(tuple(faults))


def _request_id(given: str, faults: list[Fault]) -> str:
    if not given:
        return str(uuid.uuid4())
    if not _REQUEST_ID.fullmatch(given):
        faults.append(Fault("request_id", "must be 1 to 128 printable ASCII characters, no spaces"))
    _check_name("request_id", given, faults)
    return given


def _task_type(given: str, faults: list[Fault]) -> str:
    if len(given) > LONGEST_TASK_TYPE:
        faults.append(Fault("task_type", f"must be at most {LONGEST_TASK_TYPE} characters"))
    _check_name("task_type", given, faults)
    return given


def _check_name(path: str, given: str, faults: list[Fault]) -> None:
    if is_credential(given):
        faults.append(Fault(path, CREDENTIAL))


def _messages(given: Iterable[message_pb2.Message], faults: list[Fault]) -> tuple[Message, ...]:
    messages: list[Message] = []
    for message in given:
        role = _ROLES.get(message.role)
        # A block of another kind has no text either.
        texts = tuple([block.text.text for block in message.content])
        if role is None or not texts or any(map(_is_blank, texts)):
            _find_faults(len(messages), message, faults)
        messages.append(Message(role or Role.USER, texts))
    return tuple(messages)


def _find_faults(index: int, message: message_pb2.Message, faults: list[Fault]) -> None:
    where = f"messages[{index}]"
    if message.role not in _ROLES:
        faults.append(Fault(f"{where}.role", "must be ROLE_USER or ROLE_ASSISTANT"))
    if not message.content:
        faults.append(Fault(f"{where}.content", "must have at least one block"))
    for place, block in enumerate(message.content):
        if not block.HasField("text"):
            faults.append(Fault(f"{where}.content[{place}]", "is not a kind of block known here"))
        elif _is_blank(block.text.text):
            faults.append(Fault(f"{where}.content[{place}].text", "must not be blank"))


def _check_turns(messages: tuple[Message, ...], faults: list[Fault]) -> None:
    if not messages:
        faults.append(Fault("messages", "must have at least one message"))
        return
    if messages[0].role is not Role.USER:
        faults.append(Fault("messages[0].role", "the first message must be the user's"))
    if messages[-1].role is not Role.USER:
        last = len(messages) - 1
        faults.append(Fault(f"messages[{last}].role", "the last message must be the user's"))


def _routing(given: routing_pb2.RoutingOptions, faults: list[Fault]) -> RoutingOptions:
    threshold = given.confidence_threshold if given.HasField("confidence_threshold") else None
    cap = given.max_cost_nano_usd if given.HasField("max_cost_nano_usd") else None
    _within("routing.confidence_threshold", threshold, 0, 1, faults)
    if cap is not None and cap < 0:
        faults.append(Fault("routing.max_cost_nano_usd", "must not be negative"))
    return RoutingOptions(
        tier=given.tier,
        max_tier=given.max_tier,
        escalation=given.escalation if given.HasField("escalation") else None,
        confidence_threshold=threshold,
        max_cost_nano_usd=cap,
    )


def _generation(given: routing_pb2.GenerationOptions, faults: list[Fault]) -> GenerationOptions:
    limit = given.max_output_tokens if given.HasField("max_output_tokens") else None
    temperature = given.temperature if given.HasField("temperature") else None
    top_p = given.top_p if given.HasField("top_p") else None
    if limit is not None and limit < 1:
        faults.append(Fault("generation.max_output_tokens", "must be at least 1"))
    _within("generation.temperature", temperature, 0, 1, faults)
    _within("generation.top_p", top_p, 0, 1, faults)
    stops = tuple(given.stop_sequences)
    if len(stops) > MOST_STOP_SEQUENCES:
        text = f"must be at most {MOST_STOP_SEQUENCES}"
        faults.append(Fault("generation.stop_sequences", text))
    if any(_is_blank(stop) for stop in stops):
        faults.append(Fault("generation.stop_sequences", "must not hold a blank text"))
    return GenerationOptions(limit, temperature, top_p, stops)


def _is_blank(text: str) -> bool:
    """Whether a text has nothing but white space, which models refuse."""
    return not text or text.isspace()


def _within(path: str, value: float | None, low: float, high: float, faults: list[Fault]) -> None:
    # Written so that a NaN, which compares false with everything, is refused.
    if value is not None and not low <= value <= high:
        faults.append(Fault(path, f"must be from {low} to {high}"))


def _labels(given: Mapping[str, str], faults: list[Fault]) -> dict[str, str]:
    labels = dict(given)
    if len(labels) > MOST_LABELS:
        faults.append(Fault("labels", f"must be at most {MOST_LABELS}"))
    keys_fit = all(0 < len(key) <= LONGEST_LABEL_KEY for key in labels)
    if not keys_fit or any(len(value) > LONGEST_LABEL_VALUE for value in labels.values()):
        text = f"keys must have 1 to {LONGEST_LABEL_KEY}, values at most {LONGEST_LABEL_VALUE} characters"
        faults.append(Fault("labels", text))
    if any(map(is_credential, (*labels, *labels.values()))):
        faults.append(Fault("labels", CREDENTIAL))
    return labels
