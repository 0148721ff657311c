"""What budgets' periods hold already, kept up to date while several reservations are decided together."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import TYPE_CHECKING

from tierwise_server.ledger.entries import BudgetScope, Period

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Budget, Reservation

_Key = tuple[str, str | None, Period, datetime.date]


class Committed:
    """Charged and reserved nano-USD by tenant, by key, by period."""

    def __init__(self) -> None:
        self._nano_usd: Counter[_Key] = Counter()

    def put(
        self, tenant: str, key_id: str, period: Period, day: datetime.date, nano_usd: int
    ) -> None:
        """Count an amount to the period that holds `day`, of the key and of its tenant."""
        first, _ = period.days(day)
        self._nano_usd[tenant, key_id, period, first] += nano_usd
        self._nano_usd[tenant, None, period, first] += nano_usd

    def reserve(self, reservation: Reservation) -> None:
        """Count a reservation that was granted."""
        origin = reservation.origin
        for period in Period:
            amount = reservation.worst_case_nano_usd or 0
            self.put(origin.tenant, origin.key_id, period, reservation.day, amount)

    def nano_usd(self, reservation: Reservation, budget: Budget) -> int:
        """What a budget of the reservation's tenant or key holds in the reservation's period."""
        origin = reservation.origin
        key_id = origin.key_id if budget.scope is BudgetScope.KEY else None
        first, _ = budget.period.days(reservation.day)
        return self._nano_usd[origin.tenant, key_id, budget.period, first]
