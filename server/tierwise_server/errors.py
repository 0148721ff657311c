"""Every failure tierwise knows, as one exception tree.

    TierwiseError
    ├── ConfigurationError      the configuration is wrong; carries every fault found
    ├── IllegalEvent            (core/cascade.py) the engine broke the cascade's rules: a fault of ours
    ├── Unrecordable            (ledger/base.py) a ledger refuses an entry for good: a fault of ours
    └── RequestError            a request fails; carries a Reason
        ├── InvalidRequest      the caller's fault; names the field
        ├── BudgetExceeded      the request's cost cap or a budget cannot pay
        ├── LimitExceeded       a key's requests per minute or streams are used up
        ├── LedgerUnavailable   the ledger cannot record, so nothing may be spent
        ├── UpstreamError       a model provider failed one call
        └── RequestFailed       (core/account.py) a request that had begun ended without an answer;
                                carries its summary

A Reason is the machine-readable name that travels to callers (google.rpc.ErrorInfo.reason). rpc/status.py is the one
table from Reason to gRPC status. Messages are written for callers: no upstream text, no key, no stack ever goes in.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Reason(enum.Enum):
    """Why a request failed. Names equal ErrorReason in the contract, without its prefix."""

    INVALID_REQUEST = enum.auto()
    UNKNOWN_TIER = enum.auto()
    UNKNOWN_TASK_TYPE = enum.auto()
    CONTEXT_TOO_LONG = enum.auto()
    MISSING_CREDENTIALS = enum.auto()
    INVALID_CREDENTIALS = enum.auto()
    TIER_NOT_ALLOWED = enum.auto()
    TASK_TYPE_NOT_ALLOWED = enum.auto()
    RATE_LIMITED = enum.auto()
    BUDGET_EXCEEDED = enum.auto()
    UNPRICED_MODEL = enum.auto()
    REQUEST_IN_FLIGHT = enum.auto()
    REQUEST_ID_REUSED = enum.auto()
    OVERLOADED = enum.auto()
    SHUTTING_DOWN = enum.auto()
    LEDGER_UNAVAILABLE = enum.auto()
    DEADLINE_EXCEEDED = enum.auto()
    CANCELLED = enum.auto()
    CLIENT_TOO_SLOW = enum.auto()
    UPSTREAM_RATE_LIMITED = enum.auto()
    UPSTREAM_OVERLOADED = enum.auto()
    UPSTREAM_UNAVAILABLE = enum.auto()
    UPSTREAM_TIMEOUT = enum.auto()
    UPSTREAM_INTERRUPTED = enum.auto()
    UPSTREAM_PROTOCOL = enum.auto()
    UPSTREAM_AUTH = enum.auto()
    UPSTREAM_MODEL_MISSING = enum.auto()
    UPSTREAM_REJECTED = enum.auto()
    UPSTREAM_SPEND_LIMIT = enum.auto()
    INTERNAL = enum.auto()
    UNIMPLEMENTED = enum.auto()


class TierwiseError(Exception):
    """The root of every failure that tierwise raises itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a configuration or a request: where it stands, and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigurationError(TierwiseError):
    """The configuration cannot be used. `faults` lists everything wrong with it, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class RequestError(TierwiseError):
    """A request fails for `reason`. The message is safe to show to the caller."""

    def __init__(self, reason: Reason, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


class InvalidRequest(RequestError):
    """The caller sent something that can never work. `faults` names each field in the contract's words."""

    def __init__(
        self, faults: tuple[Fault, ...], *, reason: Reason = Reason.INVALID_REQUEST
    ) -> None:
        super().__init__(reason, "; ".join(str(fault) for fault in faults))
        self.faults = faults


class BudgetExceeded(RequestError):
    """The next call's worst case, `needed_nano_usd`, exceeds what may still be spent, `left_nano_usd`.

    `subject` names the limit: the request's own field, or a budget such as "budget.key.day".
    """

    def __init__(
        self,
        *,
        needed_nano_usd: int,
        left_nano_usd: int,
        subject: str = "routing.max_cost_nano_usd",
    ) -> None:
        super().__init__(
            Reason.BUDGET_EXCEEDED,
            f"the call may cost up to {needed_nano_usd} nano-USD and {left_nano_usd} nano-USD are left",
        )
        self.needed_nano_usd = needed_nano_usd
        self.left_nano_usd = left_nano_usd
        self.subject = subject


class LimitExceeded(RequestError):
    """A key made as many requests or holds as many streams as it may. `subject` names which, such as "key.streams"."""

    def __init__(self, subject: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(Reason.RATE_LIMITED, message, retry_after_s=retry_after_s)
        self.subject = subject


class LedgerUnavailable(RequestError):
    """The ledger cannot record now, so nothing may be spent. Nothing was; asking again later may help.

    Callers are told to wait `retry_after_s`: by default a second, because a store that is down is tried that often.
    None is for what no waiting helps.
    """

    def __init__(
        self, message: str = "the ledger is unavailable", *, retry_after_s: float | None = 1.0
    ) -> None:
        super().__init__(Reason.LEDGER_UNAVAILABLE, message, retry_after_s=retry_after_s)


class UpstreamError(RequestError):
    """A provider failed one call.

    Attributes:
        retryable: asking the same model again may help. False for faults of the call itself.
        upstream_request_id: the provider's id of the failed request, for its support; safe to log.
        tries: how often the provider was asked before this failure was final; 0 where it was not asked at all. Set by
            the retry owner.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        upstream_request_id: str = "",
        tries: int = 1,
    ) -> None:
        super().__init__(reason, message, retry_after_s=retry_after_s)
        self.retryable = retryable
        self.upstream_request_id = upstream_request_id
        self.tries = tries
