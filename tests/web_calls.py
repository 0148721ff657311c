"""Calls over the web port by hand: the Connect protocol with JSON, and gRPC-Web, as their specifications have them.

No client library: what a client of another make would see is what is looked at.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import aiohttp
from google.protobuf import json_format
from google.rpc import status_pb2
from grpc import StatusCode

from tests.serving import Outcome, Served, _Configured, configured, serving, unpacked
from tierwise.v1 import router_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tierwise_server.access.base import KeyStore

SERVICE: Final = "/tierwise.v1.RouterService"
END_OF_CONNECT: Final = 0x02
END_OF_GRPC_WEB: Final = 0x80
_STATUSES: Final = {status.value[0]: status.name for status in StatusCode}


@asynccontextmanager
async def web_serving(
    script: Any = None,
    config: _Configured | None = None,
    web: Mapping[str, Any] | None = None,
    keys: KeyStore | None = None,
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    """Run a server with a web port, and open a session to that."""

    def with_web(environ: Mapping[str, str]) -> Any:
        found = (config or configured())(environ)
        settings = found.server.web.model_validate({"listen": "127.0.0.1:0", **(web or {})})
        server = found.server.model_copy(update={"web": settings})
        return found.model_copy(update={"server": server})

    async with serving(script, with_web, keys=keys) as served:
        assert served.app.web is not None
        port = await served.app.web.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                yield served, session
        finally:
            await served.app.web.stop_now()


async def route_over_connect(
    session: aiohttp.ClientSession, request: router_pb2.RouteRequest
) -> tuple[router_pb2.RouteResponse, Outcome]:
    """Ask Route in JSON."""
    body = json_format.MessageToDict(request)
    async with session.post(f"{SERVICE}/Route", json=body) as response:
        said = await response.json()
        if response.status == 200:
            parsed = json_format.ParseDict(said, router_pb2.RouteResponse())
            return parsed, Outcome("OK", "", [], [], {})
        return router_pb2.RouteResponse(), _failure(said, [])


@asynccontextmanager
async def generating_over_connect(
    session: aiohttp.ClientSession,
    request: router_pb2.GenerateRequest,
    timeout_s: float | None = None,
) -> AsyncIterator[AsyncIterator[tuple[int, bytes]]]:
    """Ask Generate in JSON; gives the envelopes of the answer."""
    body = json.dumps(json_format.MessageToDict(request)).encode()
    headers = {"content-type": "application/connect+json"}
    if timeout_s is not None:
        headers["connect-timeout-ms"] = str(round(timeout_s * 1000))
    posted = session.post(f"{SERVICE}/Generate", data=enveloped(body), headers=headers)
    async with posted as response:
        assert response.status == 200
        yield envelopes(response.content)


async def outcome_over_connect(stream: AsyncIterator[tuple[int, bytes]]) -> Outcome:
    """Read an answer to its end."""
    messages: list[router_pb2.GenerateResponse] = []
    async for flags, data in stream:
        if flags & END_OF_CONNECT:
            end = json.loads(data)
            if "error" in end:
                return _failure(end["error"], messages)
            trailers = {name: values[0] for name, values in end.get("metadata", {}).items()}
            return Outcome("OK", "", messages, [], trailers)
        messages.append(json_format.Parse(data, router_pb2.GenerateResponse()))
    raise AssertionError("the stream ended without its end")


async def outcome_over_grpc_web(
    session: aiohttp.ClientSession, request: router_pb2.GenerateRequest
) -> Outcome:
    """Ask Generate over gRPC-Web, and read the answer to its end."""
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    data = enveloped(request.SerializeToString())
    messages: list[router_pb2.GenerateResponse] = []
    trailers: dict[str, str] = {}
    async with session.post(f"{SERVICE}/Generate", data=data, headers=headers) as response:
        trailers |= dict(response.headers)
        async for flags, part in envelopes(response.content):
            if flags & END_OF_GRPC_WEB:
                lines = part.decode().strip().split("\r\n")
                trailers |= {k.lower(): v.strip() for k, _, v in (n.partition(":") for n in lines)}
            else:
                messages.append(router_pb2.GenerateResponse.FromString(part))
    packed = trailers.get("grpc-status-details-bin", "")
    details = unpacked(base64.b64decode(packed + "=" * (-len(packed) % 4))) if packed else []
    status = _STATUSES[int(trailers["grpc-status"])]
    message = unquote(trailers.get("grpc-message", ""))
    return Outcome(status, message, messages, details, dict(trailers))


def enveloped(body: bytes) -> bytes:
    """Put the five bytes before a message that both protocols have."""
    return b"\0" + len(body).to_bytes(4) + body


async def envelopes(content: aiohttp.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Yield flags and message of each envelope."""
    while not content.at_eof():
        head = await content.readexactly(5)
        yield head[0], await content.readexactly(int.from_bytes(head[1:]))


def _failure(error: Mapping[str, Any], messages: list[router_pb2.GenerateResponse]) -> Outcome:
    status = str(error["code"]).upper().replace("CANCELED", "CANCELLED")
    packed = status_pb2.Status()
    for detail in error.get("details", []):
        value = detail["value"]
        packed.details.add(
            type_url=f"type.googleapis.com/{detail['type']}",
            value=base64.b64decode(value + "=" * (-len(value) % 4)),
        )
    details: list[Message] = unpacked(packed.SerializeToString())
    return Outcome(status, error.get("message", ""), messages, details, {})
