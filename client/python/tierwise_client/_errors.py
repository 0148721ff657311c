"""Every way in which a call can fail, as one exception tree.

    TierwiseError                     a call failed; bare for a status or a reason that no class below stands for
    ├── InvalidRequestError           the request can never work; `field_violations` says why
    │   └── ContextTooLongError       no allowed tier's model can hold the prompt
    ├── AuthenticationError           no credentials, or wrong ones
    ├── PermissionDeniedError         the caller may not use the tier or send the task type
    ├── LimitError                    a limit was reached
    │   ├── RateLimitedError          too many requests; come back after `retry_after_s`
    │   ├── BudgetExceededError       the cost cap or the caller's budget cannot pay for a call
    │   └── ClientTooSlowError        this side stopped reading the stream
    ├── RequestInFlightError          a request with the same id is running
    ├── UnavailableError              the server cannot be reached, is draining, or sheds load
    ├── UpstreamError                 the model provider failed
    ├── DeadlineExceededError         the deadline passed
    ├── RequestCancelledError         this side, or something on the way, gave the call up
    ├── ServerError                   a fault of the server
    │   └── ServerSetupError          the operator must act: credentials, models, prices, spend limit
    ├── UnimplementedError            the server does not have the method
    └── ProtocolError                 the answer breaks the contract

Wrong arguments are ValueError or TypeError, raised before anything is sent. _status.py says which reason and which
status become which class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from tierwise_client._values import GenerationSummary


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field of the request.

    Attributes:
        field: its path in the contract's words, e.g. "routing.tier".
        description: what is wrong with it.
    """

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """Which limit was reached.

    Attributes:
        subject: whose limit.
        description: which one, and how it stands.
    """

    subject: str
    description: str


class TierwiseError(Exception):
    """A call failed.

    Attributes:
        message: what happened, for people.
        status: the gRPC status.
        reason: the machine-readable reason, an `ErrorReason` or one that is newer than this client;
            empty when the failure was not named by a server (no connection, local deadline, cancel).
        retry_after_s: when the server wishes to be asked again, in seconds; None when it did not say.
        field_violations: what is wrong with which field of the request.
        quota_violations: which limits were reached.
        metadata: more about the reason, e.g. the task type.
        request_id: the request's id, to be told to who runs the server; may be empty.
        summary: what the request did and cost before it failed; None when nothing was spent or when
            the server could not say (local deadline, cancel, lost connection).
        started: the task had started, so it may have cost money, and asking again may cost it again.
        partial_text: what was received of the unfinished attempt's text. It is not an answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        retry_after_s: float | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        quota_violations: tuple[QuotaViolation, ...] = (),
        metadata: Mapping[str, str] = MappingProxyType({}),
        request_id: str = "",
        summary: GenerationSummary | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.field_violations = field_violations
        self.quota_violations = quota_violations
        self.metadata = dict(metadata)
        self.request_id = request_id
        self.summary = summary
        self.started = False
        self.partial_text = ""

    def __str__(self) -> str:
        text = f"{self.reason or self.status.name}: {self.message}"
        return f"{text} (request {self.request_id})" if self.request_id else text


class InvalidRequestError(TierwiseError):
    """The request can never work as it is; `field_violations` names what is wrong. Cost nothing."""


class ContextTooLongError(InvalidRequestError):
    """No allowed tier's model can hold the prompt."""


class AuthenticationError(TierwiseError):
    """No credentials were given, or they are not valid. Cost nothing."""


class PermissionDeniedError(TierwiseError):
    """The caller may not use the tier, or may not send the task type. Cost nothing."""


class LimitError(TierwiseError):
    """A limit was reached: one of the classes below, or a size limit on the way."""


class RateLimitedError(LimitError):
    """The caller's rate or concurrency limit. Cost nothing; asking again after `retry_after_s` is safe."""


class BudgetExceededError(LimitError):
    """The request's cost cap or the caller's budget cannot pay for a call; `summary` says what was spent before."""


class ClientTooSlowError(LimitError):
    """This side stopped reading the stream, and the server gave up; `summary` says what was spent."""


class RequestInFlightError(TierwiseError):
    """A request with the same `request_id` is running. Cost nothing."""


class UnavailableError(TierwiseError):
    """The server cannot be reached, is draining, or sheds load. Unless `started`, it cost nothing."""


class UpstreamError(TierwiseError):
    """The model provider failed, after the server's own retries. Asking again is a new, paid request."""


class DeadlineExceededError(TierwiseError):
    """The deadline passed; what was spent is on the server's record only. Asking again is a new, paid request."""


class RequestCancelledError(TierwiseError):
    """The call was given up: by `cancel()`, by closing the client, or by something on the way."""


class ServerError(TierwiseError):
    """A fault of the server; tell who runs it the `request_id`."""


class ServerSetupError(ServerError):
    """Who runs the server must act: provider credentials, model names, prices or spend limit. Retrying cannot help."""


class UnimplementedError(TierwiseError):
    """The server does not have the method: it is older than this client, or no tierwise server."""


class ProtocolError(TierwiseError):
    """The answer breaks the contract, so no part of it can be relied on. A fault of the server or on the way."""

    def __init__(self, message: str, *, status: grpc.StatusCode = grpc.StatusCode.INTERNAL) -> None:
        super().__init__(message, status=status)
