"""The port to remembered answers: who may run a request, and what it was answered.

A caller that names its request (`request_id`) may send it again without paying twice. Of all requests of one payer with
the same id, one runs; the others are told to come back, and get its answer once there is one. What a store promises:

- `claim` is atomic, whichever server asks. A claim is a lease: it ends when its server has not been heard of for
  LEASE_S, so that a server that dies does not block the id.
- An answer is kept for so many hours from its end, and is found by its own payer only. The answers of a tenant take so
  many bytes at the most: beyond that its oldest are forgotten, and never another tenant's for its sake.
- A request without an answer leaves nothing behind: the next one with its id runs anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from tierwise_server.errors import Fault, InvalidRequest, Reason, RequestError

LEASE_S: Final = 30.0
"""How long a claim outlives the last sign of its server."""

RETRY_S: Final = 1.0
"""When who asks for a request that runs is told to come back."""


@dataclass(frozen=True, slots=True)
class Room:
    """How long answers are kept, and how many bytes those of one tenant may take."""

    keep_s: float
    tenant_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is found: the payer's key, and the request's id. Another payer has places of its own."""

    tenant: str
    key_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a request; `token` is unique to it."""

    place: Place
    token: str


class AnswerStore(Protocol):
    """Remembers. Safe for any number of requests at once in one event loop."""

    async def claim(self, place: Place, body_hash: bytes) -> Claim | bytes:
        """Take the right to run a request, or get its answer.

        Raises:
            InvalidRequest: REQUEST_ID_REUSED: the id stands for another request.
            RequestError: REQUEST_IN_FLIGHT: the request runs.
            LedgerUnavailable: the store does not answer. Nothing is claimed.
        """
        ...

    async def finish(self, claim: Claim, answer: bytes) -> None:
        """Keep the answer; it is durable when this returns.

        Raises:
            LedgerUnavailable: it could not be kept; the claim stands until its lease ends.
        """
        ...

    def release(self, claim: Claim) -> None:
        """Give the id back, soon; nothing of it is left. Without effect once there is an answer. Never waits."""
        ...

    async def keep(self) -> None:
        """Renew what is claimed and forget what is over, for ever."""
        ...


def conflict(body_hash: bytes, known_hash: bytes) -> RequestError:
    """Why a request may not run while its id is taken and has no answer yet, or stands for another request."""
    if body_hash != known_hash:
        return reused()
    return RequestError(
        Reason.REQUEST_IN_FLIGHT, "a request with this id runs already", retry_after_s=RETRY_S
    )


def reused() -> InvalidRequest:
    """The refusal of an id that stands for another request."""
    fault = Fault("request_id", "stands for another request; a new request needs a new id")
    return InvalidRequest((fault,), reason=Reason.REQUEST_ID_REUSED)
