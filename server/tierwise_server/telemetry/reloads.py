"""How reloading goes, as metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwise_server.telemetry.metrics import Metrics


class Reloads:
    """Counts reloads, and tells how long the routing table has been in force. Never raises."""

    def __init__(
        self, metrics: Metrics | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._metrics = metrics
        self._monotonic = monotonic

    def table_loaded(self, version: str) -> None:
        """A table came into force, for the first time or again."""
        if self._metrics is not None:
            since_s = self._monotonic()
            self._metrics.table_age.show({(version,): lambda: self._monotonic() - since_s})

    def reloaded(self) -> None:
        """What was read is in force."""
        if self._metrics is not None:
            self._metrics.reloads.add(1, "")

    def failed(self) -> None:
        """What was read cannot be used."""
        if self._metrics is not None:
            self._metrics.reloads.add(1, "INVALID_CONFIGURATION")
