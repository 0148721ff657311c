"""Telemetry as the rest of the server sees it: made once at the start, shut down once at the end."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TextIO
from urllib.parse import unquote, urlsplit

from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from tierwise_server.telemetry import export, names, propagation
from tierwise_server.telemetry.attributes import Attributes
from tierwise_server.telemetry.bookings import Bookings
from tierwise_server.telemetry.logs import bind_trace
from tierwise_server.telemetry.metrics import Metrics
from tierwise_server.telemetry.overload import Overload
from tierwise_server.telemetry.reloads import Reloads
from tierwise_server.telemetry.server_span import ServerSpan, Signals
from tierwise_server.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader

    from tierwise_server.core.table import RoutingTable

METHODS: Final = frozenset(
    {"tierwise.v1.RouterService/Route", "tierwise.v1.RouterService/Generate"}
)
"""The methods that spans and metrics name; every other one is `_OTHER`, so that callers cannot add names."""

_SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{names.SEMCONV}"


class Telemetry:
    """Makes the spans and counts the metrics of the server. Safe in any thread.

    Give the providers to use, None for a signal that is off. Whoever makes a Telemetry shuts it down.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        service_version: str = "",
        upstreams: Mapping[str, str] | None = None,
        exporters: Sequence[export.Closeable] = (),
        losses: export.LossLog | None = None,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._exporters = exporters
        self._losses = losses or export.LossLog()
        self._down = False
        tracer = metrics = None
        if tracer_provider is not None:
            tracer = tracer_provider.get_tracer(names.SCOPE, service_version, _SCHEMA_URL)
        if meter_provider is not None:
            metrics = Metrics(meter_provider.get_meter(names.SCOPE, service_version, _SCHEMA_URL))
        endpoints = {name: _endpoint(url) for name, url in (upstreams or {}).items()}
        self._metrics = metrics
        self._signals = Signals(tracer, metrics, endpoints)
        self.overload = Overload(metrics)
        self.bookings = Bookings(metrics)
        self.reloads = Reloads(metrics)

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """What makes the spans, for a client in the same process; None when tracing is off."""
        return self._tracer_provider

    @classmethod
    def off(cls) -> Telemetry:
        """One that does nothing, for tests and measurements."""
        return cls()

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        service_version: str,
        console: TextIO | None = None,
        collector: SpanProcessor | None = None,
        upstreams: Mapping[str, str] | None = None,
        set_global: bool = False,
    ) -> Telemetry:
        """Make what the OTEL_* variables of `environ` say; with none of them set, everything is off.

        Args:
            environ: see `TelemetrySettings.from_environment`.
            service_version: becomes service.version.
            console: where the console exporters write; standard error by default.
            collector: also gets every span, in the thread that ends it; switches tracing on by itself.
            upstreams: the base URL of each provider, for server.address.
            set_global: also make the providers OpenTelemetry's global ones, so that other libraries in this process
                report to them. Possible once per process.

        Raises:
            ConfigurationError: with one fault per variable that cannot be used.
        """
        settings = TelemetrySettings.from_environment(environ)
        return cls.from_settings(
            settings,
            service_version=service_version,
            console=console,
            collector=collector,
            upstreams=upstreams,
            set_global=set_global,
        )

    @classmethod
    def from_settings(
        cls,
        settings: TelemetrySettings,
        *,
        service_version: str,
        console: TextIO | None = None,
        collector: SpanProcessor | None = None,
        upstreams: Mapping[str, str] | None = None,
        set_global: bool = False,
    ) -> Telemetry:
        """Make what the settings say; see `from_environment`."""
        if settings.disabled:
            return cls.off()
        losses = export.LossLog()
        out = console if console is not None else sys.stderr
        processors, span_exporters = export.span_processors(settings, out, losses)
        readers, metric_exporters = export.metric_readers(settings, out)
        if collector is not None:
            processors.append(collector)
        resource = _resource(settings, service_version)
        telemetry = cls(
            tracer_provider=_tracer_provider(settings, resource, processors),
            meter_provider=_meter_provider(resource, readers),
            service_version=service_version,
            upstreams=upstreams,
            exporters=[*span_exporters, *metric_exporters],
            losses=losses,
        )
        if set_global:
            telemetry.set_global()
        return telemetry

    @property
    def lost_spans(self) -> int:
        """Spans that no collector got, because the queue was full or an export failed."""
        return self._losses.lost

    def server_span(
        self, method: str, metadata: Iterable[tuple[str, str | bytes]], peer: str
    ) -> ServerSpan:
        """Begin the span of a call over gRPC: "package.Service/Method", its metadata, its peer as grpc names it.

        Call it in the task that serves the call: from then on the log lines of that task, and of those it starts,
        carry the ids of the trace. Always end what it returns.
        """
        known = method if method in METHODS else "_OTHER"
        if self._signals.tracer is None:
            return ServerSpan(self._signals, known, None, {})
        described: Attributes = {names.RPC_SYSTEM: "grpc", names.RPC_METHOD: known}
        described.update(_peer(peer))
        span = ServerSpan(self._signals, known, propagation.extracted(metadata), described)
        bind_trace(span.trace_id, span.span_id)
        return span

    def expect(self, table: RoutingTable) -> None:
        """Show beside what happens what the table's evidence says will: escalation rates and costs.

        Call it again for every table that comes into force.
        """
        if self._metrics is not None:
            self._metrics.expect(table)

    def set_global(self) -> None:
        """Make these providers OpenTelemetry's global ones. Possible once per process."""
        if self._tracer_provider is not None:
            trace_api.set_tracer_provider(self._tracer_provider)
        if self._meter_provider is not None:
            metrics_api.set_meter_provider(self._meter_provider)

    def shutdown(self, timeout_s: float) -> None:
        """Export what waits, for at most `timeout_s`; what is left by then is lost.

        Blocks: call it in a thread. Only the first call counts.
        """
        if self._down:
            return
        self._down = True
        steps = []
        if self._tracer_provider is not None:
            steps.append(self._tracer_provider.shutdown)
        if self._meter_provider is not None:
            steps.append(self._meter_provider.shutdown)
        export.run_bounded(steps, self._exporters, timeout_s)
        self._losses.report()


