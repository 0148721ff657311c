"""Keeps count of one call while it runs, and makes its record when it ends, however it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tierwise_server.core.account import CallRecord, CallStatus
from tierwise_server.core.estimate import text_tokens
from tierwise_server.core.model import FinishReason, Usage

if TYPE_CHECKING:
    from tierwise_server.core.cascade import Call
    from tierwise_server.core.prices import PriceBook
    from tierwise_server.errors import Reason


FASTEST_TOKENS_PER_S: Final = 200
"""Faster than any model writes that we know of. How much a model thought is told at the end alone: of a call that was
cut, so much is charged for the time that it was silent."""


@dataclass(slots=True)
class Wire:
    """What a provider notes of a call beside its events.

    Attributes:
        out: whether a request was sent to which nothing has come back yet.
        thought_tokens: tokens of the thinking that was shown, by a 4.x model's count.
    """

    out: bool = False
    thought_tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a call may write: tokens in all, and thinking, of a model that thinks."""

    output_tokens: int = 0
    thinking_tokens: int = 0


@dataclass(slots=True)
class Tally:
    """What is known of a running call. Times are seconds of the engine's monotonic clock.

    Attributes:
        prompt_tokens: the estimate used where the provider never says how long the prompt was.
        bounds: what estimates do not go beyond.
        wire: kept by the provider while the call runs.
        begun_s: when the provider began to answer; from then on the call is billed.
        usage: the last usage the provider reported.
        final: whether that usage is the bill, reported at the end, and not the beginning of one.
        pieces: the text so far.
    """

    call: Call
    started_s: float
    prompt_tokens: int
    bounds: Bounds = Bounds()
    wire: Wire = field(default_factory=Wire)
    begun_s: float | None = None
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

    def begin(self, now_s: float, response_id: str, usage: Usage | None, tries: int) -> None:
        """The provider began to answer."""
        self.begun_s, self.response_id, self.usage, self.tries = now_s, response_id, usage, tries

    def record(
        self, book: PriceBook, now_s: float, *, status: CallStatus, failure: Reason | None = None
    ) -> CallRecord:
        """Close the account of the call.

        A completed call is billed what the provider reported at its end. One that was cut after it began, or ended
        without a bill, is billed an estimate: the reported prompt, the tokens of the text seen, and what a model that
        thinks may have thought until then. One whose caller left while the request was out is billed its prompt, as
        nobody can know whether the provider took it. One that never began is else not billed.
        """
        exact = status is CallStatus.COMPLETED and self.final
        usage = self.usage if exact else self._estimated_usage(now_s)
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

    def _estimated_usage(self, now_s: float) -> Usage | None:
        if self.begun_s is None:
            return Usage(input_tokens=self.prompt_tokens) if self.wire.out else None
        known = self.usage or Usage(input_tokens=self.prompt_tokens)
        scale = self.call.tier.model.token_scale
        seen = round(sum(text_tokens(piece) for piece in self.pieces) * scale)
        thought = self._thought_tokens(self.begun_s, now_s, scale)
        # What was seen is seen, whatever the limit says.
        most = max(seen, self.bounds.output_tokens)
        return replace(known, output_tokens=max(known.output_tokens, min(most, seen + thought)))

    def _thought_tokens(self, begun_s: float, now_s: float, scale: float) -> int:
        if not self.bounds.thinking_tokens:
            return 0
        until_s = now_s if self.first_token_s is None else self.first_token_s
        silent = round((until_s - begun_s) * FASTEST_TOKENS_PER_S)
        shown = round(self.wire.thought_tokens * scale)
        return max(shown, min(silent, self.bounds.thinking_tokens))
