"""The way from the SDK to the wire: an httpx2 client that hands each request straight to aiohttp.

The SDK builds requests and reads errors through an `httpx2.AsyncClient`. What that client does on top
(merging headers, cookies, auth flows, redirects, logging, decompression) the SDK has done already, or
must not happen to a request that carries a key.
"""

from __future__ import annotations

import io
import math
import socket
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, cast

import aiohttp
import httpx2
import yarl
from typing_extensions import override

if TYPE_CHECKING:
    import ssl

    from multidict import CIMultiDict

    from tierwise_server.core.tally import Wire

MAX_ERROR_BYTES: Final = 64 * 1024
"""How much is read of what is no answer: its error object fits many times over."""

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024
"""How much is read of a reply that is not streamed, such as what the API says of a model."""

# What may wait for a reader that is behind; aiohttp stops reading the socket at twice this.
_READ_AHEAD_BYTES: Final = 16 * 1024

# What the kernel is asked to hold besides; Linux doubles it. asyncio takes up to 256 KiB of that in one piece, and
# aiohttp pauses only once a piece has come: with the kernel's usual 128 KiB, each stream behind a reader that stands
# still held 250 KB. So a connection brings 32 KiB in a round trip, many times what a model writes.
_SOCKET_BYTES: Final = 32 * 1024

_LARGE_REQUEST_BYTES: Final = 1024 * 1024
_KEEP_ALIVE_S: Final = 30.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# Headers that aiohttp would add of its own accord; the SDK sends its own, or means to send none.
_NEVER_ADDED: Final = ("accept", "accept-encoding", "user-agent")