def _tracer_provider(
    settings: TelemetrySettings, resource: Resource, processors: Sequence[SpanProcessor]
) -> TracerProvider | None:
    if not processors:
        return None
    # Not at exit: the SDK's own handler would wait for a dead collector, and Telemetry.shutdown is bounded.
    provider = TracerProvider(_sampler(settings), resource, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def _meter_provider(resource: Resource, readers: Sequence[MetricReader]) -> MeterProvider | None:
    if not readers:
        return None
    return MeterProvider(readers, resource, shutdown_on_exit=False)


def _sampler(settings: TelemetrySettings) -> Sampler:
    root: Sampler = ALWAYS_ON
    if settings.sampler.endswith("traceidratio"):
        root = TraceIdRatioBased(settings.sample_ratio)
    elif settings.sampler.endswith("always_off"):
        root = ALWAYS_OFF
    return ParentBased(root) if settings.sampler.startswith("parentbased_") else root


def _resource(settings: TelemetrySettings, service_version: str) -> Resource:
    described = {"service.version": service_version, "service.instance.id": str(uuid.uuid4())}
    return Resource.create({**described, **settings.resource})


def _endpoint(url: str) -> Attributes:
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return {names.SERVER_ADDRESS: parts.hostname, names.SERVER_PORT: port}


def _peer(peer: str) -> Attributes:
    """Read grpc's name of a peer: ipv4:127.0.0.1:5000, ipv6:%5B::1%5D:5000 or unix:path."""
    family, _, address = peer.partition(":")
    if family not in ("ipv4", "ipv6"):
        return {names.PEER_ADDRESS: address} if address else {}
    host, _, port = unquote(address).rpartition(":")
    described: Attributes = {names.PEER_ADDRESS: host.strip("[]")}
    if port.isascii() and port.isdigit():
        described[names.PEER_PORT] = int(port)
    return described
