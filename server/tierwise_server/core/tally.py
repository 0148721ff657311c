"""Keeps count of one call while it runs, and makes its record when it ends, however it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierwise_server.core.account import CallRecord, CallStatus
from tierwise_server.core.estimate import text_tokens
from tierwise_server.core.model import FinishReason, Usage

if TYPE_CHECKING:
    from tierwise_server.core.cascade import Call
    from tierwise_server.core.prices import PriceBook
    from tierwise_server.errors import Reason


@dataclass(slots=True)
class Tally:
    """What is known of a running call. Times are seconds of the engine's monotonic clock.

    Attributes:
        prompt_tokens: the estimate used where the provider never says how long the prompt was.
        begun: whether the provider took the call, so that it is billed from here on.
        usage: the last usage the provider reported.
        final: whether that usage is the bill, reported at the end, and not the beginning of one.
        pieces: the text so far.
    """

    call: Call
    started_s: float
    prompt_tokens: int
    begun: bool = False
    usage: Usage | None = None
    final: bool = False
    pieces: list[str] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    raw_finish_reason: str = ""
    response_id: str = ""
    tries: int = 1
    first_token_s: float | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)

    def record(
        self, book: PriceBook, now_s: float, *, status: CallStatus, failure: Reason | None = None
    ) -> CallRecord:
        """Close the account of the call.

        A completed call is billed what the provider reported at its end. One that was cut after it began, or ended
        without a bill, is billed an estimate: the reported prompt and the tokens of the text seen. One that never began
        is not billed.
        """
        exact = status is CallStatus.COMPLETED and self.final
        usage = self.usage if exact else self._estimated_usage()
        cost = None if usage is None else book.cost(self.call.tier.model.id, usage)
        return CallRecord(
            call=self.call,
            status=status,
            usage=usage,
            cost=cost,
            duration_s=now_s - self.started_s,
            estimated=not exact and usage is not None,
            finish_reason=self.finish_reason,
            raw_finish_reason=self.raw_finish_reason,
            failure=failure,
            tries=self.tries,
            response_id=self.response_id,
            first_token_s=None
            if self.first_token_s is None
            else self.first_token_s - self.started_s,
        )

    def _estimated_usage(self) -> Usage | None:
        if not self.begun:
            return None
        known = self.usage or Usage(input_tokens=self.prompt_tokens)
        scale = self.call.tier.model.token_scale
        seen = round(sum(text_tokens(piece) for piece in self.pieces) * scale)
        return replace(known, output_tokens=max(known.output_tokens, seen))
