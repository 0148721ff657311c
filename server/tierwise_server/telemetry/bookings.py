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

    def state(self, *, healthy: bool, waiting: int) -> None:
        """How it stands: whether it records, and the entries that wait in memory."""
        if self._metrics is not None:
            self._metrics.ledger_healthy.show({(): float(healthy)})
            self._metrics.ledger_waiting.show({(): float(waiting)})

    def emergency(self, *, spilled: int, lost: int, filled: float) -> None:
        """What became of entries that the ledger did not take since the start; `filled` is the file's share, 0 to 1."""
        if self._metrics is not None:
            self._metrics.ledger_spilled.reach(spilled)
            self._metrics.ledger_lost.reach(lost)
            self._metrics.ledger_spill_filled.show({(): filled})
