"""The client: where the server is, and the three ways to ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from tierwise_client import _convert, _options, _settings
from tierwise_client._async._stream import AsyncStream
from tierwise_client._async_transport import AsyncTransport
from tierwise_client._options import GenerateOptions, RouteOptions, StreamOptions
from tierwise_client._prompt import Prompt
from tierwise_client._tracing import tracer_for
from tierwise_client._values import Answer, RouteResult

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from tierwise.v1.router_pb2 import GenerateRequest


class AsyncClient:
    """A connection to a tierwise server, for many calls at once.

    It connects at the first call. `async with` closes it, or `close()`; closing cancels what runs.

    Args:
        endpoint: `host:port` or a gRPC target such as `dns:///router.internal:50051`, which spreads
            calls over all addresses. Default: TIERWISE_ENDPOINT, else 127.0.0.1:50051.
        api_key: sent as `authorization: Bearer`. Default: TIERWISE_API_KEY; empty: none is sent.
        timeout_s: deadline of each call in seconds; a call's own wins; `math.inf` for none.
        tls: default: on, unless the host is loopback and no certificate is given.
        root_certificates: PEM, or the path of a file, of whom to trust. Default: gRPC's own list.
        client_certificate: PEM, or the path of a file, for mTLS; with `client_key`.
        client_key: PEM, or the path of a file, for mTLS.
        default_metadata: sent with every call, e.g. for a proxy on the way.
        channel_options: gRPC channel options; they replace the client's own of the same name.
        tracer_provider: of OpenTelemetry. Default: the process's. Nothing is traced where
            opentelemetry-api is not installed.

    Raises:
        ValueError: an argument or a variable makes no sense.
        OSError: a certificate file cannot be read.

    Example:
        async with AsyncClient() as client:
            answer = await client.generate("Is this mail spam? ...", task_type="classify_intent")
            print(answer.text, answer.tier, answer.cost and answer.cost.usd)
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = _settings.DEFAULT_TIMEOUT_S,
        tls: bool | None = None,
        root_certificates: _settings.Pem | None = None,
        client_certificate: _settings.Pem | None = None,
        client_key: _settings.Pem | None = None,
        default_metadata: Mapping[str, str | bytes] = MappingProxyType({}),
        channel_options: Sequence[_settings.ChannelOption] = (),
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self._settings = _settings.settings_from(
            endpoint,
            api_key=api_key,
            timeout_s=timeout_s,
            tls=tls,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=client_key,
            default_metadata=default_metadata,
            channel_options=channel_options,
        )
        self._transport = AsyncTransport(self._settings)
        self._tracer = tracer_for(self._settings.endpoint, tracer_provider)

    async def route(self, prompt: Prompt = "", **options: Unpack[RouteOptions]) -> RouteResult:
        """Return which tier a task would get, why, and what it would cost at each tier.

        Calls no model and costs nothing; safe to repeat, and repeated by gRPC while the server is
        unavailable. The prompt serves to estimate tokens only, and may be left out.

        Args:
            prompt: a text (the user's), or messages: `("user", text)`,
                `{"role": "user", "content": text}` or protobuf `Message`.
            **options: see `RouteOptions`.

        Raises:
            TierwiseError: the call failed.
            TypeError, ValueError: an argument cannot be sent.

        Example:
            async with AsyncClient() as client:
                result = await client.route("Why does this deadlock?", task_type="debug_complex_error")
                print(result.decision.tier, result.decision.why)
        """
        request = _options.route_request(prompt, options)
        timeout_s = _options.timeout_s(options, self._settings.timeout_s)
        span = self._tracer.start("Route", request.task_type)
        try:
            response = await self._transport.route(request, span.headers, timeout_s)
        except BaseException as error:
            span.fail(error)
            raise
        span.succeed()
        return _convert.route_result(response)

    async def generate(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> Answer:
        """Run a task and return the whole answer. Calls models and costs money.

        gRPC repeats it while the server is unavailable, and never once the task has started: nothing
        is paid twice unnoticed. Leaving it early (cancellation, deadline) stops the server's work.

        Args:
            prompt: a text (the user's), or messages: `("user", text)`,
                `{"role": "user", "content": text}` or protobuf `Message`.
            **options: see `GenerateOptions`.

        Raises:
            TierwiseError: there is no answer; `summary` says what it cost, as far as known, and
                `started` whether asking again may cost again.
            TypeError, ValueError: an argument cannot be sent.

        Example:
            async with AsyncClient() as client:
                answer = await client.generate(
                    [("user", "What is 2 + 2?"), ("assistant", "4"), ("user", "Times 3?")],
                    system="Answer with a number.",
                    max_output_tokens=200,
                    max_cost_usd="0.01",
                )
                print(answer.text)
        """
        request = _options.generate_request(prompt, options)
        async with self._run(request, options) as stream:
            async for _ in stream.events:
                pass
            return stream.answer

    def stream(self, prompt: Prompt, **options: Unpack[StreamOptions]) -> AsyncStream:
        """Return a task to be run piece by piece, as a context manager that starts and stops it.

        Nothing is sent until the stream is entered. Then it costs money as `generate` does; leaving
        it, in whatever way, stops the server's work.

        Args:
            prompt: as for `generate`.
            **options: see `StreamOptions`.

        Raises:
            TypeError, ValueError: an argument cannot be sent.

        Example:
            async with AsyncClient() as client:
                async with client.stream("Write a haiku about routers.") as stream:
                    async for text in stream.text:
                        print(text, end="", flush=True)
                print(stream.answer.tier)
        """
        return self._run(_options.stream_request(prompt, options), options)

    def _run(self, request: GenerateRequest, options: RouteOptions) -> AsyncStream:
        timeout_s = _options.timeout_s(options, self._settings.timeout_s)
        return AsyncStream(self._transport, self._tracer, request, timeout_s)

    async def close(self) -> None:
        """Cancel what runs and close the connection; a second time does nothing."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._settings.endpoint.target!r})"
