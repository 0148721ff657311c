"""`tierwise keys` and `tierwise tenants`: who may call, and how much. They work beside a server that runs."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tierwise_server import config
from tierwise_server.cli.failing import FAILED, say
from tierwise_server.cli.keys_showing import allowance_fields, in_short, key_fields, show
from tierwise_server.cli.serving import ConfigFile, environment
from tierwise_server.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from tierwise_server.access.base import KeyStore
    from tierwise_server.access.entries import Allowance, Book

Result = TypeVar("Result")

NANO_PER_USD = 1_000_000_000
MOST_NANO_USD = 2**53
SECONDS_PER_DAY = 86_400

keys = typer.Typer(
    name="keys", help="Make, list and revoke the keys that callers need.", no_args_is_help=True
)
tenants = typer.Typer(
    name="tenants", help="Say what a tenant's keys may spend together.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PerDay = Annotated[
    str | None, typer.Option(metavar="USD", help="What may be spent per UTC day, such as 2.50.")
]
PerMonth = Annotated[
    str | None, typer.Option(metavar="USD", help="What may be spent per UTC month.")
]


@keys.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose key it is.")],
    name: Annotated[str, typer.Option(help="What it is for; for people.")] = "",
    tier: Annotated[
        list[str] | None, typer.Option(help="A tier it may use; again for more. Without: all.")
    ] = None,
    task_type: Annotated[
        list[str] | None, typer.Option(help="A task type it may use; again for more. Without: all.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Calls per minute.")] = None,
    streams: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Generate calls at once.")
    ] = None,
    budget_day: PerDay = None,
    budget_month: PerMonth = None,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="A date (2027-01-31, UTC), or days: 90d.")
    ] = None,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """Make a key and print it. It is shown this once; only its SHA-256 is kept."""
    from tierwise_server.access.entries import Key
    from tierwise_server.access.secret import new_key, read_key

    settings = config.load(config_file, environment())
    _check_names(tenant=tenant, name=name)
    _check_tiers(settings, tier or [])
    now_s = _now_s()
    secret = new_key()
    shown = read_key(secret)
    assert shown is not None  # noqa: S101 - it was just made
    key = Key(
        key_id=shown.key_id,
        tenant=tenant,
        name=name,
        digest=shown.digest,
        created_at_s=now_s,
        expires_at_s=None if expires is None else _expiry(expires, now_s),
        tiers=frozenset(tier) if tier else None,
        task_types=frozenset(task_type) if task_type else None,
        requests_per_minute=rpm,
        streams=streams,
        allowance=_allowance(budget_day, budget_month),
    )
    _with_store(settings, lambda store: store.add(key))
    if as_json:
        show([{"key": secret, **key_fields(key, now_s)}], as_json=True, single=True)
        return
    say(f"made key {key.key_id} of {tenant}; it is not shown again")
    typer.echo(secret)


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """List the keys, without their secrets."""
    book = _with_store(config.load(config_file, environment()), lambda store: store.read())
    _tell_of_unreadable(book)
    chosen = [key for key in book.keys.values() if tenant in (None, key.tenant)]
    chosen.sort(key=lambda key: (key.tenant, key.created_at_s, key.key_id))
    rows = [key_fields(key, _now_s()) for key in chosen]
    show(rows if as_json else [in_short(row) for row in rows], as_json=as_json)


@keys.command("show")
def show_key(key_id: str, as_json: AsJson = False, config_file: ConfigFile = None) -> None:
    """Show one key, without its secret."""
    book = _with_store(config.load(config_file, environment()), lambda store: store.read())
    key = book.keys.get(key_id)
    if key is None:
        _tell_of_unreadable(book)
        raise _unknown()
    show([key_fields(key, _now_s())], as_json=as_json, single=True)


@keys.command()
def revoke(key_id: str, config_file: ConfigFile = None) -> None:
    """Revoke a key. Every server refuses it within 5 seconds; calls that run are not cut."""
    settings = config.load(config_file, environment())
    if not _with_store(settings, lambda store: store.revoke(key_id, _now_s())):
        raise _unknown()
    say(f"revoked key {key_id}")


@tenants.command("set")
def set_tenant(
    tenant: str,
    budget_day: PerDay = None,
    budget_month: PerMonth = None,
    config_file: ConfigFile = None,
) -> None:
    """Set a tenant's budgets, in place of what was set before; what is left out has no limit."""
    _check_names(tenant=tenant)
    allowance = _allowance(budget_day, budget_month)
    settings = config.load(config_file, environment())
    _with_store(settings, lambda store: store.allow(tenant, allowance))
    say(f"set the budgets of {tenant}")


