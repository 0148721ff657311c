"""A failed call as a tierwise server reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tierwise_client._status import DOMAIN

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tierwise.v1.accounting_pb2 import GenerationSummary

_Code = grpc.StatusCode

STATUS_OF_REASON = {
    "INVALID_REQUEST": _Code.INVALID_ARGUMENT,
    "UNKNOWN_TIER": _Code.INVALID_ARGUMENT,
    "UNKNOWN_TASK_TYPE": _Code.INVALID_ARGUMENT,
    "CONTEXT_TOO_LONG": _Code.INVALID_ARGUMENT,
    "REQUEST_ID_REUSED": _Code.INVALID_ARGUMENT,
    "MISSING_CREDENTIALS": _Code.UNAUTHENTICATED,
    "INVALID_CREDENTIALS": _Code.UNAUTHENTICATED,
    "TIER_NOT_ALLOWED": _Code.PERMISSION_DENIED,
    "TASK_TYPE_NOT_ALLOWED": _Code.PERMISSION_DENIED,
    "RATE_LIMITED": _Code.RESOURCE_EXHAUSTED,
    "BUDGET_EXCEEDED": _Code.RESOURCE_EXHAUSTED,
    "CLIENT_TOO_SLOW": _Code.RESOURCE_EXHAUSTED,
    "UNPRICED_MODEL": _Code.FAILED_PRECONDITION,
    "UPSTREAM_SPEND_LIMIT": _Code.FAILED_PRECONDITION,
    "REQUEST_IN_FLIGHT": _Code.ABORTED,
    "OVERLOADED": _Code.UNAVAILABLE,
    "SHUTTING_DOWN": _Code.UNAVAILABLE,
    "LEDGER_UNAVAILABLE": _Code.UNAVAILABLE,
    "UPSTREAM_RATE_LIMITED": _Code.UNAVAILABLE,
    "UPSTREAM_OVERLOADED": _Code.UNAVAILABLE,
    "UPSTREAM_UNAVAILABLE": _Code.UNAVAILABLE,
    "UPSTREAM_TIMEOUT": _Code.UNAVAILABLE,
    "UPSTREAM_INTERRUPTED": _Code.UNAVAILABLE,
    "UPSTREAM_PROTOCOL": _Code.UNAVAILABLE,
    "DEADLINE_EXCEEDED": _Code.DEADLINE_EXCEEDED,
    "CANCELLED": _Code.CANCELLED,
    "UPSTREAM_AUTH": _Code.INTERNAL,
    "UPSTREAM_MODEL_MISSING": _Code.INTERNAL,
    "UPSTREAM_REJECTED": _Code.INTERNAL,
    "INTERNAL": _Code.INTERNAL,
    "UNIMPLEMENTED": _Code.UNIMPLEMENTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A status with its details. Made by `failed`.

    Attributes:
        status: the gRPC status.
        message: its message.
        details: what goes with it.
        pushback_ms: tells gRPC when to retry; below zero: not at all; None: by its own policy.
    """

    status: grpc.StatusCode
    message: str
    details: tuple[Message, ...] = field(default=())
    pushback_ms: int | None = None

    def abort(self, context: grpc.ServicerContext) -> NoReturn:
        """End the call so."""
        trailers: list[tuple[str, str | bytes]] = []
        if self.pushback_ms is not None:
            trailers.append(("grpc-retry-pushback-ms", str(self.pushback_ms)))
        if self.details:
            packed = status_pb2.Status(code=self.status.value[0], message=self.message)
            for detail in self.details:
                packed.details.add().Pack(detail)
            trailers.extend(rpc_status.to_status(packed).trailing_metadata)
        context.set_trailing_metadata(tuple(trailers))
        context.abort(self.status, self.message)


def failed(
    reason: str = "",
    message: str = "it failed",
    *,
    status: grpc.StatusCode | None = None,
    retry_after_s: float | None = None,
    fields: Mapping[str, str] | None = None,
    quotas: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    request_id: str = "",
    summary: GenerationSummary | None = None,
    pushback_ms: int | None = None,
) -> Failure:
    """Return a failure as a tierwise server reports it.

    Args:
        reason: a name of `ErrorReason`; empty: a bare status, as a proxy or gRPC itself makes it.
        message: for people.
        status: default: the one that goes with the reason, else UNKNOWN.
        retry_after_s: RetryInfo.
        fields: BadRequest: path -> what is wrong.
        quotas: QuotaFailure: subject -> which limit.
        metadata: ErrorInfo's metadata.
        request_id: RequestInfo.
        summary: what was spent.
        pushback_ms: see `Failure`.
    """
    known = STATUS_OF_REASON.get(reason, grpc.StatusCode.UNKNOWN)
    details: list[Message] = []
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata or {})
        details.append(info)
    if retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if fields:
        details.append(_bad_request(fields))
    if quotas:
        details.append(_quota_failure(quotas))
    if request_id:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    if summary is not None:
        details.append(summary)
    return Failure(
        status=status or known, message=message, details=tuple(details), pushback_ms=pushback_ms
    )


def _bad_request(fields: Mapping[str, str]) -> error_details_pb2.BadRequest:
    kind = error_details_pb2.BadRequest.FieldViolation
    violations = [kind(field=path, description=text) for path, text in fields.items()]
    return error_details_pb2.BadRequest(field_violations=violations)


def _quota_failure(quotas: Mapping[str, str]) -> error_details_pb2.QuotaFailure:
    kind = error_details_pb2.QuotaFailure.Violation
    violations = [kind(subject=who, description=text) for who, text in quotas.items()]
    return error_details_pb2.QuotaFailure(violations=violations)
