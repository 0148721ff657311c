"""Sends requests as the SDK does, without asking the SDK each time.

The requests of one client differ in their body and a header or two. What the SDK makes of the rest (authentication,
version, its own headers) is learned once, from a request that it builds and nobody sends; and a response that is no
answer is handed to it, to become its error. Asked each time, it would cost 40% of what an answer costs here
(measured: 0.40 against 0.24 ms of CPU for 100 deltas in a burst).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, cast

import httpx2
import yarl
from anthropic import AsyncAnthropic, AsyncStream
from multidict import CIMultiDict
from typing_extensions import override

from tierwise_server.providers.anthropic.transport import (
    AiohttpTransport,
    Body,
    DirectClient,
)

if TYPE_CHECKING:
    from tierwise_server.core.tally import Wire

_MakeResponse: TypeAlias = Callable[[httpx2.Request], httpx2.Response]

_OF_ONE_REQUEST: Final = ("host", "content-length")
"""Headers that the transport works out for each request."""


class MessagesSender:
    """Posts to the Messages API as the SDK's client would.

    Args:
        client: authenticates, and tells errors. It must not retry.
        transport: sends. Whoever made it closes it.
        url: the address of the Messages API.
    """

    def __init__(self, client: AsyncAnthropic, transport: AiohttpTransport, url: str) -> None:
        self._client = client
        self._transport = transport
        # The SDK takes a parsed URL too, whatever its types say, and then does not join it to its own.
        self._url = cast("str", httpx2.URL(url))
        self._target = yarl.URL(url, encoded=True)
        self._usual: CIMultiDict[str] | None = None

    async def send(self, content: bytes, headers: Mapping[str, str], wire: Wire) -> Body:
        """Post `content`, with `headers` beside the usual ones; returns the body of a 2xx response, unread.

        `wire` is told when the request is out.

        Raises:
            APIStatusError: the response is any other.
            httpx2.TransportError: there is none.
        """
        usual = self._usual or await self._learn()
        wanted = usual.copy()
        wanted.update(headers)
        body = await self._transport.send("POST", self._target, wanted, content, wire)
        if not 200 <= body.status < 300:
            await self._refuse(body)
        return body

    async def _learn(self) -> CIMultiDict[str]:
        response = await self._rehearse(lambda request: httpx2.Response(200, request=request))
        usual = CIMultiDict(response.request.headers.multi_items())
        for name in _OF_ONE_REQUEST:
            usual.popall(name, None)
        self._usual = usual
        return usual

    async def _refuse(self, body: Body) -> NoReturn:
        await self._rehearse(body.as_response)
        raise AssertionError("the SDK raises for every status but 2xx")

    async def _rehearse(self, answer: _MakeResponse) -> httpx2.Response:
        """Have the SDK post where nothing is sent; returns what `answer` makes, unless the SDK raises."""
        stage = _Stage(self._transport, answer)
        stream = await self._client.with_options(http_client=stage).post(
            self._url,
            content=b"",
            cast_to=httpx2.Response,
            stream=True,
            stream_cls=AsyncStream[Any],
        )
        # With this cast_to the SDK hands out the response itself, unread, which its types do not say.
        return cast("httpx2.Response", stream)


class _Stage(DirectClient):
    """Sends nothing: `answer` makes the response to every request."""

    def __init__(self, transport: AiohttpTransport, answer: _MakeResponse) -> None:
        super().__init__(transport)
        self._answer = answer

    @override
    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        return self._answer(request)
