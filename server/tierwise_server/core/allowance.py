"""What a request may still spend under the cap that it sets for itself, and what it has tried in vain. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from tierwise_server.core.model import CallKind
from tierwise_server.core.prices import total
from tierwise_server.core.succession import UNAVAILABLE
from tierwise_server.errors import BudgetExceeded, Reason, RequestError

if TYPE_CHECKING:
    from tierwise_server.core.account import CallRecord

_UNPRICED: Final = "the request caps its cost, but the model has no price"


def shortage(
    cap_nano_usd: int | None, records: Iterable[CallRecord], needed_nano_usd: int | None
) -> RequestError | None:
    """Why a call that may cost `needed_nano_usd` (None: unknown) cannot be paid after `records`; None when it can.

    Without a cap everything can. With one, a call whose worst case is unknown cannot (UNPRICED_MODEL).
    """
    if cap_nano_usd is None:
        return None
    if needed_nano_usd is None:
        return RequestError(Reason.UNPRICED_MODEL, _UNPRICED)
    spent = total(record.cost for record in records if record.usage is not None)
    left = cap_nano_usd - (spent.total_nano_usd if spent else 0)
    if needed_nano_usd > left:
        return BudgetExceeded(needed_nano_usd=needed_nano_usd, left_nano_usd=left)
    return None


def vain_tries(records: Sequence[CallRecord]) -> int:
    """How often models were asked in vain for the attempt that is to be made now; 0 where it replaces no failed one.

    A check that failed leaves a draft, and a model that rejects a call answers: what follows them is no fallback.
    """
    attempts = [record for record in records if record.call.kind is not CallKind.CHECK]
    if not attempts or records[-1] is not attempts[-1] or attempts[-1].failure not in UNAVAILABLE:
        return 0
    return sum(record.tries for record in attempts if record.failure in UNAVAILABLE)
