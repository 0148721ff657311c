"""Every reason and every status has its exception, which carries what the server said."""

from __future__ import annotations

import pickle
import re

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

import tierwise_client as client
from tierwise.v1 import reason_pb2
from tierwise_client import _errors
from tierwise_client._fold import fold
from tierwise_client._status import CLASS_OF_REASON, CLASS_OF_STATUS, error_from
from tierwise_client.testing import Failure, escalated, failed
from tierwise_client.testing._failures import STATUS_OF_REASON
from tierwise_client.testing._scripts import numbered

REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name, _ in reason_pb2.ErrorReason.items()
    if not name.endswith("_UNSPECIFIED")
]


def received(failure: Failure) -> client.TierwiseError:
    """Return the exception that a failure becomes on the caller's side."""
    packed = status_pb2.Status(code=failure.status.value[0], message=failure.message)
    for detail in failure.details:
        packed.details.add().Pack(detail)
    trailers = [("grpc-status-details-bin", packed.SerializeToString())]
    return error_from(failure.status, failure.message, trailers)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_one_class(reason: str) -> None:
    error = received(failed(reason))
    assert type(error) is CLASS_OF_REASON[reason]
    assert type(error) is not client.TierwiseError
    assert error.reason == client.ErrorReason(reason)
    assert error.status is STATUS_OF_REASON[reason]


def test_no_class_is_without_a_reason_or_a_status() -> None:
    used = {*CLASS_OF_REASON.values(), *CLASS_OF_STATUS.values(), client.ProtocolError}
    exported = {
        value
        for value in vars(client).values()
        if isinstance(value, type) and issubclass(value, client.TierwiseError)
    }
    assert exported == used


def test_the_tables_name_no_reason_that_the_contract_does_not_have() -> None:
    assert set(CLASS_OF_REASON) == {*REASONS, "UNSPECIFIED"}
    assert set(STATUS_OF_REASON) == set(REASONS)


def test_the_docstring_draws_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (_errors.__doc__ or "").splitlines():
        branch = re.match(r"(?P<lines>[ │├└─]+)(?P<name>[A-Z]\w+Error)  ", line)
        if branch:
            depth = len(branch["lines"])
            parents = [name for column, name in above.items() if column < depth]
            drawn[branch["name"]] = parents[-1] if parents else "Exception"
            above = {column: name for column, name in above.items() if column < depth}
            above[depth] = branch["name"]
    exported = (getattr(client, name) for name in client.__all__ if name.endswith("Error"))
    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in exported}


@pytest.mark.parametrize("status", [code for code in grpc.StatusCode if code.name != "OK"])
def test_a_status_without_a_reason_has_one_class(status: grpc.StatusCode) -> None:
    error = error_from(status, "", ())
    assert type(error) is CLASS_OF_STATUS.get(status, client.TierwiseError)
    assert (error.reason, error.status) == ("", status)
    assert error.message


def test_a_reason_that_is_newer_than_the_client_goes_by_its_status() -> None:
    error = received(failed("MOON_TOO_FULL", status=grpc.StatusCode.UNAVAILABLE))
    assert type(error) is client.UnavailableError
    assert error.reason == "MOON_TOO_FULL"


def test_a_reason_of_another_domain_is_not_ours() -> None:
    info = error_details_pb2.ErrorInfo(reason="BUDGET_EXCEEDED", domain="proxy.example")
    error = received(Failure(status=grpc.StatusCode.UNAVAILABLE, message="no", details=(info,)))
    assert (type(error), error.reason) == (client.UnavailableError, "")


def test_an_error_carries_all_that_the_server_said() -> None:
    *_, last = numbered(escalated())
    summary = last.finished.summary  # type: ignore[union-attr] # the last message of the story
    error = received(
        failed(
            "UPSTREAM_INTERRUPTED",
            "the provider broke off",
            retry_after_s=1.5,
            fields={"messages[0]": "is empty"},
            quotas={"key-7": "60 requests per minute"},
            metadata={"tier": "frontier"},
            request_id="request-9",
            summary=summary,
        )
    )
    assert isinstance(error, client.UpstreamError)
    assert error.message == "the provider broke off"
    assert error.retry_after_s == 1.5
    assert error.field_violations == (client.FieldViolation("messages[0]", "is empty"),)
    assert error.quota_violations == (client.QuotaViolation("key-7", "60 requests per minute"),)
    assert error.metadata == {"tier": "frontier"}
    assert error.request_id == "request-9"
    assert error.summary is not None
    assert error.summary.cost is not None
    assert error.summary.cost.total_nano_usd == 530_000
    assert error.summary.proto == summary
    assert str(error) == "UPSTREAM_INTERRUPTED: the provider broke off (request request-9)"


def test_the_request_s_id_may_come_with_the_reason() -> None:
    error = received(failed("INTERNAL", metadata={"request_id": "request-6"}))
    assert error.request_id == "request-6"


def test_the_request_s_id_may_come_as_a_trailer() -> None:
    error = error_from(grpc.StatusCode.INTERNAL, "", [("x-request-id", "request-5")])
    assert error.request_id == "request-5"


@pytest.mark.parametrize(
    "packed",
    [
        b"\xff\xff garbage",
        status_pb2.Status(
            details=[AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")]
        ).SerializeToString(),
        status_pb2.Status(
            details=[AnyMessage(type_url="nobody/knows.This", value=b"")]
        ).SerializeToString(),
    ],
)
def test_details_that_cannot_be_read_are_left_out(packed: bytes) -> None:
    error = error_from(grpc.StatusCode.UNAVAILABLE, "down", [("grpc-status-details-bin", packed)])
    assert (type(error), error.message) == (client.UnavailableError, "down")


def test_a_retry_info_without_a_delay_says_nothing() -> None:
    empty = Failure(
        status=grpc.StatusCode.UNAVAILABLE, message="", details=(error_details_pb2.RetryInfo(),)
    )
    assert received(empty).retry_after_s is None


def test_an_error_survives_pickling() -> None:
    error = received(failed("RATE_LIMITED", retry_after_s=2.0, quotas={"key": "rate"}))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is client.RateLimitedError
    assert copy.__dict__ == error.__dict__


def test_an_answer_survives_pickling() -> None:
    answer = fold(step for step in numbered(escalated()))  # type: ignore[misc] # no failure in it
    copy = pickle.loads(pickle.dumps(answer))  # noqa: S301 - our own bytes
    assert copy == answer
    assert copy.proto == answer.proto