@tenants.command("list")
def list_tenants(as_json: AsJson = False, config_file: ConfigFile = None) -> None:
    """List the tenants that have keys or budgets."""
    book = _with_store(config.load(config_file, environment()), lambda store: store.read())
    _tell_of_unreadable(book)
    names = sorted({*book.tenants, *(key.tenant for key in book.keys.values())})
    rows = [
        {
            "tenant": name,
            "keys": sum(key.tenant == name for key in book.keys.values()),
            **allowance_fields(book.tenants.get(name)),
        }
        for name in names
    ]
    show(rows, as_json=as_json)


def _tell_of_unreadable(book: Book) -> None:
    for key_id, cause in book.unreadable.items():
        say(f"key {key_id} cannot be read and is refused: {cause}")
    for tenant, cause in book.unreadable_tenants.items():
        say(f"the budgets of {tenant} cannot be read and are 0: {cause}")


def _with_store(settings: config.Config, work: Callable[[KeyStore], Awaitable[Result]]) -> Result:
    from tierwise_server.access.opening import open_keys
    from tierwise_server.translation import ledger_settings

    kept = ledger_settings(settings, environment())
    if kept is None:
        raise ConfigurationError(
            (Fault("ledger.enabled", "is off, so there is no place for keys"),)
        )

    async def run() -> Result:
        async with open_keys(kept) as store:
            return await work(store)

    return asyncio.run(run())


def _check_names(**names: str) -> None:
    faults = []
    for option, name in names.items():
        printable = name.isprintable() and name == name.strip() and len(name) <= 64
        if not printable or (option == "tenant" and not name):
            faults.append(Fault(f"--{option}", "must be 1 to 64 printable characters"))
    if faults:
        raise ConfigurationError(tuple(faults))


def _check_tiers(settings: config.Config, tiers: list[str]) -> None:
    known = [tier.name for tier in settings.routing_table().tiers]
    faults = [
        Fault("--tier", f"there is no tier {tier!r}; the tiers are {', '.join(known)}")
        for tier in tiers
        if tier not in known
    ]
    if faults:
        raise ConfigurationError(tuple(faults))


def _allowance(per_day: str | None, per_month: str | None) -> Allowance:
    from tierwise_server.access.entries import Allowance

    return Allowance(_nano_usd("--budget-day", per_day), _nano_usd("--budget-month", per_month))


def _nano_usd(option: str, usd: str | None) -> int | None:
    if usd is None:
        return None
    try:
        nano = Decimal(usd) * NANO_PER_USD
        whole = int(nano)
    except (InvalidOperation, OverflowError, ValueError):
        raise ConfigurationError((Fault(option, "is no amount in USD"),)) from None
    if whole != nano or not 0 <= whole <= MOST_NANO_USD:
        text = "must be from 0 to 9007199 USD, with at most nine digits after the point"
        raise ConfigurationError((Fault(option, text),))
    return whole


def _expiry(text: str, now_s: float) -> float:
    if text.endswith("d") and text[:-1].isascii() and text[:-1].isdigit() and len(text) <= 6:
        return now_s + int(text[:-1]) * SECONDS_PER_DAY
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        fault = Fault("--expires", "is neither a date such as 2027-01-31 nor days such as 90d")
        raise ConfigurationError((fault,)) from None
    at_s = dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()
    if at_s <= now_s:
        raise ConfigurationError((Fault("--expires", "is past"),))
    return at_s


def _now_s() -> float:
    return time.time()  # noqa: TID251 - keys are dated


def _unknown() -> SystemExit:
    # What was asked for is not repeated: it may be the key itself.
    say("there is no key with that id; `tierwise keys list` has them all")
    return SystemExit(FAILED)
