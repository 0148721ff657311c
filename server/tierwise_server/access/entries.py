"""What is kept of keys and tenants: frozen values, valid for every store. Times are Unix seconds, money nano-USD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be spent per UTC day and month; None: no limit."""

    day_nano_usd: int | None = None
    month_nano_usd: int | None = None


NO_LIMITS = Allowance()


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without its secret.

    Attributes:
        key_id: public and unique.
        digest: SHA-256 of the whole key, in hex.
        tiers, task_types: what it may use; None: everything.
        requests_per_minute: a bucket of so many, refilled evenly over a minute; None: no limit.
        streams: how many Generate calls may run at once; None: no limit.
        allowance: what it may spend.
    """

    key_id: str
    tenant: str
    name: str
    digest: str
    created_at_s: float
    expires_at_s: float | None = None
    revoked_at_s: float | None = None
    tiers: frozenset[str] | None = None
    task_types: frozenset[str] | None = None
    requests_per_minute: int | None = None
    streams: int | None = None
    allowance: Allowance = NO_LIMITS

    def state(self, now_s: float) -> str:
        """Return active, expired or revoked."""
        if self.revoked_at_s is not None:
            return "revoked"
        expired = self.expires_at_s is not None and self.expires_at_s <= now_s
        return "expired" if expired else "active"


@dataclass(frozen=True, slots=True)
class Book:
    """Every key and every tenant's allowance, as of one change.

    Attributes:
        unreadable: the ids of keys that are kept and cannot be read, and why; they are refused like unknown ones.
        unreadable_tenants: tenants whose allowance cannot be read, and why; it is nothing.
    """

    change: int = 0
    keys: Mapping[str, Key] = field(default_factory=dict)
    tenants: Mapping[str, Allowance] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unreadable_tenants: Mapping[str, str] = field(default_factory=dict)
