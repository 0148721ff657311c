"""The table from Reason to status, and the details that go with it: always, true, and short enough to arrive."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.house.tree import ROOT
from tests.serving import unpacked
from tests.unit.rpc.summaries import a_climb
from tierwise.v1 import accounting_pb2
from tierwise_server.core.account import RequestFailed
from tierwise_server.errors import BudgetExceeded, Fault, InvalidRequest, Reason, RequestError
from tierwise_server.rpc.status import CODES, MOST_DETAIL_BYTES, status_of, trailers_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

TRAILER_BYTES = 8192
"""Java takes no more; grpcio drops some statuses beyond it, and all beyond twice as much."""


def details_of(error: RequestError, request_id: str = "r-1") -> dict[str, Message]:
    status = status_of(error, request_id)
    assert status.ByteSize() <= MOST_DETAIL_BYTES
    return {type(detail).DESCRIPTOR.name: detail for detail in unpacked(status.SerializeToString())}


def on_the_wire(status: status_pb2.Status, request_id: str) -> int:
    """Return the bytes of the trailers as HTTP/2 counts them: binary as base64, text percent-encoded, 32 a field."""
    fields = [("grpc-status", "3"), ("grpc-message", urllib.parse.quote(status.message))]
    for name, value in trailers_of(status, request_id):
        length = len(value) if isinstance(value, str) else -(-len(value) * 4 // 3)
        fields.append((name, "x" * length))
    return sum(32 + len(name) + len(value) for name, value in fields)


def test_every_reason_has_the_status_that_the_contract_names() -> None:
    proto = (ROOT / "proto/tierwise/v1/reason.proto").read_text(encoding="utf-8")
    told = re.findall(r"// ([A-Z_]+): .*(?:\n  //.*)*\n  ERROR_REASON_([A-Z_]+) = ", proto)
    assert {reason: status for status, reason in told} == {
        reason.name: CODES[reason].name for reason in Reason
    }


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_failure_of_a_request_says_why_and_what_it_cost(reason: Reason) -> None:
    failed = RequestFailed(reason, "it failed", a_climb(3), retry_after_s=1.5)
    details = details_of(failed)
    info, summary, retry = (
        details[name] for name in ("ErrorInfo", "GenerationSummary", "RetryInfo")
    )
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (reason.name, "tierwise")
    assert info.metadata["request_id"] == "r-1"
    assert isinstance(summary, accounting_pb2.GenerationSummary)
    assert len(summary.calls) == 6
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.5


def test_a_plain_failure_has_no_bill_and_no_wish() -> None:
    assert details_of(RequestError(Reason.INTERNAL, "a fault"), "").keys() == {"ErrorInfo"}


def test_a_bill_that_is_too_long_keeps_its_totals() -> None:
    climb = a_climb(40, name="階" * 60, model="m" * 120)
    summary = details_of(RequestFailed(Reason.UPSTREAM_AUTH, "it failed", climb))[
        "GenerationSummary"
    ]
    assert isinstance(summary, accounting_pb2.GenerationSummary)
    assert not summary.calls
    assert summary.usage.input_tokens == climb.usage.input_tokens
    assert summary.request_id == climb.request_id


def test_a_refusal_names_each_field() -> None:
    faults = (Fault("messages[0].role", "must be one"), Fault("labels", "are too many"))
    bad = details_of(InvalidRequest(faults))["BadRequest"]
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [
        ("messages[0].role", "must be one"),
        ("labels", "are too many"),
    ]


def test_many_faults_are_named_as_far_as_they_fit() -> None:
    faults = tuple(
        Fault(f"messages[{n}].content[{n}].text", "must not be " * 40) for n in range(500)
    )
    bad = details_of(InvalidRequest(faults))["BadRequest"]
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert len(bad.field_violations) == 16


def test_a_cost_cap_names_what_it_is_about() -> None:
    quota = details_of(BudgetExceeded(needed_nano_usd=500, left_nano_usd=20))["QuotaFailure"]
    assert isinstance(quota, error_details_pb2.QuotaFailure)
    [violation] = quota.violations
    assert violation.subject == "routing.max_cost_nano_usd"
    assert "500" in violation.description
    assert "20" in violation.description


@given(
    text=st.text(st.characters(), max_size=3000),
    reason=st.sampled_from(Reason),
    tiers=st.integers(0, 20),
    request_id=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=128),
)
def test_no_failure_is_too_long_to_arrive(
    text: str, reason: Reason, tiers: int, request_id: str
) -> None:
    failures: list[RequestError] = [
        RequestFailed(reason, text, a_climb(tiers), retry_after_s=86_400.0),
        InvalidRequest((Fault("routing.tier", text),) * 16, reason=reason),
    ]
    for failure in failures:
        status = status_of(failure, request_id)
        assert on_the_wire(status, request_id) < TRAILER_BYTES
        assert failure.message.encode("utf-8", "replace").startswith(status.message.encode())


@pytest.mark.parametrize(
    ("reason", "retry_after_s", "left_s", "pushback"),
    [
        (Reason.OVERLOADED, None, None, None),
        (Reason.OVERLOADED, 0.0, None, "0"),
        (Reason.OVERLOADED, 0.0001, None, "1"),
        (Reason.OVERLOADED, 1.5, None, "1500"),
        (Reason.LEDGER_UNAVAILABLE, 86_400.0, None, "86400000"),
        (Reason.OVERLOADED, 1.5, 1.6, "1500"),
        (Reason.OVERLOADED, 1.5, 1.5, "-1"),
        (Reason.OVERLOADED, 60.0, 10.0, "-1"),
        (Reason.RATE_LIMITED, 1.5, None, None),
        (Reason.REQUEST_IN_FLIGHT, 1.0, 10.0, None),
    ],
)
def test_grpcs_own_retries_are_told_when_to_come_back(
    reason: Reason, retry_after_s: float | None, left_s: float | None, pushback: str | None
) -> None:
    error = RequestError(reason, "busy", retry_after_s=retry_after_s)
    trailers = dict(trailers_of(status_of(error, "r-1"), "r-1", left_s))
    assert trailers.get("grpc-retry-pushback-ms") == pushback
