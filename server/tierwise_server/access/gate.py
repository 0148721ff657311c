"""Who calls: from the credentials of a call to an identity, or a refusal. Denies by default.

What is refused is refused with the same words whatever is wrong with it: unknown, wrong, revoked or expired.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierwise_server.access.entries import NO_LIMITS, Allowance
from tierwise_server.access.secret import read_key
from tierwise_server.errors import Reason, RequestError
from tierwise_server.ledger.books import Payer
from tierwise_server.ledger.entries import Budget, BudgetScope, Period

if TYPE_CHECKING:
    from tierwise_server.access.entries import Key
    from tierwise_server.access.ring import KeyRing

_SCHEME: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Credentials:
    """What came with a call: the values of every `authorization` header, and the names in its client certificate."""

    authorizations: Sequence[str | bytes] = ()
    certificate_names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls.

    Attributes:
        tenant: whose call it is; empty while the server runs open.
        key: the key that was shown, or that a certificate stands for; None without one.
        allowance: what the tenant may spend.
    """

    tenant: str = ""
    key: Key | None = None
    allowance: Allowance = NO_LIMITS

    @property
    def key_id(self) -> str:
        """The public id of the key; empty without one."""
        return "" if self.key is None else self.key.key_id

    @property
    def tiers(self) -> frozenset[str] | None:
        """The tiers that it may use; None: every tier."""
        return None if self.key is None else self.key.tiers

    @property
    def payer(self) -> Payer:
        """Who pays for its requests, within the budgets of key and tenant."""
        budgets = () if self.key is None else _budgets(BudgetScope.KEY, self.key.allowance)
        budgets += _budgets(BudgetScope.TENANT, self.allowance)
        return Payer(self.tenant, self.key_id, budgets)

    def check_task_type(self, task_type: str) -> None:
        """Refuse a task type that the key may not use.

        Raises:
            RequestError: TASK_TYPE_NOT_ALLOWED.
        """
        allowed = None if self.key is None else self.key.task_types
        if allowed is not None and task_type not in allowed:
            text = f"the key may use these task types: {', '.join(sorted(allowed)) or 'none'}"
            raise RequestError(Reason.TASK_TYPE_NOT_ALLOWED, text)


def _budgets(scope: BudgetScope, allowance: Allowance) -> tuple[Budget, ...]:
    limits = ((Period.DAY, allowance.day_nano_usd), (Period.MONTH, allowance.month_nano_usd))
    return tuple(Budget(scope, period, limit) for period, limit in limits if limit is not None)


@dataclass(frozen=True, slots=True)
class Certified:
    """Who the names in client certificates (DNS, URI such as SPIFFE, e-mail) stand for.

    Attributes:
        tenants: names that stand for a tenant, within the tenant's budgets and no other limits.
        keys: names that stand for a key, by its public id: they may what it may, as long as it holds.
    """

    tenants: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any name."""
        return bool(self.tenants or self.keys)


NO_CERTIFICATES: Final = Certified()

ANYBODY: Final = Identity()
"""Who calls a server that runs open."""


class Gate:
    """Tells who calls.

    Args:
        ring: the keys; None where the server always runs open.
        open_without_keys: whether everybody may call for as long as no key was ever made and no certificate is known.

    Attributes:
        certified: who the names in client certificates stand for; what is set counts from the next call on.
    """

    def __init__(
        self,
        ring: KeyRing | None,
        *,
        open_without_keys: bool = False,
        certified: Certified = NO_CERTIFICATES,
        wall_clock: Callable[[], float] = time.time,  # noqa: TID251 - keys expire on dates
    ) -> None:
        self._ring = ring
        self._open_without_keys = open_without_keys
        self.certified = certified
        self._wall_clock = wall_clock

    @property
    def is_open(self) -> bool:
        """Whether everybody may call now."""
        if self._ring is None:
            return True
        return self._open_without_keys and not self.certified and not self._ring.has_keys

    @property
    def has_keys(self) -> bool:
        """Whether there is any key, or was."""
        return self._ring is not None and self._ring.has_keys

    async def identify(self, credentials: Credentials) -> Identity:
        """Tell who calls. A key that is shown decides; a certificate counts where none is.

        Raises:
            RequestError: MISSING_CREDENTIALS or INVALID_CREDENTIALS.
            LedgerUnavailable: keys cannot be checked now.
        """
        ring = self._ring
        if ring is None or self.is_open:
            return ANYBODY
        if credentials.authorizations:
            return await self._of_key(ring, credentials.authorizations)
        identity = await self._of_certificate(ring, credentials.certificate_names)
        if identity is not None:
            return identity
        text = "the call needs a key, in the header authorization: Bearer"
        raise RequestError(Reason.MISSING_CREDENTIALS, text)

    async def _of_key(self, ring: KeyRing, authorizations: Sequence[str | bytes]) -> Identity:
        text = authorizations[0]
        if len(authorizations) > 1 or not isinstance(text, str):
            raise _invalid()
        scheme, shown = text[: len(_SCHEME)], text[len(_SCHEME) :]
        presented = read_key(shown) if scheme.lower() == _SCHEME else None
        if presented is None:
            raise _invalid()
        key = await ring.find(presented.key_id)
        # The digest is compared for an unknown key too: a wrong secret takes no longer than a wrong id.
        proven = presented.proves("" if key is None else key.digest)
        if key is None or not proven or key.state(self._wall_clock()) != "active":
            raise _invalid()
        return _identity_of(ring, key)

    async def _of_certificate(self, ring: KeyRing, names: Sequence[str]) -> Identity | None:
        # Of several names the one with limits counts, whatever their order: it was given on purpose.
        for name in names:
            key_id = self.certified.keys.get(name)
            if key_id is not None:
                key = await ring.find(key_id)
                if key is None or key.state(self._wall_clock()) != "active":
                    raise _invalid()
                return _identity_of(ring, key)
        for name in names:
            tenant = self.certified.tenants.get(name)
            if tenant is not None:
                return Identity(tenant, None, ring.allowance(tenant) or NO_LIMITS)
        return None


def _identity_of(ring: KeyRing, key: Key) -> Identity:
    return Identity(key.tenant, key, ring.allowance(key.tenant) or NO_LIMITS)


def _invalid() -> RequestError:
    return RequestError(Reason.INVALID_CREDENTIALS, "the key is not valid")