# The first match wins, so a class stands before its bases.
_MEANINGS: Final[tuple[tuple[type[Exception], type[httpx2.TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx2.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.InvalidURL, httpx2.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx2.UnsupportedProtocol),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (aiohttp.ClientError, httpx2.ReadError),
    (OSError, httpx2.ReadError),
)


def _translated(error: Exception) -> httpx2.TransportError:
    """The error in httpx2's words; its text only names the class, as it may quote the server."""
    name = type(error).__name__
    return next(meaning(name) for raised, meaning in _MEANINGS if isinstance(error, raised))


class Body(httpx2.AsyncByteStream):
    """The body of one response as it arrives: all that is waiting comes as one chunk.

    Args:
        response: what aiohttp received.

    Attributes:
        status, headers: of the response.
    """

    __slots__ = ("_content", "_left_bytes", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self._left_bytes: float = math.inf
        self.status = response.status
        self.headers = response.headers

    def as_response(self, request: httpx2.Request) -> httpx2.Response:
        """The whole response in httpx2's words; of what is no answer, only so much will be read."""
        if not 200 <= self.status < 300:
            self.limit_to(MAX_ERROR_BYTES)
        # Nobody asked for compression; without its name nothing will be inflated.
        raw = self._response.raw_headers
        headers = [header for header in raw if header[0].lower() != b"content-encoding"]
        return httpx2.Response(self.status, headers=headers, stream=self, request=request)

    def limit_to(self, most_bytes: int) -> None:
        """End the iteration, as if the body were whole, after about this many bytes, or sooner."""
        self._left_bytes = min(self._left_bytes, most_bytes)

    @override
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read() if self._left_bytes > 0 else b""
        if not chunk:
            raise StopAsyncIteration
        self._left_bytes -= len(chunk)
        return chunk

    async def read(self) -> bytes:
        """All that is waiting, or else the next bytes to arrive; empty at the end of the body.

        Raises:
            httpx2.TransportError: the connection broke, or `abort` was called.
        """
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error

    @property
    def whole(self) -> bool:
        """Whether all of it has been read."""
        return self._content.at_eof()

    def abort(self) -> None:
        """Close the connection now; a pending `read` raises. Nothing to do once the body is whole."""
        if not self._content.is_eof():
            self._response.close()

    @override
    async def aclose(self) -> None:
        self.abort()


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, and the headers that it alone is sent."""

    url: yarl.URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Connections:
    """How connections are made and kept.

    Attributes:
        most: open at the same time; the next call waits.
        wait_s: how long it waits before it fails as overloaded.
        connect_s: for name, connection and TLS handshake together.
        tls: what certificates to trust; None trusts what the system does.
        proxy: through which to go; None goes straight.
    """

    most: int = 1000
    wait_s: float = 5.0
    connect_s: float = 5.0
    tls: ssl.SSLContext | None = None
    proxy: Proxy | None = None

    @classmethod
    def from_environment(cls, base_url: str) -> Self:
        """The defaults, by the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for `base_url`.

        Never a proxy for loopback. Read once: to ask for each request would cost more than sending it.
        """
        return cls(proxy=_environment_proxy(yarl.URL(base_url)))


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends httpx2 requests over aiohttp: no redirect followed, no cookie kept, nothing inflated."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        # Made now: it takes 40 ms, which the first call would wait for.
        self._tls = connections.tls or httpx2.create_ssl_context()
        self._session: aiohttp.ClientSession | None = None

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; returns when the response's head is there. Its stream is a `Body`.

        Raises:
            httpx2.TransportError: it could not be sent, or no head came.
        """
        headers = request.headers.multi_items()
        url = yarl.URL(str(request.url), encoded=True)
        body = await self.send(request.method, url, headers, request.content)
        return body.as_response(request)

    async def send(
        self,
        method: str,
        url: yarl.URL,
        headers: CIMultiDict[str] | Sequence[tuple[str, str]],
        content: bytes,
        wire: Wire | None = None,
    ) -> Body:
        """Send a request; returns when the response's head is there. `wire` is told when the request is out.

        Raises:
            httpx2.TransportError: it could not be sent, or no head came.
        """
        session = self._session or self._open()
        proxy = self._connections.proxy
        try:
            response = await session.request(
                method,
                url,
                headers=headers,
                # aiohttp wants large bodies as files, to send them piece by piece.
                data=io.BytesIO(content) if len(content) > _LARGE_REQUEST_BYTES else content,
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
                trace_request_ctx=wire,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error
        return Body(response)

    @override
    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        connections = self._connections
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=self._tls,
            socket_factory=_bounded_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(connect=connections.connect_s),
            auto_decompress=False,
            read_bufsize=_READ_AHEAD_BYTES,
            skip_auto_headers=_NEVER_ADDED,
            trace_configs=[_telling()],
        )
        return self._session


def _telling() -> aiohttp.TraceConfig:
    """What tells a call's wire that its request is out: from here on the provider may have it."""
    telling = aiohttp.TraceConfig()
    telling.on_request_headers_sent.append(_is_out)
    return telling


async def _is_out(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _told: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    wire: Wire | None = context.trace_request_ctx
    if wire is not None:
        wire.out = True


def _bounded_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that takes in little for a reader that is behind."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
    return made


class DirectClient(httpx2.AsyncClient):
    """An httpx2 client for the SDK that adds nothing to what the SDK asks for."""

    def __init__(self, transport: AiohttpTransport) -> None:
        self._direct = transport
        super().__init__(transport=transport, trust_env=False, timeout=None)

    @override
    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        content, headers, params = (options.get(key) for key in ("content", "headers", "params"))
        return httpx2.Request(method, url, params=params, headers=headers, content=content)

    @override
    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        response = await self._direct.handle_async_request(request)
        if not options.get("stream"):
            cast("Body", response.stream).limit_to(MAX_REPLY_BYTES)
            await response.aread()
        return response


def _environment_proxy(url: yarl.URL) -> Proxy | None:
    host = url.host or ""
    named = urllib.request.getproxies().get(url.scheme)
    if not named or host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    proxy = yarl.URL(named if "://" in named else f"http://{named}")
    if proxy.user is None:
        return Proxy(proxy)
    credentials = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return Proxy(proxy.with_user(None), {"Proxy-Authorization": credentials})
