"""The tables are what the code thinks they are, and a version that does not know them keeps its hands off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.postgres import Cluster
from tests.unit.ledger.rows import a_reservation, a_settlement
from tierwise_server.errors import ConfigurationError
from tierwise_server.ledger.migrate import NEWEST, VERSION_TABLE, configuration
from tierwise_server.ledger.opening import open_ledger, open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery
from tierwise_server.ledger.sqlite import DATABASE_FILE
from tierwise_server.ledger.tables import metadata

Change = Callable[[str], None]


class Database:
    """A ledger's database, and a way into it behind the ledger's back."""

    def __init__(self, settings: LedgerSettings) -> None:
        self.settings = settings
        url = settings.url.replace("postgresql:", "postgresql+psycopg:")
        self.engine = sa.create_engine(
            url or f"sqlite:///{settings.directory / DATABASE_FILE}", poolclass=sa.NullPool
        )

    def run(self, statement: str, **values: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def set_revision(self, revision: str) -> None:
        self.run("UPDATE ledger_version SET version_num = :revision", revision=revision)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database(LedgerSettings(tmp_path))
    cluster: Cluster = request.getfixturevalue("postgres")
    return Database(LedgerSettings(tmp_path, cluster.space()))


async def make(database: Database) -> None:
    async with open_ledger(database.settings) as ledger:
        row = a_reservation()
        await ledger.reserve(row)
        await ledger.record([a_settlement(row)])


async def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    await make(database)
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


async def test_the_sums_and_states_are_checked_by_the_database_too(database: Database) -> None:
    await make(database)
    with pytest.raises(sa.exc.IntegrityError):
        database.run("UPDATE ledger_call SET state = 'PAID'")
    with pytest.raises(sa.exc.IntegrityError):
        database.run("UPDATE ledger_call SET charged_nano_usd = -1")


def test_the_newest_revision_is_the_last_of_an_unbroken_line() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert scripts.get_heads() == [NEWEST]
    assert len(scripts.get_bases()) == 1


async def test_opening_again_changes_nothing(database: Database) -> None:
    await make(database)
    async with open_ledger(database.settings) as ledger:
        (account,) = await ledger.find("acme", "request")
        assert account.cost_nano_usd == 40


async def test_a_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    await make(database)
    database.set_revision("9999")
    for opening in (open_ledger, open_reader):
        with pytest.raises(ConfigurationError) as caught:
            async with opening(database.settings):
                pass
        assert "9999, newer than this version's" in caught.value.faults[0].message
    database.set_revision(NEWEST)
    async with open_reader(database.settings) as reader:
        assert len(await reader.find("acme", "request")) == 1


async def test_a_reader_refuses_an_older_schema_and_does_not_change_it(
    database: Database,
) -> None:
    await make(database)
    database.set_revision("0000")
    with pytest.raises(ConfigurationError) as caught:
        async with open_reader(database.settings):
            pass
    assert "start the server to upgrade it" in caught.value.faults[0].message


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE ledger_request SET cost_nano_usd = 41", "the request says 41 nano-USD"),
        ("UPDATE ledger_request SET unpriced_calls = 1", "the request says 40 nano-USD"),
        ("UPDATE ledger_spend SET nano_usd = 39", "the day says 39 nano-USD"),
        ("DELETE FROM ledger_spend", "the day says 0 nano-USD, its calls 40"),
        ("DELETE FROM ledger_call", "its calls 0"),
        ("UPDATE ledger_call SET charged_nano_usd = 50", "its calls 50"),
    ],
)
async def test_an_audit_tells_which_sum_differs_from_its_rows(
    database: Database, damage: str, told: str
) -> None:
    await make(database)
    database.run(damage)
    async with open_ledger(database.settings) as ledger:
        lines = await ledger.audit()
        assert lines
        assert told in "\n".join(lines)


async def test_questions_fail_clearly_when_the_tables_are_gone(database: Database) -> None:
    await make(database)
    async with open_reader(database.settings) as reader:
        database.run("DROP TABLE ledger_call")
        with pytest.raises(Exception, match="the ledger cannot be read"):
            await reader.spend(SpendQuery())
