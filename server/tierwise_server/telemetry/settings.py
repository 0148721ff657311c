"""What the standard OTEL_* variables say, read once and checked whole.

Each variable has the meaning of the OpenTelemetry specification. Compression, files of certificates and keys, and span
limits are left to the OpenTelemetry SDK, which reads them from the process's own environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from tierwise_server.errors import ConfigurationError, Fault

SERVICE_NAME: Final = "tierwise"
_OTLP: Final = "OTEL_EXPORTER_OTLP"
_EXPORTERS: Final = frozenset({"otlp", "console", "none"})
_SAMPLERS: Final = frozenset(
    {"always_on", "always_off", "traceidratio"}
    | {"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
)
_GZIP: Final = frozenset({"gzip", "none"})
_SHORTEST_TIMEOUT_MS: Final = 100
"""Less is not a patient collector but a value in seconds, which is how older Python SDKs read this variable."""


@dataclass(frozen=True, slots=True)
class OtlpTarget:
    """Where one signal goes over OTLP/gRPC. `insecure` None: as the endpoint's scheme says."""

    endpoint: str = ""
    headers: str = field(default="", repr=False)
    timeout_s: float = 10.0
    insecure: bool | None = None


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Which signals are exported, how, and under which name.

    Attributes:
        trace_exporters, metric_exporters: any of "otlp" and "console"; empty switches the signal off.
        resource: what the process is, by resource attribute.
        max_waiting_spans: spans that may wait for the collector; more are dropped and counted.
        export_delay_s: how long spans wait for company; `batch_spans` of them go at once.
        metric_interval_s: how often metrics are sent.
        sampler: its standard name; `sample_ratio` for the ratio samplers.
    """

    trace_exporters: frozenset[str] = frozenset()
    metric_exporters: frozenset[str] = frozenset()
    traces: OtlpTarget = OtlpTarget()
    metrics: OtlpTarget = OtlpTarget()
    resource: Mapping[str, str] = field(default_factory=lambda: {"service.name": SERVICE_NAME})
    max_waiting_spans: int = 2048
    batch_spans: int = 512
    export_delay_s: float = 5.0
    metric_interval_s: float = 60.0
    sampler: str = "parentbased_always_on"
    sample_ratio: float = 1.0
    disabled: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> TelemetrySettings:
        """Read the OTEL_* variables.

        A signal is exported when its exporter variable names one, or when that is unset and an OTLP endpoint is set.

        Raises:
            ConfigurationError: with one fault per variable that cannot be used.
        """
        reader = _Reader(environ)
        disabled = reader.boolean("OTEL_SDK_DISABLED") or False
        settings = cls(
            trace_exporters=reader.exporters("TRACES"),
            metric_exporters=reader.exporters("METRICS"),
            traces=reader.target("TRACES"),
            metrics=reader.target("METRICS"),
            resource=reader.resource(),
            max_waiting_spans=int(reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, least=1)),
            batch_spans=int(reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, least=1)),
            export_delay_s=reader.number("OTEL_BSP_SCHEDULE_DELAY", 5000, least=1) / 1000,
            metric_interval_s=reader.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000, least=1) / 1000,
            sampler=reader.one_of("OTEL_TRACES_SAMPLER", _SAMPLERS, "parentbased_always_on"),
            sample_ratio=reader.number("OTEL_TRACES_SAMPLER_ARG", 1, most=1),
            disabled=disabled,
        )
        if disabled:
            return cls(disabled=True)
        if reader.faults:
            raise ConfigurationError(tuple(reader.faults))
        return settings


class _Reader:
    """Reads variables and collects what is wrong with them. An empty variable counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[Fault] = []

    def text(self, *names: str) -> str:
        """The first of these variables that is set; empty when none is."""
        return next((value for name in names if (value := self._get(name))), "")

    def boolean(self, name: str) -> bool | None:
        """True or false, or None when unset; only `true` is true, as the specification has it."""
        value = self._get(name).lower()
        return None if not value else value == "true"

    def number(
        self, name: str, default: float, *, least: float = 0, most: float = float("inf")
    ) -> float:
        """A number of the given range."""
        text = self._get(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            bounds = (
                f"of {least:g} or more" if most == float("inf") else f"from {least:g} to {most:g}"
            )
            self._fault(name, f"is not a number {bounds}: {text[:32]!r}")
            return default
        return value

    def one_of(self, name: str, allowed: Iterable[str], default: str) -> str:
        """One of the allowed words."""
        value = self._get(name).lower() or default
        if value not in allowed:
            self._fault(name, f"is not one of {', '.join(sorted(allowed))}: {value[:32]!r}")
            return default
        return value

    def exporters(self, signal: str) -> frozenset[str]:
        """The exporters of a signal."""
        name = f"OTEL_{signal}_EXPORTER"
        words = {word.strip().lower() for word in self._get(name).split(",")} - {""}
        if unknown := words - _EXPORTERS:
            known = ", ".join(sorted(_EXPORTERS))
            self._fault(name, f"knows {known}, not {', '.join(sorted(unknown))[:64]}")
        if not words and self.text(f"{_OTLP}_{signal}_ENDPOINT", f"{_OTLP}_ENDPOINT"):
            return frozenset({"otlp"})
        return frozenset() if "none" in words else frozenset(words & _EXPORTERS)

    def target(self, signal: str) -> OtlpTarget:
        """Where a signal goes; its own variables win over those of all signals."""
        own = f"{_OTLP}_{signal}"
        protocol = self._first(f"{own}_PROTOCOL", f"{_OTLP}_PROTOCOL")
        if self.one_of(protocol, {"grpc", "http/protobuf", "http/json"}, "grpc") != "grpc":
            self._fault(protocol, "only grpc is built in; collectors take it on port 4317")
        timeout = self._first(f"{own}_TIMEOUT", f"{_OTLP}_TIMEOUT")
        insecure = self.boolean(f"{own}_INSECURE")
        self.one_of(self._first(f"{own}_COMPRESSION", f"{_OTLP}_COMPRESSION"), _GZIP, "none")
        return OtlpTarget(
            endpoint=self.text(f"{own}_ENDPOINT", f"{_OTLP}_ENDPOINT"),
            headers=self.text(f"{own}_HEADERS", f"{_OTLP}_HEADERS"),
            timeout_s=self._timeout_ms(timeout) / 1000,
            insecure=self.boolean(f"{_OTLP}_INSECURE") if insecure is None else insecure,
        )

    def resource(self) -> Mapping[str, str]:
        """OTEL_RESOURCE_ATTRIBUTES with OTEL_SERVICE_NAME on top."""
        name = "OTEL_RESOURCE_ATTRIBUTES"
        attributes = {"service.name": SERVICE_NAME}
        for pair in filter(None, (pair.strip() for pair in self._get(name).split(","))):
            key, equals, value = pair.partition("=")
            if not equals or not key.strip():
                self._fault(name, f"is not a list of key=value: {pair[:32]!r}")
            attributes[key.strip()] = unquote(value.strip())
        if service := self._get("OTEL_SERVICE_NAME"):
            attributes["service.name"] = service
        return attributes

    def _timeout_ms(self, name: str) -> float:
        value = self.number(name, 10_000)
        if value < _SHORTEST_TIMEOUT_MS:
            self._fault(name, f"is in milliseconds, at least {_SHORTEST_TIMEOUT_MS}: {value:g}")
        return value

    def _get(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def _first(self, own: str, shared: str) -> str:
        return own if self._get(own) else shared

    def _fault(self, name: str, message: str) -> None:
        fault = Fault(name, message)
        if fault not in self.faults:
            self.faults.append(fault)
