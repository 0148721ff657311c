"""The one table from what goes wrong at the Messages API to a Reason, and whether asking again may help.

Sources: docs.claude.com/en/api/errors; `ErrorType` and the error codes in the anthropic package; what
the SDK was seen to raise against a scripted server (an error event after 200 carries only its type; a
reset or a truncation is a bare httpx2 error). Messages are fixed: nothing upstream wrote is repeated.
"""

from __future__ import annotations

import email.utils
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import httpx2
from anthropic import APIConnectionError, APIStatusError

from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.anthropic.stream import Broken, Errored, StreamFault
from tierwise_server.providers.watchdog import Limit, Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_RETRY_AFTER_S: Final = 86_400.0
"""Longer advice is taken as a day: nobody who is still there then waited for us."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    reason: Reason
    message: str
    retryable: bool = False


_RATE_LIMITED = _Meaning(
    Reason.UPSTREAM_RATE_LIMITED, "the provider limits our rate of requests", retryable=True
)
_OVERLOADED = _Meaning(Reason.UPSTREAM_OVERLOADED, "the provider is overloaded", retryable=True)
_UNAVAILABLE = _Meaning(
    Reason.UPSTREAM_UNAVAILABLE, "the provider failed to serve the request", retryable=True
)
_UNREACHABLE = _Meaning(
    Reason.UPSTREAM_UNAVAILABLE, "the provider could not be reached", retryable=True
)
_LOST = _Meaning(
    Reason.UPSTREAM_UNAVAILABLE, "the connection was lost before an answer", retryable=True
)
_INTERRUPTED = _Meaning(
    Reason.UPSTREAM_INTERRUPTED, "the provider broke off its answer", retryable=True
)
_UNAUTHORISED = _Meaning(Reason.UPSTREAM_AUTH, "the provider refuses our credentials")
_SPEND_LIMIT = _Meaning(Reason.UPSTREAM_SPEND_LIMIT, "the account's spend limit is reached")
_MISSING = _Meaning(Reason.UPSTREAM_MODEL_MISSING, "the provider does not serve the model")
_TOO_LONG = _Meaning(Reason.CONTEXT_TOO_LONG, "the prompt is too long for the model")
_REJECTED = _Meaning(Reason.UPSTREAM_REJECTED, "the provider rejects the request")
_REDIRECTED = _Meaning(
    Reason.UPSTREAM_PROTOCOL, "the provider sent a redirect, which is never followed"
)
_MALFORMED = _Meaning(Reason.UPSTREAM_PROTOCOL, "the provider's answer is malformed")

_BY_STATUS: Final[Mapping[int, _Meaning]] = {
    401: _UNAUTHORISED,
    402: _SPEND_LIMIT,
    403: _UNAUTHORISED,
    404: _MISSING,
    408: _UNAVAILABLE,
    409: _UNAVAILABLE,
    413: _TOO_LONG,
    429: _RATE_LIMITED,
    529: _OVERLOADED,
}

_BY_TYPE: Final[Mapping[str, _Meaning]] = {
    "authentication_error": _UNAUTHORISED,
    "billing_error": _SPEND_LIMIT,
    "invalid_request_error": _REJECTED,
    "not_found_error": _MISSING,
    "overloaded_error": _OVERLOADED,
    "permission_error": _UNAUTHORISED,
    "rate_limit_error": _RATE_LIMITED,
    "request_too_large": _TOO_LONG,
}
"""For errors that have no status of their own. Any other type broke off an answer that had begun."""

_BY_FAULT: Final[Mapping[StreamFault, _Meaning]] = {
    StreamFault.EMPTY: replace(_MALFORMED, retryable=True),
    StreamFault.TRUNCATED: _INTERRUPTED,
}

_SPEND_LIMIT_CODES: Final = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "linked_organization_spend_limit_reached",
    }
)
"""429 and 402 that no waiting cures."""

# There is no code for it; the words have been the same since 2023.
_TOO_LONG_WORDS: Final = "prompt is too long"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@contextmanager
def translated(watchdog: Watchdog) -> Iterator[None]:
    """Turn what the SDK, its transport and the watchdog raise into the one UpstreamError that it means.

    The original is left behind, as its text may hold the body or the address it came from.
    """
    try:
        yield
    except APIStatusError as error:
        raise status_failure(error) from None
    except (APIConnectionError, httpx2.RequestError) as error:
        raise connection_failure(error) from None
    except TimeoutError:
        raise limit_failure(watchdog, "") from None
    except ValueError:
        raise malformed("") from None


def status_failure(error: APIStatusError) -> UpstreamError:
    """The failure that an HTTP status other than 2xx means."""
    headers = error.response.headers
    meaning = _status_meaning(error)
    return UpstreamError(
        meaning.reason,
        meaning.message,
        retryable=meaning.retryable and headers.get("x-should-retry") != "false",
        retry_after_s=retry_after_s(headers),
        upstream_request_id=request_id_of(headers),
    )


def _status_meaning(error: APIStatusError) -> _Meaning:
    status = error.status_code
    if error.error_code in _SPEND_LIMIT_CODES:
        return _SPEND_LIMIT
    if status == 400 and _TOO_LONG_WORDS in str(error.api_message).lower():
        return _TOO_LONG
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        return _REDIRECTED
    return _UNAVAILABLE if status >= 500 else _REJECTED


def connection_failure(error: APIConnectionError | httpx2.RequestError) -> UpstreamError:
    """The failure that a broken connection means, before the head of the response."""
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    unreachable = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
    return _failure(_UNREACHABLE if isinstance(cause, unreachable) else _LOST)


def body_failure(request_id: str) -> UpstreamError:
    """The failure that a connection broken within the body means."""
    return _failure(_INTERRUPTED, request_id)


def stream_failure(end: Errored | Broken, request_id: str) -> UpstreamError:
    """The failure that an error event, or a stream that is no whole message, means."""
    if isinstance(end, Broken):
        return _failure(_BY_FAULT.get(end.fault, _MALFORMED), request_id)
    if end.error_code in _SPEND_LIMIT_CODES:
        return _failure(_SPEND_LIMIT, request_id)
    return _failure(_BY_TYPE.get(end.error_type, _INTERRUPTED), request_id)


def result_failure(error_type: str, message: str) -> UpstreamError:
    """The failure that an errored request of a batch means; its message decides and is not repeated."""
    if error_type == "invalid_request_error" and _TOO_LONG_WORDS in message.lower():
        return _failure(_TOO_LONG)
    return _failure(_BY_TYPE.get(error_type, _UNAVAILABLE))


def malformed(request_id: str) -> UpstreamError:
    """The failure that a response which is no event stream means."""
    return _failure(_MALFORMED, request_id)


def limit_failure(watchdog: Watchdog, request_id: str) -> UpstreamError:
    """The failure that the limit means which the watchdog saw passed."""
    limit, patience = watchdog.passed or Limit.TOTAL, watchdog.patience
    messages = {
        Limit.FIRST_EVENT: f"the provider did not answer within {patience.first_event_s:g} s",
        Limit.IDLE: f"the provider sent nothing for {patience.idle_s:g} s",
        Limit.NO_PROGRESS: f"the answer did not move for {patience.no_progress_s:g} s",
        Limit.TOTAL: f"the answer was not whole within {patience.total_s:g} s",
        Limit.DEADLINE: "the deadline passed before the answer was whole",
    }
    by_caller = limit is Limit.DEADLINE
    return UpstreamError(
        Reason.DEADLINE_EXCEEDED if by_caller else Reason.UPSTREAM_TIMEOUT,
        messages[limit],
        retryable=limit in (Limit.FIRST_EVENT, Limit.IDLE, Limit.NO_PROGRESS),
        upstream_request_id=request_id,
    )


def request_id_of(headers: Mapping[str, str]) -> str:
    """The provider's id of a request, from the response's headers; empty when there is none that is safe to log."""
    named = headers.get("request-id", "")
    return named if _REQUEST_ID.fullmatch(named) else ""


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """When to ask again, in seconds from the response; None when the provider gives no usable advice.

    `retry-after-ms` (which the API also sends) wins over `retry-after`, a number or an HTTP date (RFC
    9110, section 10.2.3). A date counts from the response's own Date, so that no clock is compared
    with another. Zero, the past and nonsense are no advice; more than a day is taken as a day.
    """
    advice = _seconds(headers.get("retry-after-ms"), 1000)
    if advice is None:
        advice = _seconds(headers.get("retry-after"), 1)
    if advice is None:
        advice = _seconds_until(headers.get("retry-after"), headers.get("date"))
    if advice is None or advice <= 0:
        return None
    return min(advice, MAX_RETRY_AFTER_S)


def _seconds(text: str | None, parts_per_second: int) -> float | None:
    try:
        value = float(text or "") / parts_per_second
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds_until(then: str | None, now: str | None) -> float | None:
    try:
        wait = email.utils.parsedate_to_datetime(then or "") - email.utils.parsedate_to_datetime(
            now or ""
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return wait.total_seconds()


def _failure(meaning: _Meaning, request_id: str = "") -> UpstreamError:
    return UpstreamError(
        meaning.reason,
        meaning.message,
        retryable=meaning.retryable,
        upstream_request_id=request_id,
    )
