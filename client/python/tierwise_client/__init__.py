"""The Python client of tierwise: sends each LLM task to the cheapest model tier that does it well.

`Client` and `AsyncClient` have the same methods: `route` says which tier a task gets, `generate` runs it and returns
the whole answer, `stream` gives it piece by piece. Everything public is in `__all__`; `tierwise_client.testing` is a
server for tests. client/README.md in the repository holds what the clients of all languages have in common.
"""

from __future__ import annotations

from tierwise_client._async._client import AsyncClient
from tierwise_client._async._stream import AsyncStream
from tierwise_client._enums import (
    Acceptance,
    CallKind,
    CallStatus,
    CheckOutcome,
    CounterfactualBasis,
    DraftDelivery,
    ErrorReason,
    EscalationReason,
    FinishReason,
    Role,
    RoutingAdjustment,
    RoutingRule,
)
from tierwise_client._errors import (
    AuthenticationError,
    BudgetExceededError,
    ClientTooSlowError,
    ContextTooLongError,
    DeadlineExceededError,
    FieldViolation,
    InvalidRequestError,
    LimitError,
    PermissionDeniedError,
    ProtocolError,
    QuotaViolation,
    RateLimitedError,
    RequestCancelledError,
    RequestInFlightError,
    ServerError,
    ServerSetupError,
    TierwiseError,
    UnavailableError,
    UnimplementedError,
    UpstreamError,
)
from tierwise_client._events import (
    AttemptFinished,
    AttemptStarted,
    AttemptSuperseded,
    ConfidenceChecked,
    Event,
    Finished,
    Heartbeat,
    Started,
    TextDelta,
)
from tierwise_client._options import GenerateOptions, RouteOptions, StreamOptions
from tierwise_client._prompt import MessageLike, Prompt
from tierwise_client._sync._client import Client
from tierwise_client._sync._stream import Stream
from tierwise_client._values import (
    Answer,
    CallRecord,
    Cost,
    Counterfactual,
    Evidence,
    GenerationSummary,
    RouteDecision,
    RouteResult,
    TierEstimate,
    Usage,
)
from tierwise_client._version import __version__ as __version__

__all__ = [
    "Acceptance",
    "Answer",
    "AsyncClient",
    "AsyncStream",
    "AttemptFinished",
    "AttemptStarted",
    "AttemptSuperseded",
    "AuthenticationError",
    "BudgetExceededError",
    "CallKind",
    "CallRecord",
    "CallStatus",
    "CheckOutcome",
    "Client",
    "ClientTooSlowError",
    "ConfidenceChecked",
    "ContextTooLongError",
    "Cost",
    "Counterfactual",
    "CounterfactualBasis",
    "DeadlineExceededError",
    "DraftDelivery",
    "ErrorReason",
    "EscalationReason",
    "Event",
    "Evidence",
    "FieldViolation",
    "FinishReason",
    "Finished",
    "GenerateOptions",
    "GenerationSummary",
    "Heartbeat",
    "InvalidRequestError",
    "LimitError",
    "MessageLike",
    "PermissionDeniedError",
    "Prompt",
    "ProtocolError",
    "QuotaViolation",
    "RateLimitedError",
    "RequestCancelledError",
    "RequestInFlightError",
    "Role",
    "RouteDecision",
    "RouteOptions",
    "RouteResult",
    "RoutingAdjustment",
    "RoutingRule",
    "ServerError",
    "ServerSetupError",
    "Started",
    "Stream",
    "StreamOptions",
    "TextDelta",
    "TierEstimate",
    "TierwiseError",
    "UnavailableError",
    "UnimplementedError",
    "UpstreamError",
    "Usage",
]
