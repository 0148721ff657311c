"""Two tiny gateways in front of the simulator: one tells what happened, the other passes anything off as an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp import web

from tierwise_server.simulator import Simulator

PATIENCE_S: Final = 0.3
LIMIT: Final = 64 * 1024


class Broken(Exception):
    """The upstream gave no whole answer."""


class Relay:
    """Asks the simulator, and tells its caller in the caller's dialect; `honest` says whether it tells of failures."""

    def __init__(self, simulator: Simulator, dialect: str, *, honest: bool) -> None:
        self._simulator = simulator
        self._chat = dialect == "chat-completions"
        self._honest = honest

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            async for event in self._events(await request.json()):
                await self._tell(response, event)
        except (Broken, aiohttp.ClientError, TimeoutError, ValueError) as error:
            await self._fail(response, type(error).__name__)
        if self._chat and (self._honest is False or not response.get("failed")):
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _fail(self, response: web.StreamResponse, name: str) -> None:
        response["failed"] = True
        if self._honest:
            told = json.dumps({"type": "error", "error": {"type": "api_error", "message": name}})
            await response.write(f"event: error\ndata: {told}\n\n".encode())
        elif not self._chat:
            await response.write(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')

    async def _tell(self, response: web.StreamResponse, event: dict[str, Any]) -> None:
        if not self._chat:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        elif event["type"] == "content_block_delta":
            chunk = {"choices": [{"delta": {"content": event["delta"].get("text", "")}}]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())

    async def _events(self, asked: Any) -> AsyncIterator[dict[str, Any]]:
        body = {key: asked[key] for key in ("model", "max_tokens", "messages", "stream")}
        headers = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
        url = self._simulator.base_url + "/v1/messages"
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        begun = whole = False
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=LIMIT) as session,
            session.post(url, json=body, headers=headers, allow_redirects=False) as upstream,
        ):
            if upstream.status != 200:
                raise Broken
            async for line in upstream.content:
                if not line.startswith(b"data:"):
                    continue
                event = json.loads(line[5:])
                if event["type"] == "error" or (event["type"] != "ping" and not begun):
                    begun = event["type"] == "message_start"
                    if not begun:
                        raise Broken
                if event["type"] == "message_stop":
                    whole = True
                    continue
                yield event
        if not whole:
            raise Broken
        yield {"type": "message_stop"}


@asynccontextmanager
async def relaying(simulator: Simulator, dialect: str, *, honest: bool) -> AsyncIterator[str]:
    """Run a relay; yields its base URL."""
    relay = Relay(simulator, dialect, honest=honest)
    application = web.Application()
    application.router.add_post("/{path:.*}", relay.handle)
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()
