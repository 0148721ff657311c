"""How the Messages API says no: one status, one error type, one JSON body."""

from __future__ import annotations

import json
from typing import Final

ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Error type per status, as https://platform.claude.com/docs/en/api/errors lists them."""


def error_type(status: int) -> str:
    """The error type that goes with `status`; unlisted ones get the type of their class."""
    default = "api_error" if status >= 500 else "invalid_request_error"
    return ERROR_TYPES.get(status, default)


class ApiError(Exception):
    """A request that the API refuses, with the status and message it refuses it with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def invalid(message: str) -> ApiError:
    """A 400 invalid_request_error."""
    return ApiError(400, message)


def error_payload(kind: str, message: str, request_id: str) -> dict[str, object]:
    """The object that error bodies and error events hold."""
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }


def error_body(kind: str, message: str, request_id: str) -> bytes:
    """The JSON body of an error response."""
    return json.dumps(error_payload(kind, message, request_id)).encode()
