"""How keys and tenants look at a terminal and as JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tierwise_server.cli.showing import usd

if TYPE_CHECKING:
    from tierwise_server.access.entries import Allowance, Key

Row = Mapping[str, Any]


def key_fields(key: Key, now_s: float) -> dict[str, Any]:
    """A key as JSON has it, without secret and digest."""
    return {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "state": key.state(now_s),
        "created_at": _time(key.created_at_s),
        "expires_at": _time(key.expires_at_s),
        "revoked_at": _time(key.revoked_at_s),
        "tiers": None if key.tiers is None else sorted(key.tiers),
        "task_types": None if key.task_types is None else sorted(key.task_types),
        "requests_per_minute": key.requests_per_minute,
        "streams": key.streams,
        **allowance_fields(key.allowance),
    }


def in_short(fields: Row) -> dict[str, Any]:
    """What of a key fits in a line."""
    return {name: fields[name] for name in ("key_id", "tenant", "name", "state", "expires_at")}


def allowance_fields(allowance: Allowance | None) -> dict[str, int | None]:
    """What may be spent, in nano-USD."""
    return {
        "budget_day_nano_usd": None if allowance is None else allowance.day_nano_usd,
        "budget_month_nano_usd": None if allowance is None else allowance.month_nano_usd,
    }


def show(rows: Sequence[Row], *, as_json: bool, single: bool = False) -> None:
    """Print rows: a table, a list of fields for a single one, or JSON."""
    if as_json:
        typer.echo(json.dumps(rows[0] if single else list(rows), indent=2))
        return
    if single:
        for name, value in rows[0].items():
            typer.echo(f"{_heading(name)}: {_shown(name, value)}")
        return
    if not rows:
        typer.echo("none")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in rows[0]:
        table.add_column(_heading(name), overflow="fold")
    for row in rows:
        table.add_row(*(_shown(name, value) for name, value in row.items()))
    Console().print(table)


def _heading(name: str) -> str:
    return name.removesuffix("_nano_usd").replace("_", " ")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_nano_usd"):
        return usd(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def _time(at_s: float | None) -> str | None:
    if at_s is None:
        return None
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
