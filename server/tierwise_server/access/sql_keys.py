"""Keys over SQL, in the ledger's database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from tierwise_server.access.entries import Allowance, Book, Key
from tierwise_server.ledger import tables

if TYPE_CHECKING:
    from tierwise_server.access.sql_worker import SqlWorker

_LISTS: Final = ("tiers", "task_types")
NOTHING: Final = Allowance(0, 0)
"""What may be spent where that cannot be read."""


class SqlKeyStore:
    """The port to keys over SQL. See access/base.py for what it promises."""

    def __init__(self, worker: SqlWorker, reader: SqlWorker) -> None:
        self._worker = worker
        self._reader = reader

    async def add(self, key: Key) -> None:
        """Keep a key."""
        statement = sa.insert(tables.access_key).values(**_columns(key))
        await self._change(lambda connection: connection.execute(statement))

    async def revoke(self, key_id: str, at_s: float) -> bool:
        """Revoke a key."""
        key = tables.access_key
        statement = (
            sa.update(key)
            .where(key.c.key_id == key_id)
            .values(revoked_at_s=sa.func.coalesce(key.c.revoked_at_s, at_s))
        )
        return bool(await self._change(lambda connection: connection.execute(statement).rowcount))

    async def allow(self, tenant: str, allowance: Allowance) -> None:
        """Set an allowance."""
        sums = {
            "day_nano_usd": allowance.day_nano_usd,
            "month_nano_usd": allowance.month_nano_usd,
        }
        insert = self._worker.database.insert(tables.access_tenant).values(tenant=tenant, **sums)
        statement = insert.on_conflict_do_update(index_elements=["tenant"], set_=sums)
        await self._change(lambda connection: connection.execute(statement))

    async def read(self, known: Book | None = None) -> Book:
        """Everything."""
        return await self._reader.run(lambda connection: _read(connection, known))

    async def aclose(self) -> None:
        """Disconnect."""
        await self._reader.aclose()
        await self._worker.aclose()

    async def _change(self, work: Callable[[sa.Connection], Any]) -> Any:
        """Do the work and count it, so that servers notice."""
        change = tables.access_change

        def counted(connection: sa.Connection) -> Any:
            # One change at a time: readers must see the changes in the order of their numbers.
            self._worker.database.serialise(connection, ["access"])
            result = work(connection)
            if not connection.execute(
                sa.update(change).values(number=change.c.number + 1)
            ).rowcount:
                connection.execute(sa.insert(change).values(number=1))
            return result

        return await self._worker.run(counted)


def _read(connection: sa.Connection, known: Book | None) -> Book:
    # The number first: a change that comes between the questions is seen again, and never missed.
    number = connection.execute(sa.select(tables.access_change.c.number)).scalar() or 0
    if known is not None and known.change == number:
        return known
    keys: dict[str, Key] = {}
    unreadable: dict[str, str] = {}
    for row in connection.execute(_KEYS).mappings():
        try:
            keys[row["key_id"]] = _key_of(row)
        except (TypeError, ValueError) as error:
            unreadable[str(row["key_id"])] = str(error)
    tenants: dict[str, Allowance] = {}
    unreadable_tenants: dict[str, str] = {}
    for row in connection.execute(sa.select(tables.access_tenant)).mappings():
        try:
            tenants[row["tenant"]] = _allowance_of(row)
        except TypeError as error:
            tenants[row["tenant"]] = NOTHING
            unreadable_tenants[row["tenant"]] = str(error)
    return Book(number, keys, tenants, unreadable, unreadable_tenants)


def _read_as_text(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Have a list come as it is written: decoded with its row, a faulty one would take every other key with it."""
    return sa.cast(column, sa.Text).label(column.name) if column.name in _LISTS else column


_KEYS: Final = sa.select(*map(_read_as_text, tables.access_key.c))


def _columns(key: Key) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "digest": key.digest,
        "created_at_s": key.created_at_s,
        "expires_at_s": key.expires_at_s,
        "revoked_at_s": key.revoked_at_s,
        "tiers": _listed(key.tiers),
        "task_types": _listed(key.task_types),
        "requests_per_minute": key.requests_per_minute,
        "streams": key.streams,
        "day_nano_usd": key.allowance.day_nano_usd,
        "month_nano_usd": key.allowance.month_nano_usd,
    }


def _key_of(row: Any) -> Key:
    """Make a key.

    Raises:
        TypeError, ValueError: the row holds what no server writes.
    """
    columns = dict(row)
    columns["allowance"] = _allowance_of(columns)
    for name in ("created_at_s", "expires_at_s", "revoked_at_s", "requests_per_minute", "streams"):
        _check_number(name, columns[name])
    del columns["day_nano_usd"], columns["month_nano_usd"]
    for name in _LISTS:
        columns[name] = _names(name, columns[name])
    return Key(**columns)


def _allowance_of(row: Any) -> Allowance:
    for name in ("day_nano_usd", "month_nano_usd"):
        _check_number(name, row[name])
    return Allowance(row["day_nano_usd"], row["month_nano_usd"])


def _check_number(name: str, value: Any) -> None:
    # An embedded store keeps any kind of value in any column.
    if value is not None and not isinstance(value, (int, float)):
        raise TypeError(f"{name} is no number")


def _names(name: str, text: Any) -> frozenset[str] | None:
    if text is None:
        return None
    names = json.loads(text)
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise TypeError(f"{name} is no list of names")
    return frozenset(names)


def _listed(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
