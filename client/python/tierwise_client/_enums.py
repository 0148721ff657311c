"""The contract's closed lists of words, by the names they have on the wire without their prefix.

Each compares equal to its text: `answer.finish_reason == "LENGTH"`. UNSPECIFIED stands for what is not set and for what
a newer server says and this client does not know yet; the message that holds the raw number is one `.proto` away.
"""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """Who speaks a message."""

    USER = "user"
    ASSISTANT = "assistant"


class DraftDelivery(enum.StrEnum):
    """Whether a draft's text is sent before it is accepted."""

    HELD = "HELD"
    """A draft's text comes once the draft is accepted, never if it is superseded."""
    LIVE = "LIVE"
    """A draft's text comes at once, marked provisional; it is void if the draft is superseded."""


class FinishReason(enum.StrEnum):
    """Why a model stopped."""

    UNSPECIFIED = "UNSPECIFIED"
    STOP = "STOP"
    STOP_SEQUENCE = "STOP_SEQUENCE"
    LENGTH = "LENGTH"
    """The output reached `max_output_tokens`: the text is cut."""
    REFUSAL = "REFUSAL"
    CONTEXT_WINDOW = "CONTEXT_WINDOW"
    """The model's context window is full: the text is cut."""
    TOOL_USE = "TOOL_USE"
    PAUSE = "PAUSE"
    """The provider paused a long turn: the text is not whole."""
    OTHER = "OTHER"
    """`raw_finish_reason` has the provider's own word."""


class Acceptance(enum.StrEnum):
    """On what ground an answer was accepted."""

    UNSPECIFIED = "UNSPECIFIED"
    UNCHECKED = "UNCHECKED"
    """No check applied: one tier only, or the strongest of the cascade."""
    ACCEPTED = "ACCEPTED"
    """A check found the confidence at or above the threshold."""
    ACCEPTED_LOW = "ACCEPTED_LOW"
    """Low or unknown confidence, but the deadline or the cost cap could not pay for more."""


class CallKind(enum.StrEnum):
    """What a call to a model was for."""

    UNSPECIFIED = "UNSPECIFIED"
    DIRECT = "DIRECT"
    """An attempt that no check follows."""
    DRAFT = "DRAFT"
    """An attempt that a check follows."""
    CHECK = "CHECK"
    """A confidence check of a draft."""


class CallStatus(enum.StrEnum):
    """How a call to a model ended."""

    UNSPECIFIED = "UNSPECIFIED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class CheckOutcome(enum.StrEnum):
    """What followed from a check."""

    UNSPECIFIED = "UNSPECIFIED"
    ACCEPTED = "ACCEPTED"
    ESCALATED = "ESCALATED"
    ACCEPTED_LOW = "ACCEPTED_LOW"


class EscalationReason(enum.StrEnum):
    """Why a stronger tier was asked."""

    UNSPECIFIED = "UNSPECIFIED"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    CHECK_UNREADABLE = "CHECK_UNREADABLE"
    CHECK_FAILED = "CHECK_FAILED"
    INCOMPLETE = "INCOMPLETE"
    """The draft was cut, refused or empty."""
    ATTEMPT_FAILED = "ATTEMPT_FAILED"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"


class CounterfactualBasis(enum.StrEnum):
    """Where the token counts of a counterfactual come from."""

    UNSPECIFIED = "UNSPECIFIED"
    SAME_TOKENS = "SAME_TOKENS"
    MEASURED_TOKENS = "MEASURED_TOKENS"


class RoutingRule(enum.StrEnum):
    """Which rule of the routing table chose the row."""

    UNSPECIFIED = "UNSPECIFIED"
    PINNED = "PINNED"
    TASK_TYPE = "TASK_TYPE"
    DEFAULT = "DEFAULT"


class RoutingAdjustment(enum.StrEnum):
    """What changed a table row for one request."""

    UNSPECIFIED = "UNSPECIFIED"
    ESCALATION_ON = "ESCALATION_ON"
    ESCALATION_OFF = "ESCALATION_OFF"
    CAPPED = "CAPPED"
    THRESHOLD = "THRESHOLD"
    CONTEXT_SKIP = "CONTEXT_SKIP"


class ErrorReason(enum.StrEnum):
    """Why a request failed. `tierwise_client.TierwiseError` says which exception stands for which."""

    UNSPECIFIED = "UNSPECIFIED"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNKNOWN_TIER = "UNKNOWN_TIER"
    UNKNOWN_TASK_TYPE = "UNKNOWN_TASK_TYPE"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    MISSING_CREDENTIALS = "MISSING_CREDENTIALS"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    TIER_NOT_ALLOWED = "TIER_NOT_ALLOWED"
    TASK_TYPE_NOT_ALLOWED = "TASK_TYPE_NOT_ALLOWED"
    RATE_LIMITED = "RATE_LIMITED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    UNPRICED_MODEL = "UNPRICED_MODEL"
    REQUEST_IN_FLIGHT = "REQUEST_IN_FLIGHT"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    OVERLOADED = "OVERLOADED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    CLIENT_TOO_SLOW = "CLIENT_TOO_SLOW"
    UPSTREAM_RATE_LIMITED = "UPSTREAM_RATE_LIMITED"
    UPSTREAM_OVERLOADED = "UPSTREAM_OVERLOADED"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_INTERRUPTED = "UPSTREAM_INTERRUPTED"
    UPSTREAM_PROTOCOL = "UPSTREAM_PROTOCOL"
    UPSTREAM_AUTH = "UPSTREAM_AUTH"
    UPSTREAM_MODEL_MISSING = "UPSTREAM_MODEL_MISSING"
    UPSTREAM_REJECTED = "UPSTREAM_REJECTED"
    UPSTREAM_SPEND_LIMIT = "UPSTREAM_SPEND_LIMIT"
    INTERNAL = "INTERNAL"
    UNIMPLEMENTED = "UNIMPLEMENTED"
