"""The one table from Reason to gRPC status, and the details that go with it.

Every non-OK status the server sends is made here: an ErrorInfo always, BadRequest, QuotaFailure and RetryInfo where
they apply, and the GenerationSummary when money was spent; one that is too long leaves its calls out and keeps the
totals. Details stay under 4 KiB and the text under 512 bytes, because trailers above 8 KiB, where details grow by a
third and text up to threefold, may replace the status on the way (measured: grpcio makes some of 10 kB and all of
17 kB RESOURCE_EXHAUSTED).
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from tierwise.v1 import accounting_pb2
from tierwise_server.core.account import RequestFailed
from tierwise_server.errors import (
    BudgetExceeded,
    InvalidRequest,
    LimitExceeded,
    Reason,
    RequestError,
)
from tierwise_server.rpc.responses import summary_message
from tierwise_server.telemetry.redaction import without_credentials

if TYPE_CHECKING:
    from google.protobuf.message import Message

DOMAIN = "tierwise"
MOST_DETAIL_BYTES = 4096
MOST_FIELD_VIOLATIONS = 16
MOST_MESSAGE_BYTES = 512
MOST_DESCRIPTION_BYTES = 128

CODES: dict[Reason, StatusCode] = {
    Reason.INVALID_REQUEST: StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_TIER: StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_TASK_TYPE: StatusCode.INVALID_ARGUMENT,
    Reason.CONTEXT_TOO_LONG: StatusCode.INVALID_ARGUMENT,
    Reason.MISSING_CREDENTIALS: StatusCode.UNAUTHENTICATED,
    Reason.INVALID_CREDENTIALS: StatusCode.UNAUTHENTICATED,
    Reason.TIER_NOT_ALLOWED: StatusCode.PERMISSION_DENIED,
    Reason.TASK_TYPE_NOT_ALLOWED: StatusCode.PERMISSION_DENIED,
    Reason.RATE_LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.BUDGET_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.UNPRICED_MODEL: StatusCode.FAILED_PRECONDITION,
    Reason.REQUEST_IN_FLIGHT: StatusCode.ABORTED,
    Reason.REQUEST_ID_REUSED: StatusCode.INVALID_ARGUMENT,
    Reason.OVERLOADED: StatusCode.UNAVAILABLE,
    Reason.SHUTTING_DOWN: StatusCode.UNAVAILABLE,
    Reason.LEDGER_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED: StatusCode.DEADLINE_EXCEEDED,
    Reason.CANCELLED: StatusCode.CANCELLED,
    Reason.CLIENT_TOO_SLOW: StatusCode.RESOURCE_EXHAUSTED,
    Reason.UPSTREAM_RATE_LIMITED: StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_OVERLOADED: StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_TIMEOUT: StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_INTERRUPTED: StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_PROTOCOL: StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_AUTH: StatusCode.INTERNAL,
    Reason.UPSTREAM_MODEL_MISSING: StatusCode.INTERNAL,
    Reason.UPSTREAM_REJECTED: StatusCode.INTERNAL,
    Reason.UPSTREAM_SPEND_LIMIT: StatusCode.FAILED_PRECONDITION,
    Reason.INTERNAL: StatusCode.INTERNAL,
    Reason.UNIMPLEMENTED: StatusCode.UNIMPLEMENTED,
}

_UNAVAILABLE: Final[int] = StatusCode.UNAVAILABLE.value[0]


def status_of(error: RequestError, request_id: str) -> status_pb2.Status:
    """Make the whole status of a failure, with its details."""
    code: int = CODES[error.reason].value[0]
    status = status_pb2.Status(code=code, message=_cut(error.message, MOST_MESSAGE_BYTES))
    metadata = {"request_id": request_id} if request_id else {}
    info = error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata)
    for detail in (info, *_details(error)):
        if not _add(status, detail) and isinstance(detail, accounting_pb2.GenerationSummary):
            del detail.calls[:]
            _add(status, detail)
    return status


def trailers_of(
    status: status_pb2.Status, request_id: str, left_s: float | None = None
) -> tuple[tuple[str, str | bytes], ...]:
    """Make the trailing metadata that carries a status's details.

    Where the caller of an unavailable server is told when to come back, gRPC's own retries are told the same
    (`grpc-retry-pushback-ms`, gRPC proposal A6), so that no policy comes back earlier. They are told not to come back
    when that is later than the deadline, `left_s` seconds from now: they would wait, and hide this status behind the
    deadline's. Other statuses carry none, as grpc-java waits for it whatever the status, also for a rate limit.
    """
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status.SerializeToString())
    ]
    if request_id:
        trailers.append(("x-request-id", request_id))
    info = error_details_pb2.RetryInfo()
    for detail in status.details:
        if status.code == _UNAVAILABLE and detail.Unpack(info):
            wait = info.retry_delay.ToTimedelta()
            wait_ms = math.ceil(wait / timedelta(milliseconds=1))
            is_late = left_s is not None and wait.total_seconds() >= left_s
            trailers.append(("grpc-retry-pushback-ms", "-1" if is_late else str(wait_ms)))
    return tuple(trailers)


def _add(status: status_pb2.Status, detail: Message) -> bool:
    """Add a detail; False, and nothing added, where it does not fit."""
    status.details.add().Pack(detail)
    if status.ByteSize() <= MOST_DETAIL_BYTES:
        return True
    del status.details[-1]
    return False


def _cut(text: str, most_bytes: int) -> str:
    """Keep the characters that fit, without credentials that a caller sent and a fault quotes.

    Half of a surrogate pair, which no message can hold, becomes a question mark.
    """
    return (
        without_credentials(text).encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
    )


def _details(error: RequestError) -> list[Message]:
    details: list[Message] = []
    if error.retry_after_s is not None:
        seconds = int(error.retry_after_s)
        nanos = int((error.retry_after_s - seconds) * 1_000_000_000)
        delay = Duration(seconds=seconds, nanos=nanos)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if isinstance(error, InvalidRequest):
        details.append(_bad_request(error))
    if isinstance(error, BudgetExceeded | LimitExceeded):
        details.append(_quota_failure(error))
    if isinstance(error, RequestFailed):
        details.append(summary_message(error.summary))
    return details


def _bad_request(error: InvalidRequest) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation
    faults = error.faults[:MOST_FIELD_VIOLATIONS]
    return error_details_pb2.BadRequest(
        field_violations=[
            violation(field=f.path, description=_cut(f.message, MOST_DESCRIPTION_BYTES))
            for f in faults
        ]
    )


def _quota_failure(error: BudgetExceeded | LimitExceeded) -> error_details_pb2.QuotaFailure:
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=error.subject, description=_cut(error.message, MOST_DESCRIPTION_BYTES)
    )
    return error_details_pb2.QuotaFailure(violations=[violation])
