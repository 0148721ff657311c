"""The one place where a gRPC status becomes an exception of the client. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from tierwise.v1 import accounting_pb2
from tierwise_client import _convert, _errors
from tierwise_client._enums import ErrorReason

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

DOMAIN = "tierwise"
_DETAILS_KEY = "grpc-status-details-bin"
_REQUEST_ID_KEY = "x-request-id"

CLASS_OF_REASON: dict[str, type[_errors.TierwiseError]] = {
    ErrorReason.UNSPECIFIED: _errors.TierwiseError,
    ErrorReason.INVALID_REQUEST: _errors.InvalidRequestError,
    ErrorReason.UNKNOWN_TIER: _errors.InvalidRequestError,
    ErrorReason.UNKNOWN_TASK_TYPE: _errors.InvalidRequestError,
    ErrorReason.REQUEST_ID_REUSED: _errors.InvalidRequestError,
    ErrorReason.CONTEXT_TOO_LONG: _errors.ContextTooLongError,
    ErrorReason.MISSING_CREDENTIALS: _errors.AuthenticationError,
    ErrorReason.INVALID_CREDENTIALS: _errors.AuthenticationError,
    ErrorReason.TIER_NOT_ALLOWED: _errors.PermissionDeniedError,
    ErrorReason.TASK_TYPE_NOT_ALLOWED: _errors.PermissionDeniedError,
    ErrorReason.RATE_LIMITED: _errors.RateLimitedError,
    ErrorReason.BUDGET_EXCEEDED: _errors.BudgetExceededError,
    ErrorReason.CLIENT_TOO_SLOW: _errors.ClientTooSlowError,
    ErrorReason.REQUEST_IN_FLIGHT: _errors.RequestInFlightError,
    ErrorReason.OVERLOADED: _errors.UnavailableError,
    ErrorReason.SHUTTING_DOWN: _errors.UnavailableError,
    ErrorReason.LEDGER_UNAVAILABLE: _errors.UnavailableError,
    ErrorReason.UPSTREAM_RATE_LIMITED: _errors.UpstreamError,
    ErrorReason.UPSTREAM_OVERLOADED: _errors.UpstreamError,
    ErrorReason.UPSTREAM_UNAVAILABLE: _errors.UpstreamError,
    ErrorReason.UPSTREAM_TIMEOUT: _errors.UpstreamError,
    ErrorReason.UPSTREAM_INTERRUPTED: _errors.UpstreamError,
    ErrorReason.UPSTREAM_PROTOCOL: _errors.UpstreamError,
    ErrorReason.DEADLINE_EXCEEDED: _errors.DeadlineExceededError,
    ErrorReason.CANCELLED: _errors.RequestCancelledError,
    ErrorReason.INTERNAL: _errors.ServerError,
    ErrorReason.UPSTREAM_AUTH: _errors.ServerSetupError,
    ErrorReason.UPSTREAM_MODEL_MISSING: _errors.ServerSetupError,
    ErrorReason.UPSTREAM_REJECTED: _errors.ServerSetupError,
    ErrorReason.UPSTREAM_SPEND_LIMIT: _errors.ServerSetupError,
    ErrorReason.UNPRICED_MODEL: _errors.ServerSetupError,
    ErrorReason.UNIMPLEMENTED: _errors.UnimplementedError,
}

# For failures that no tierwise server named, and for reasons newer than this client.
CLASS_OF_STATUS: dict[grpc.StatusCode, type[_errors.TierwiseError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: _errors.InvalidRequestError,
    grpc.StatusCode.UNAUTHENTICATED: _errors.AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: _errors.PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: _errors.LimitError,
    grpc.StatusCode.UNAVAILABLE: _errors.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: _errors.DeadlineExceededError,
    grpc.StatusCode.CANCELLED: _errors.RequestCancelledError,
    grpc.StatusCode.INTERNAL: _errors.ServerError,
    grpc.StatusCode.UNKNOWN: _errors.ServerError,
    grpc.StatusCode.DATA_LOSS: _errors.ServerError,
    grpc.StatusCode.UNIMPLEMENTED: _errors.UnimplementedError,
}


def error_of(failure: grpc.RpcError) -> _errors.TierwiseError:
    """Return the typed error for what gRPC raised, sync or async."""
    trailers = cast("Iterable[tuple[str, str | bytes]]", failure.trailing_metadata() or ())
    return error_from(failure.code(), failure.details() or "", trailers)


def error_from(
    status: grpc.StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]]
) -> _errors.TierwiseError:
    """Return the typed error for a status, its message and its trailing metadata.

    Never fails itself: details that cannot be read are left out.
    """
    values = dict(trailers)
    fields = _fields(_details(values.get(_DETAILS_KEY)))
    if not fields.get("request_id"):
        in_metadata = fields.get("metadata", {}).get("request_id")
        fields["request_id"] = in_metadata or str(values.get(_REQUEST_ID_KEY, ""))
    by_status = CLASS_OF_STATUS.get(status, _errors.TierwiseError)
    kind = CLASS_OF_REASON.get(fields.get("reason", ""), by_status)
    return kind(message or "the server gave no message", status=status, **fields)


def _details(packed: str | bytes | None) -> Iterable[AnyMessage]:
    if not isinstance(packed, bytes):
        return ()
    try:
        details: Iterable[AnyMessage] = status_pb2.Status.FromString(packed).details
    except DecodeError:
        return ()
    return details


def _fields(details: Iterable[AnyMessage]) -> dict[str, Any]:
    """Return the arguments of the exception that the details hold."""
    fields: dict[str, Any] = {}
    for detail in details:
        for kind, read in _READERS.items():
            message = kind()
            if _unpacked(detail, message):
                fields |= read(message)
    return fields


def _unpacked(detail: AnyMessage, message: Message) -> bool:
    try:
        return detail.Unpack(message)
    except DecodeError:
        return False


def _error_info(info: error_details_pb2.ErrorInfo) -> dict[str, Any]:
    # A proxy's own reasons are not ours, even where the words are the same.
    return {"reason": info.reason, "metadata": info.metadata} if info.domain == DOMAIN else {}


def _bad_request(bad: error_details_pb2.BadRequest) -> dict[str, Any]:
    found = (_errors.FieldViolation(v.field, v.description) for v in bad.field_violations)
    return {"field_violations": tuple(found)}


def _quota_failure(quota: error_details_pb2.QuotaFailure) -> dict[str, Any]:
    found = (_errors.QuotaViolation(v.subject, v.description) for v in quota.violations)
    return {"quota_violations": tuple(found)}


def _retry_info(retry: error_details_pb2.RetryInfo) -> dict[str, Any]:
    if not retry.HasField("retry_delay"):
        return {}
    return {"retry_after_s": retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9}


def _request_info(request: error_details_pb2.RequestInfo) -> dict[str, Any]:
    return {"request_id": request.request_id}


def _summary(summary: accounting_pb2.GenerationSummary) -> dict[str, Any]:
    return {"summary": _convert.summary(summary)}


_READERS: dict[type[Message], Any] = {
    error_details_pb2.ErrorInfo: _error_info,
    error_details_pb2.BadRequest: _bad_request,
    error_details_pb2.QuotaFailure: _quota_failure,
    error_details_pb2.RetryInfo: _retry_info,
    error_details_pb2.RequestInfo: _request_info,
    accounting_pb2.GenerationSummary: _summary,
}
