"""The port to a model provider.

A provider makes one call and streams what comes back. It promises:

- Text arrives in order; pieces that were waiting together arrive as one TextPiece. Thinking is never text.
- A stream that ends without raising has yielded exactly one Begun first and one Completed last. A body that breaks off,
  however quietly, raises: an answer is never taken for whole unless the provider said it was.
- Every failure is an UpstreamError with a Reason; its message holds no upstream text and no key.
- Leaving the context manager, by cancellation too, closes the upstream at once.

It does not promise that what was received was not billed. The caller owns the deadline and may cancel at any await; the
call's Wire then says whether a request was out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tierwise_server.core.model import (
    CallKind,
    FinishReason,
    Model,
    Prompt,
    ThinkingForm,
    Usage,
)
from tierwise_server.core.tally import Bounds, Tally, Wire

if TYPE_CHECKING:
    from tierwise_server.core.cascade import Call


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call, in the core's words.

    Attributes:
        kind: what the call is for. A CHECK never thinks.
        temperature, top_p: only set when the model takes sampling options.
        schema: the JSON schema the answer is held to; None for free text.
        cache_prompt: ask the provider to cache the prompt for the next call.
        headers: extra request headers, such as trace context.
        time_left_s: the call must be over within this many seconds; None: the provider's own limit only.
        retries_used: retries that calls of the same request have used up in vain; this one has so many fewer.
        wire: where the provider notes what a caller that leaves must pay for.
    """

    kind: CallKind
    model: Model
    prompt: Prompt
    max_output_tokens: int
    thinking: ThinkingForm = ThinkingForm.NONE
    thinking_budget_tokens: int = 0
    effort: str = ""
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()
    schema: Mapping[str, object] | None = None
    cache_prompt: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    time_left_s: float | None = None
    retries_used: int = 0
    wire: Wire = field(default_factory=Wire, compare=False)

    def tally(self, call: Call, started_s: float, prompt_tokens: int) -> Tally:
        """Begin to keep count of this call, which is the cascade's `call`."""
        thinks = self.thinking is not ThinkingForm.NONE or self.model.always_thinks
        most = self.thinking_budget_tokens or self.max_output_tokens
        bounds = Bounds(self.max_output_tokens, most if thinks else 0)
        return Tally(call, started_s, prompt_tokens, bounds, self.wire)


@dataclass(frozen=True, slots=True)
class Begun:
    """The provider took the call and has begun to answer: from here on it is billed.

    `usage` is what it reports at the start (None when it does not); `tries` counts how often it was asked.
    """

    response_id: str
    usage: Usage | None
    tries: int = 1


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Some text of the answer. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The provider finished the answer. `usage` is final; None when the provider reported none.

    `raw_finish_reason` is the provider's own word.
    """

    finish_reason: FinishReason
    raw_finish_reason: str
    usage: Usage | None


ProviderEvent = Begun | TextPiece | Completed


class Provider(Protocol):
    """Makes calls to one provider's models."""

    def stream(self, call: ModelCall) -> AbstractAsyncContextManager[AsyncIterator[ProviderEvent]]:
        """Make the call. It is sent when the context is entered or at the first event.

        Spends money. Raises UpstreamError on entering or while iterating.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. The provider is not used afterwards."""
        ...
