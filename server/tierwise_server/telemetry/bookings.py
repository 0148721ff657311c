"""How the ledger does, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierwise_server.telemetry.metrics import Metrics


class Bookings:
    """Counts calls made without a row and shows how the ledger stands. Never raises."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    def unrecorded(self) -> None:
        """A call is made without a row."""
        if self._metrics is not None:
            self._metrics.unrecorded.add(1)

    def state(self, *, healthy: bool, waiting: int, lost: int) -> None:
        """How it stands: entries that wait, and entries lost since the start."""
        if self._metrics is not None:
            self._metrics.ledger_healthy.show({(): float(healthy)})
            self._metrics.ledger_waiting.show({(): float(waiting)})
            self._metrics.ledger_lost.show({(): float(lost)})
