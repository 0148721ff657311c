"""Keeps to what a rate limit asks: a provider that does not ask a model before the time that it named."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierwise_server.errors import Reason, UpstreamError

if TYPE_CHECKING:
    from tierwise_server.providers.base import ModelCall, Provider, ProviderEvent

LONGEST_PAUSE_S: Final = 60.0
"""A model is asked again after so long, whatever it said: one call shows whether it meant it."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """Until when a model wished to be left alone, and until when it is."""

    wished_s: float
    ends_s: float


class PausingProvider:
    """A provider that leaves a rate-limited model alone for as long as the model asked for, and closes `inner`.

    A call that comes meanwhile fails at once with UPSTREAM_RATE_LIMITED, 0 tries, and what is left of the wish. Waiting
    that long and asking then is as good as it was for the call that was refused, so the failure is retryable.

    Args:
        inner: makes the calls, one try each.
        monotonic: the clock, in seconds.
    """

    def __init__(self, inner: Provider, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self._pauses: dict[str, _Pause] = {}

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Make the call, unless the model is left alone. See the port."""
        model = call.model.id
        now_s = self._monotonic()
        pause = self._pauses.get(model)
        if pause is not None and now_s < pause.ends_s:
            left_s = pause.wished_s - now_s
            text = "the provider asked for a pause, which is not over"
            raise UpstreamError(
                Reason.UPSTREAM_RATE_LIMITED, text, retryable=True, retry_after_s=left_s, tries=0
            )
        try:
            async with self._inner.stream(call) as events:
                yield events
        except UpstreamError as error:
            self._note(model, error)
            raise

    async def aclose(self) -> None:
        """Close the inner provider. See the port."""
        await self._inner.aclose()

    def _note(self, model: str, error: UpstreamError) -> None:
        if error.reason is Reason.UPSTREAM_RATE_LIMITED and error.retry_after_s:
            now_s = self._monotonic()
            pause = _Pause(
                wished_s=now_s + error.retry_after_s,
                ends_s=now_s + min(error.retry_after_s, LONGEST_PAUSE_S),
            )
            before = self._pauses.get(model)
            if before is None or before.ends_s < pause.ends_s:
                self._pauses[model] = pause
