"""The port to a provider's batches: many calls handed in at once, answered within a day, at a lower price.

A batch is handed in once and read any number of times. Nothing here retries handing in: an answer that was lost may
mean that the batch exists; `recent` is how to find out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.errors import UpstreamError
from tierwise_server.providers.base import ModelCall

MOST_CALLS = 10_000
"""Calls in one batch; the Messages Batches API takes 100,000, but one batch's results are read in one go."""


@dataclass(frozen=True, slots=True)
class BatchCall:
    """A call of a batch under a name of the caller's own: 1 to 64 letters, digits, `-` and `_`."""

    name: str
    call: ModelCall


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch is. `created_at_s` is Unix time by the provider's clock."""

    id: str
    ended: bool
    done: int
    total: int
    created_at_s: float


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """A whole answer; thinking is no text. `usage` is None where the provider reported none that makes sense."""

    response_id: str
    text: str
    finish_reason: FinishReason
    raw_finish_reason: str
    usage: Usage | None


class Batches(Protocol):
    """Hands in batches to one provider, and reads them."""

    async def submit(self, calls: Sequence[BatchCall]) -> BatchStatus:
        """Hand in a batch of at most MOST_CALLS calls, once. Spends money.

        Raises:
            UpstreamError: it was not handed in, or nobody knows.
        """
        ...

    async def status(self, batch_id: str) -> BatchStatus:
        """Ask how far a batch is.

        Raises:
            UpstreamError: the provider could not be asked, or does not know the batch.
        """
        ...

    def recent(self) -> AsyncIterator[BatchStatus]:
        """List batches, newest first. Raises as `status` does."""
        ...

    def results(self, batch_id: str) -> AsyncIterator[tuple[str, BatchAnswer | UpstreamError]]:
        """Read what came of each call of an ended batch, by name, in any order.

        Failed calls were not billed, except for UPSTREAM_PROTOCOL: an answer that cannot be read may have been.

        Raises:
            UpstreamError: the results could not be read to their end.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
