"""Answers that are remembered by the caller's own request id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "remembered_answer",
        sa.Column("tenant", sa.Text, primary_key=True, nullable=False),
        sa.Column("key_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("request_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("body_hash", sa.LargeBinary, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=True),
        sa.Column("ends_at_s", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("remembered_answer_by_end", "remembered_answer", ["ends_at_s"])
    op.create_index("remembered_answer_by_token", "remembered_answer", ["token"])
