"""Runs the migrations on the connection that it is given, in that connection's transaction."""

from __future__ import annotations

from alembic import context

from tierwise_server.ledger.migrate import VERSION_TABLE
from tierwise_server.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
