"""Brings a database to the schema of this version, forward only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tierwise_server.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from alembic.config import Config

    from tierwise_server.ledger.database import Database

NEWEST = "0003"
"""The newest revision in migrations/versions."""

VERSION_TABLE = "ledger_version"


def migrate(connection: sa.Connection, database: Database) -> None:
    """Create or upgrade the tables, in the caller's transaction; one server at a time.

    Raises:
        ConfigurationError: a newer version of tierwise has been here.
    """
    database.serialise(connection, ["schema"])
    current = current_revision(connection)
    if current == NEWEST:
        return
    # Loaded only when there is something to do: it takes as long as everything else at start.
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise _too_new(current)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def require_newest(connection: sa.Connection) -> None:
    """Refuse a database that this version cannot read.

    Raises:
        ConfigurationError: its tables are older, newer or not there.
    """
    current = current_revision(connection)
    if current is None:
        raise _unusable("there is no ledger here yet; it is made when the server starts")
    if current < NEWEST:
        raise _unusable(f"the ledger has schema {current}; start the server to upgrade it")
    if current != NEWEST:
        raise _too_new(current)


def current_revision(connection: sa.Connection) -> str | None:
    """The revision that a database has; None when it has no tables of ours."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(
        sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant of ours
    ).scalar()
    return revision


def configuration() -> Config:
    """Where the migrations are, for the tool that runs them."""
    from alembic.config import Config

    config = Config()
    scripts = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _too_new(revision: str) -> ConfigurationError:
    text = f"the ledger has schema {revision}, newer than this version's {NEWEST}; upgrade tierwise"
    return _unusable(text)


def _unusable(text: str) -> ConfigurationError:
    return ConfigurationError((Fault("ledger", text),))
