"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Create everything."""
    _create_request()
    _create_call()
    _create_sums_and_leases()


def _create_request() -> None:
    op.create_table(
        "ledger_request",
        _column("run_id", sa.Text, primary_key=True),
        _column("request_id", sa.Text),
        _column("tenant", sa.Text),
        _column("key_id", sa.Text),
        _column("task_type", sa.Text),
        _column("table_version", sa.Text),
        _column("labels", _JSON),
        _column("day", sa.Date),
        _column("started_at_s", sa.Double),
        _column("owner", sa.Text),
        _column("cost_nano_usd", sa.BigInteger, server_default="0"),
        _column("unpriced_calls", sa.Integer, server_default="0"),
        *_nullable(sa.Text, "outcome"),
        *_nullable(sa.Double, "ended_at_s", "duration_s"),
        *_nullable(sa.Text, "final_tier", "final_model", "acceptance"),
        *_nullable(sa.Double, "confidence"),
        *_nullable(sa.Boolean, "escalated"),
        *_nullable(sa.BigInteger, "frontier_only_nano_usd"),
        *_nullable(_JSON, "superseded"),
        *_nullable(sa.Boolean, "provisional"),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_request_by_id", "ledger_request", ["tenant", "request_id"])
    op.create_index("ledger_request_by_day", "ledger_request", ["day"])
    _create_partial_index("ledger_request_open", "ledger_request", ["owner"], "outcome IS NULL")


def _create_call() -> None:
    op.create_table(
        "ledger_call",
        _column("row_id", sa.Text, primary_key=True),
        _column("run_id", sa.Text),
        _column("tenant", sa.Text),
        _column("key_id", sa.Text),
        _column("day", sa.Date),
        _column("attempt", sa.Integer),
        _column("kind", sa.Text),
        _column("tier", sa.Text),
        _column("model", sa.Text),
        _column("state", sa.Text),
        _column("owner", sa.Text),
        _column("reserved_at_s", sa.Double),
        _column("expires_at_s", sa.Double),
        *_nullable(sa.BigInteger, "worst_case_nano_usd"),
        _column("price_book_version", sa.Text),
        _column("superseded", sa.Boolean, server_default=sa.false()),
        *_nullable(sa.BigInteger, "charged_nano_usd"),
        *_nullable(sa.Text, "status"),
        *_nullable(sa.Double, "settled_at_s"),
        *_nullable(sa.BigInteger, "tries"),
        *_nullable(sa.Text, "failure", "finish_reason", "response_id"),
        *_nullable(sa.Double, "duration_s", "first_token_s"),
        *_nullable(sa.BigInteger, "input_tokens", "cache_read_tokens", "cache_write_tokens"),
        *_nullable(sa.BigInteger, "cache_write_1h_tokens", "output_tokens", "reasoning_tokens"),
        *_nullable(sa.BigInteger, "input_nano_usd", "cache_read_nano_usd"),
        *_nullable(sa.BigInteger, "cache_write_nano_usd", "output_nano_usd"),
        sa.CheckConstraint(
            "state IN ('RESERVED', 'SETTLED', 'ESTIMATED', 'FAILED_UNBILLED', 'ORPHANED')",
            name="ledger_call_state",
        ),
        sa.CheckConstraint(
            "charged_nano_usd BETWEEN 0 AND 9007199254740992", name="ledger_call_charged"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_call_by_run", "ledger_call", ["run_id"])
    op.create_index("ledger_call_by_day", "ledger_call", ["day"])
    reserved = "state = 'RESERVED'"
    _create_partial_index("ledger_call_open", "ledger_call", ["tenant", "key_id"], reserved)


def _create_sums_and_leases() -> None:
    op.create_table(
        "ledger_spend",
        _column("tenant", sa.Text, primary_key=True),
        _column("key_id", sa.Text, primary_key=True),
        _column("day", sa.Date, primary_key=True),
        _column("nano_usd", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_owner",
        _column("owner", sa.Text, primary_key=True),
        _column("started_at_s", sa.Double),
        _column("expires_at_s", sa.Double),
        *_nullable(sa.Double, "closed_at_s"),
    )
    op.create_table(
        "ledger_content",
        _column("run_id", sa.Text, primary_key=True),
        _column("stored_at_s", sa.Double),
        _column("prompt", sa.Text),
        _column("answer", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_content_by_age", "ledger_content", ["stored_at_s"])


def _column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def _nullable(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]


def _create_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
