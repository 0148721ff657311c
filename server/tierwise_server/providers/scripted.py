"""The shipped fake of the provider port: plays what it is told, and remembers what it was asked.

For tests, and for anyone who writes a wrapper around a provider. It opens no connection and costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.errors import UpstreamError
from tierwise_server.providers.base import Begun, Completed, ModelCall, ProviderEvent, TextPiece


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing comes for `seconds`; None: nothing comes any more."""

    seconds: float | None = None


Step = ProviderEvent | UpstreamError | Pause
Script = Callable[[ModelCall], Sequence[Step]]


def answer(
    text: str,
    *,
    finish_reason: FinishReason = FinishReason.STOP,
    usage: Usage | None = Usage(input_tokens=10, output_tokens=5),  # noqa: B008 - frozen
    response_id: str = "scripted",
) -> tuple[Step, ...]:
    """The steps of a whole answer in one piece; no text piece when `text` is empty."""
    pieces = (TextPiece(text),) if text else ()
    done = Completed(finish_reason, finish_reason.name.lower(), usage)
    return (Begun(response_id, None), *pieces, done)


@dataclass(slots=True)
class ScriptedProvider:
    """Plays `script(call)` for each call.

    Attributes:
        calls: every call made, in order.
        open_streams: how many streams are open now; 0 when nothing leaked.
    """

    script: Script
    calls: list[ModelCall] = field(default_factory=list)
    open_streams: int = 0
    closed: bool = False

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Play the script of the call."""
        self.calls.append(call)
        self.open_streams += 1
        try:
            yield self._play(self.script(call))
        finally:
            self.open_streams -= 1

    async def aclose(self) -> None:
        """Take no more calls."""
        self.closed = True

    async def _play(self, steps: Sequence[Step]) -> AsyncIterator[ProviderEvent]:
        for step in steps:
            if isinstance(step, UpstreamError):
                raise step
            if isinstance(step, Pause):
                await (
                    asyncio.Event().wait() if step.seconds is None else asyncio.sleep(step.seconds)
                )
            else:
                yield step
