"""A span around each call, where OpenTelemetry is installed; nothing where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from tierwise_client._settings import Endpoint
    from tierwise_client._values import GenerationSummary


class Span(Protocol):
    """One call as a trace shows it. Ends once; what comes after the end is ignored."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What carries the trace to the server."""

    def succeed(self, summary: GenerationSummary | None = None) -> None:
        """End: the call went well."""

    def fail(self, error: BaseException | None) -> None:
        """End: the call failed, or (None) was given up before its end."""


class Tracer(Protocol):
    """Makes spans."""

    def start(self, method: str, task_type: str) -> Span:
        """Start the span of a call of `method`, as a child of the current one."""


class NoSpan:
    """The span where there is no OpenTelemetry."""

    headers: tuple[tuple[str, str], ...] = ()

    def succeed(self, summary: GenerationSummary | None = None) -> None:
        """Do nothing."""

    def fail(self, error: BaseException | None) -> None:
        """Do nothing."""


class NoTracer:
    """The tracer where there is no OpenTelemetry."""

    def start(self, method: str, task_type: str) -> Span:  # noqa: ARG002 - the port's arguments
        """Return a span that does nothing."""
        return NoSpan()


def tracer_for(endpoint: Endpoint, provider: TracerProvider | None) -> Tracer:
    """Return the tracer of one client: of `provider`, else of the process, else none."""
    try:
        from tierwise_client._opentelemetry import OpenTelemetryTracer
    except ImportError:
        return NoTracer()
    return OpenTelemetryTracer(endpoint, provider)
