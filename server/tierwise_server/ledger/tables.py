"""The tables. What stands here is what the newest migration leaves behind; a test compares the two.

Sums are stored beside the rows they sum (`ledger_request.cost_nano_usd`, `ledger_spend.nano_usd`) and change in the
same transaction as those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.rules import MOST_NANO_USD

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

MOST_TOKENS = 2**53
"""What a token column holds at most: more is a broken provider."""


class Text(sa.types.TypeDecorator[str]):
    """Text from outside, without the two things that a database refuses: lone surrogates and NUL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored."""
        del dialect
        return None if value is None else storable(value)


class Count(sa.types.TypeDecorator[int]):
    """A count from outside, within what a database can hold."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Bound what cannot be stored."""
        del dialect
        return None if value is None else max(-MOST_TOKENS, min(value, MOST_TOKENS))


def storable(text: str) -> str:
    """The text with lone surrogates and NUL replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = sa.MetaData()


def _column(name: str, kind: Any, *, null: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, **options)


request = sa.Table(
    "ledger_request",
    metadata,
    _column("run_id", Text, primary_key=True),
    _column("request_id", Text),
    _column("tenant", Text),
    _column("key_id", Text),
    _column("task_type", Text),
    _column("table_version", Text),
    _column("labels", JSON),
    _column("day", sa.Date),
    _column("started_at_s", sa.Double),
    _column("owner", Text),
    _column("cost_nano_usd", sa.BigInteger, server_default="0"),
    _column("unpriced_calls", sa.Integer, server_default="0"),
    _column("outcome", Text, null=True),
    _column("ended_at_s", sa.Double, null=True),
    _column("duration_s", sa.Double, null=True),
    _column("final_tier", Text, null=True),
    _column("final_model", Text, null=True),
    _column("acceptance", Text, null=True),
    _column("confidence", sa.Double, null=True),
    _column("escalated", sa.Boolean, null=True),
    _column("frontier_only_nano_usd", Count, null=True),
    _column("superseded", JSON, null=True),
    _column("provisional", sa.Boolean, null=True),
    sa.Index("ledger_request_by_id", "tenant", "request_id"),
    sa.Index("ledger_request_by_day", "day"),
    sa.Index(
        "ledger_request_open",
        "owner",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    ),
    sqlite_with_rowid=False,
)

call = sa.Table(
    "ledger_call",
    metadata,
    _column("row_id", Text, primary_key=True),
    _column("run_id", Text),
    _column("tenant", Text),
    _column("key_id", Text),
    _column("day", sa.Date),
    _column("attempt", sa.Integer),
    _column("kind", Text),
    _column("tier", Text),
    _column("model", Text),
    _column("state", Text),
    _column("owner", Text),
    _column("reserved_at_s", sa.Double),
    _column("expires_at_s", sa.Double),
    _column("worst_case_nano_usd", Count, null=True),
    _column("price_book_version", Text),
    _column("superseded", sa.Boolean, server_default=sa.false()),
    _column("charged_nano_usd", sa.BigInteger, null=True),
    _column("status", Text, null=True),
    _column("settled_at_s", sa.Double, null=True),
    _column("tries", Count, null=True),
    _column("failure", Text, null=True),
    _column("finish_reason", Text, null=True),
    _column("response_id", Text, null=True),
    _column("duration_s", sa.Double, null=True),
    _column("first_token_s", sa.Double, null=True),
    _column("input_tokens", Count, null=True),
    _column("cache_read_tokens", Count, null=True),
    _column("cache_write_tokens", Count, null=True),
    _column("cache_write_1h_tokens", Count, null=True),
    _column("output_tokens", Count, null=True),
    _column("reasoning_tokens", Count, null=True),
    _column("input_nano_usd", Count, null=True),
    _column("cache_read_nano_usd", Count, null=True),
    _column("cache_write_nano_usd", Count, null=True),
    _column("output_nano_usd", Count, null=True),
    sa.CheckConstraint(
        "state IN ({})".format(", ".join(f"'{state.name}'" for state in RowState)),
        name="ledger_call_state",
    ),
    sa.CheckConstraint(
        f"charged_nano_usd BETWEEN 0 AND {MOST_NANO_USD}", name="ledger_call_charged"
    ),
    sa.Index("ledger_call_by_run", "run_id"),
    sa.Index("ledger_call_by_day", "day"),
    sa.Index(
        "ledger_call_open",
        "tenant",
        "key_id",
        sqlite_where=sa.text("state = 'RESERVED'"),
        postgresql_where=sa.text("state = 'RESERVED'"),
    ),
    sqlite_with_rowid=False,
)

spend = sa.Table(
    "ledger_spend",
    metadata,
    _column("tenant", Text, primary_key=True),
    _column("key_id", Text, primary_key=True),
    _column("day", sa.Date, primary_key=True),
    _column("nano_usd", sa.BigInteger),
    sqlite_with_rowid=False,
)

owner = sa.Table(
    "ledger_owner",
    metadata,
    _column("owner", Text, primary_key=True),
    _column("started_at_s", sa.Double),
    _column("expires_at_s", sa.Double),
    _column("closed_at_s", sa.Double, null=True),
)

content = sa.Table(
    "ledger_content",
    metadata,
    _column("run_id", Text, primary_key=True),
    _column("stored_at_s", sa.Double),
    _column("prompt", Text),
    _column("answer", Text),
    sa.Index("ledger_content_by_age", "stored_at_s"),
    sqlite_with_rowid=False,
)

access_key = sa.Table(
    "access_key",
    metadata,
    _column("key_id", Text, primary_key=True),
    _column("tenant", Text),
    _column("name", Text),
    _column("digest", Text),
    _column("created_at_s", sa.Double),
    _column("expires_at_s", sa.Double, null=True),
    _column("revoked_at_s", sa.Double, null=True),
    _column("tiers", JSON, null=True),
    _column("task_types", JSON, null=True),
    _column("requests_per_minute", sa.Integer, null=True),
    _column("streams", sa.Integer, null=True),
    _column("day_nano_usd", sa.BigInteger, null=True),
    _column("month_nano_usd", sa.BigInteger, null=True),
    sqlite_with_rowid=False,
)

access_tenant = sa.Table(
    "access_tenant",
    metadata,
    _column("tenant", Text, primary_key=True),
    _column("day_nano_usd", sa.BigInteger, null=True),
    _column("month_nano_usd", sa.BigInteger, null=True),
    sqlite_with_rowid=False,
)

access_change = sa.Table(
    "access_change",
    metadata,
    _column("number", sa.BigInteger, primary_key=True, autoincrement=False),
)

access_rate = sa.Table(
    "access_rate",
    metadata,
    _column("subject", Text, primary_key=True),
    _column("full_at_s", sa.Double),
    sqlite_with_rowid=False,
)

access_lease = sa.Table(
    "access_lease",
    metadata,
    _column("lease_id", Text, primary_key=True),
    _column("subject", Text),
    _column("expires_at_s", sa.Double),
    sa.Index("access_lease_by_subject", "subject"),
    sqlite_with_rowid=False,
)

remembered = sa.Table(
    "remembered_answer",
    metadata,
    _column("tenant", Text, primary_key=True),
    _column("key_id", Text, primary_key=True),
    _column("request_id", Text, primary_key=True),
    _column("body_hash", sa.LargeBinary),
    _column("token", Text),
    _column("answer", sa.LargeBinary, null=True),
    _column("ends_at_s", sa.Double),
    sa.Index("remembered_answer_by_end", "ends_at_s"),
    sa.Index("remembered_answer_by_token", "token"),
    sqlite_with_rowid=False,
)
