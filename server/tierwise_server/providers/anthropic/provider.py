"""Calls Claude models through the Anthropic SDK.

The SDK authenticates, versions and sends the request and tells its errors; the body is read raw and
parsed by `stream.py`, which knows when an answer is whole. One call is one try: the SDK's own retries
are off, because `retrying.py` owns them.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from anthropic import AsyncAnthropic

from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.anthropic import failures
from tierwise_server.providers.anthropic.answer import Answer
from tierwise_server.providers.anthropic.models import facts_of
from tierwise_server.providers.anthropic.request import request_body, request_headers
from tierwise_server.providers.anthropic.sending import MessagesSender
from tierwise_server.providers.anthropic.stream import MessageStreamParser
from tierwise_server.providers.anthropic.transport import (
    AiohttpTransport,
    Body,
    Connections,
    DirectClient,
)
from tierwise_server.providers.sse import DEFAULT_MAX_EVENT_BYTES
from tierwise_server.providers.watchdog import Patience, Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tierwise_server.core.model_facts import ModelFacts
    from tierwise_server.providers.base import ModelCall, ProviderEvent

DEFAULT_BASE_URL: Final = "https://api.anthropic.com"

_EVENT_STREAM: Final = "text/event-stream"


class AnthropicProvider:
    """The provider port on the Messages API. Connects at the first call; `aclose` it at the end.

    Args:
        api_key: sent as it is, to `base_url` alone.
        base_url: where the API is.
        connections: how connections are made; None takes the defaults and the environment's proxy.
        patience: how long a call may hang.
        max_event_bytes: a longer event makes the answer malformed.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        connections: Connections | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
    ) -> None:
        self._connections = connections or Connections.from_environment(base_url)
        transport = AiohttpTransport(self._connections)
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=None,
            http_client=DirectClient(transport),
            default_headers={"accept-encoding": "identity"},
            open_telemetry=False,
        )
        address = f"{base_url.rstrip('/')}/v1/messages"
        self._messages = MessagesSender(self._client, transport, address)
        self._slots = asyncio.Semaphore(self._connections.most)
        self._patience = patience
        self._max_event_bytes = max_event_bytes

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Make the call on entering. See the port.

        Raises:
            UpstreamError: also with OVERLOADED, when every connection stayed in use.
        """
        content = _content(call)
        await self._take_slot()
        watchdog = Watchdog(self._patience, call.time_left_s)
        try:
            body = await self._send(call, content, watchdog)
            try:
                request_id = failures.request_id_of(body.headers)
                if not body.headers.get("content-type", "").startswith(_EVENT_STREAM):
                    raise failures.malformed(request_id)
                parser = MessageStreamParser(call.wire, max_event_bytes=self._max_event_bytes)
                yield Answer(body, parser, watchdog, request_id)
            finally:
                body.abort()
        except UpstreamError as error:
            # The caller's own deadline is the caller's leaving; else it is the provider that failed.
            call.wire.out = call.wire.out and error.reason is Reason.DEADLINE_EXCEEDED
            raise
        finally:
            watchdog.stop()
            self._slots.release()

    async def model_facts(self, *names: str) -> tuple[ModelFacts, ...]:
        """What the provider says of its models of these names or aliases; unknown ones are left out.

        Spends no money.

        Raises:
            UpstreamError: the provider could not be asked.
        """
        found = [await self._facts(name) for name in names]
        return tuple(facts for facts in found if facts is not None)

    async def aclose(self) -> None:
        """Close every connection. See the port."""
        await self._client.close()

    async def _facts(self, name: str) -> ModelFacts | None:
        watchdog = Watchdog(self._patience)
        try:
            with failures.translated(watchdog):
                async with watchdog.interrupting():
                    reply = await self._client.models.with_raw_response.retrieve(name)
                    return facts_of(name, await reply.json())
        except UpstreamError as error:
            if error.reason is Reason.UPSTREAM_MODEL_MISSING:
                return None
            raise
        finally:
            watchdog.stop()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._connections.wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise UpstreamError(
                Reason.OVERLOADED, "all connections to the provider are in use"
            ) from None

    async def _send(self, call: ModelCall, content: bytes, watchdog: Watchdog) -> Body:
        """Send the request; returns with the head of a 2xx response."""
        with failures.translated(watchdog):
            async with watchdog.interrupting():
                return await self._messages.send(content, request_headers(call), call.wire)


def _content(call: ModelCall) -> bytes:
    try:
        return request_body(call)
    except ValueError:
        raise UpstreamError(
            Reason.INVALID_REQUEST, "the text holds half of a surrogate pair, which is no character"
        ) from None
