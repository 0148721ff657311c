"""The client's values have every field of the contract, and say exactly what the messages say."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import pytest

import tierwise_client as client
from tierwise.v1 import accounting_pb2, message_pb2, reason_pb2, router_pb2, routing_pb2
from tierwise_client import _convert, _events

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
    from google.protobuf.message import Message

# A Python name says its unit where the contract has a type for it.
RENAMED = {"duration": "duration_s", "time_to_first_text": "time_to_first_text_s"}
MIRRORS: list[tuple[type[Message], type]] = [
    (accounting_pb2.Usage, client.Usage),
    (accounting_pb2.Cost, client.Cost),
    (accounting_pb2.CallRecord, client.CallRecord),
    (accounting_pb2.Counterfactual, client.Counterfactual),
    (accounting_pb2.GenerationSummary, client.GenerationSummary),
    (routing_pb2.RouteDecision, client.RouteDecision),
    (routing_pb2.TierEstimate, client.TierEstimate),
    (routing_pb2.Evidence, client.Evidence),
    (router_pb2.RouteResponse, client.RouteResult),
    (router_pb2.Started, client.Started),
    (router_pb2.AttemptStarted, client.AttemptStarted),
    (router_pb2.TextDelta, client.TextDelta),
    (router_pb2.AttemptFinished, client.AttemptFinished),
    (router_pb2.ConfidenceChecked, client.ConfidenceChecked),
    (router_pb2.AttemptSuperseded, client.AttemptSuperseded),
    (router_pb2.Heartbeat, client.Heartbeat),
    (router_pb2.Finished, client.Finished),
]
WORDS: list[tuple[EnumTypeWrapper, str, type[enum.StrEnum]]] = [
    (reason_pb2.FinishReason, "FINISH_REASON_", client.FinishReason),
    (reason_pb2.EscalationReason, "ESCALATION_REASON_", client.EscalationReason),
    (reason_pb2.ErrorReason, "ERROR_REASON_", client.ErrorReason),
    (accounting_pb2.Acceptance, "ACCEPTANCE_", client.Acceptance),
    (accounting_pb2.CallKind, "CALL_KIND_", client.CallKind),
    (accounting_pb2.CallStatus, "CALL_STATUS_", client.CallStatus),
    (accounting_pb2.CounterfactualBasis, "COUNTERFACTUAL_BASIS_", client.CounterfactualBasis),
    (router_pb2.CheckOutcome, "CHECK_OUTCOME_", client.CheckOutcome),
    (routing_pb2.RoutingRule, "ROUTING_RULE_", client.RoutingRule),
    (routing_pb2.RoutingAdjustment, "ROUTING_ADJUSTMENT_", client.RoutingAdjustment),
]


@pytest.mark.parametrize(("message", "value"), MIRRORS, ids=lambda kind: kind.__name__)
def test_a_value_has_the_fields_of_its_message(message: type[Message], value: type) -> None:
    wire = {RENAMED.get(name, name) for name in message.DESCRIPTOR.fields_by_name}
    assert {field.name for field in dataclasses.fields(value)} - {"proto"} == wire


@pytest.mark.parametrize(("wire", "prefix", "kind"), WORDS, ids=lambda item: str(item))
def test_an_enum_has_the_words_of_the_contract(
    wire: EnumTypeWrapper, prefix: str, kind: type[enum.StrEnum]
) -> None:
    assert [name.removeprefix(prefix) for name in wire.keys()] == [word.value for word in kind]  # noqa: SIM118 - no dict


def test_roles_and_deliveries_are_the_contract_s() -> None:
    roles = {f"ROLE_{role.name}" for role in client.Role} | {"ROLE_UNSPECIFIED"}
    assert roles == set(message_pb2.Role.keys())
    deliveries = {f"DRAFT_DELIVERY_{word}" for word in client.DraftDelivery}
    assert deliveries | {"DRAFT_DELIVERY_UNSPECIFIED"} == set(router_pb2.DraftDelivery.keys())


def test_there_is_an_event_for_every_kind_of_the_contract() -> None:
    kinds = router_pb2.GenerateResponse.DESCRIPTOR.oneofs_by_name["event"].fields
    for kind in kinds:
        message = router_pb2.GenerateResponse()
        getattr(message, kind.name).SetInParent()
        event = _convert.event(message)
        assert kind.message_type is not None
        assert type(event).__name__ == kind.message_type.name
        assert type(event) in client.Event.__args__
    assert len(client.Event.__args__) == len(kinds)


def test_a_word_that_is_newer_than_the_client_is_unspecified() -> None:
    call = accounting_pb2.CallRecord(finish_reason=99, kind=99)  # type: ignore[arg-type] # a newer server's
    record = _convert.call_record(call)
    assert record.finish_reason is client.FinishReason.UNSPECIFIED
    assert record.kind is client.CallKind.UNSPECIFIED


def test_what_is_absent_is_none_and_not_zero() -> None:
    summary = _convert.summary(accounting_pb2.GenerationSummary(calls=[{}], counterfactuals=[{}]))
    [call], [other] = summary.calls, summary.counterfactuals
    assert (summary.cost, summary.confidence, summary.time_to_first_text_s) == (None, None, None)
    assert (call.cost, call.usage, other.cost_nano_usd, other.usd) == (None, None, None, None)
    checked = _convert.event(router_pb2.GenerateResponse(confidence_checked={}))
    assert isinstance(checked, _events.ConfidenceChecked)
    assert (checked.confidence, checked.score) == (None, None)
    result = _convert.route_result(router_pb2.RouteResponse(tiers=[{}]))
    assert (result.evidence, result.decision.confidence_threshold) == (None, None)
    assert (result.tiers[0].estimated_cost_nano_usd, result.tiers[0].usd) == (None, None)


def test_a_zero_that_was_sent_is_zero() -> None:
    zero = accounting_pb2.GenerationSummary(confidence=0.0, cost={})
    summary = _convert.summary(zero)
    assert (summary.confidence, summary.cost and summary.cost.total_nano_usd) == (0.0, 0)


def test_evidence_is_read_whole() -> None:
    proto = routing_pb2.Evidence(sample_size=40, quality=0.9, judge="check")
    proto.measure_time.FromDatetime(datetime(2026, 11, 1, tzinfo=UTC))
    evidence = _convert.route_result(router_pb2.RouteResponse(evidence=proto)).evidence
    assert evidence is not None
    assert (evidence.sample_size, evidence.quality, evidence.judge) == (40, 0.9, "check")
    assert evidence.measure_time == datetime(2026, 11, 1, tzinfo=UTC)
    assert evidence.expire_time is None
    promised = (
        evidence.escalation_rate,
        evidence.tolerance,
        evidence.confidence,
        evidence.loss_bound,
    )
    assert promised == (None, None, None, None)


def test_what_evidence_promises_is_read_zeros_too() -> None:
    proto = routing_pb2.Evidence(
        escalation_rate=0.0, tolerance=0.02, confidence=0.9, loss_bound=-0.1
    )
    evidence = _convert.evidence(proto)
    promised = (
        evidence.escalation_rate,
        evidence.tolerance,
        evidence.confidence,
        evidence.loss_bound,
    )
    assert promised == (0.0, 0.02, 0.9, -0.1)


def test_usd_is_exact_whatever_the_decimal_context() -> None:
    nano_usd = 2**63 - 1
    cost = _convert.cost(accounting_pb2.Cost(total_nano_usd=nano_usd))
    with localcontext(prec=3):
        usd = cost.usd
    assert usd * 10**9 == Decimal(nano_usd)


def test_the_durations_of_a_call_are_seconds() -> None:
    call = accounting_pb2.CallRecord()
    call.duration.FromMilliseconds(1_250)
    assert _convert.call_record(call).duration_s == pytest.approx(1.25)
