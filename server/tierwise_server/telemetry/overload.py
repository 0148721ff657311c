"""What the guards against overload and failing models do, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise_server.telemetry import names

if TYPE_CHECKING:
    from tierwise_server.telemetry.metrics import Metrics


class Overload:
    """Counts what was turned away, how long calls queued, and the states of circuit breakers. Never raises.

    Every label is a configured model's or provider's name, or one of three states.
    """

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    def breaker_changed(self, model: str, state: str) -> None:
        """A model's breaker came into a state."""
        if self._metrics is not None:
            self._metrics.breaker_changes.add(1, model, state)

    def call_waited(self, provider: str, seconds: float) -> None:
        """A call got its place at the provider after so long."""
        if self._metrics is not None:
            self._metrics.queue_wait.record(seconds, {names.PROVIDER: provider})

    def call_shed(self, provider: str) -> None:
        """A call got no place at the provider in time."""
        if self._metrics is not None:
            self._metrics.shed.add(1, provider)

    def request_shed(self) -> None:
        """A request was turned away before it began."""
        if self._metrics is not None:
            self._metrics.shed.add(1, "")
