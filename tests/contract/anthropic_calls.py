"""Calls on the Anthropic provider, and what came of them."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.providers.calls import CALL
from tierwise_server.errors import UpstreamError
from tierwise_server.providers.anthropic import AnthropicProvider, Connections
from tierwise_server.providers.base import ModelCall, ProviderEvent, TextPiece
from tierwise_server.providers.watchdog import Patience

CANARY = "sk-ant-canary"
"""The key of every call, and the text of every error body: it must not come out anywhere."""


@asynccontextmanager
async def provider_at(
    base_url: str,
    *,
    connections: Connections | None = None,
    patience: Patience | None = None,
    max_event_bytes: int = 100_000,
) -> AsyncIterator[AnthropicProvider]:
    """A provider, closed at the end."""
    provider = AnthropicProvider(
        CANARY,
        base_url=base_url,
        connections=connections,
        patience=patience or Patience(),
        max_event_bytes=max_event_bytes,
    )
    try:
        yield provider
    finally:
        await provider.aclose()


async def listen(
    provider: AnthropicProvider, heard: list[ProviderEvent], call: ModelCall = CALL
) -> None:
    """Append every event of the call to `heard`."""
    async with provider.stream(call) as events:
        async for event in events:
            heard.append(event)  # noqa: PERF401 - what came before a failure must be kept


async def ask(provider: AnthropicProvider, call: ModelCall = CALL) -> list[ProviderEvent]:
    """The events of an answer."""
    heard: list[ProviderEvent] = []
    await listen(provider, heard, call)
    return heard


async def failure_of(
    provider: AnthropicProvider,
    call: ModelCall = CALL,
    heard: list[ProviderEvent] | None = None,
) -> UpstreamError:
    """The failure of the call, which says nothing of what it must not say."""
    with pytest.raises(UpstreamError) as caught:
        await listen(provider, [] if heard is None else heard, call)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def text_of(events: list[ProviderEvent]) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextPiece))
