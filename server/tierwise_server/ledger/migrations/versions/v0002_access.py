"""Keys, tenants' budgets, and the limits that servers share."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "access_key",
        _column("key_id", sa.Text, primary_key=True),
        _column("tenant", sa.Text),
        _column("name", sa.Text),
        _column("digest", sa.Text),
        _column("created_at_s", sa.Double),
        *_nullable(sa.Double, "expires_at_s", "revoked_at_s"),
        *_nullable(_JSON, "tiers", "task_types"),
        *_nullable(sa.Integer, "requests_per_minute", "streams"),
        *_nullable(sa.BigInteger, "day_nano_usd", "month_nano_usd"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "access_tenant",
        _column("tenant", sa.Text, primary_key=True),
        *_nullable(sa.BigInteger, "day_nano_usd", "month_nano_usd"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "access_change", _column("number", sa.BigInteger, primary_key=True, autoincrement=False)
    )
    op.create_table(
        "access_rate",
        _column("subject", sa.Text, primary_key=True),
        _column("full_at_s", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "access_lease",
        _column("lease_id", sa.Text, primary_key=True),
        _column("subject", sa.Text),
        _column("expires_at_s", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_index("access_lease_by_subject", "access_lease", ["subject"])


def _column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def _nullable(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]
