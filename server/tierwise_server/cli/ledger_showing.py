"""How spending looks at a terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import datetime as dt
import enum
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tierwise_server.cli.showing import usd

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import CallAccount, RequestAccount
    from tierwise_server.ledger.spend import SpendRow


class Form(enum.Enum):
    """How rows are printed."""

    TABLE = enum.auto()
    JSON = enum.auto()
    CSV = enum.auto()


def show_spend(dimensions: Sequence[str], rows: Sequence[SpendRow], form: Form) -> None:
    """Print groups of spending; a table ends in their sum."""
    fields = [spend_fields(dimensions, row) for row in rows]
    if form is Form.JSON:
        typer.echo(json.dumps(fields, indent=2))
    elif form is Form.CSV:
        names = list(fields[0]) if fields else list(dimensions)
        writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(fields)
    elif fields:
        _print_spend(dimensions, fields)
    else:
        typer.echo("nothing was spent")


def spend_fields(dimensions: Sequence[str], row: SpendRow) -> dict[str, Any]:
    """A group as JSON has it; amounts are in nano-USD."""
    uses = {f"{use.name.lower()}_nano_usd": amount for use, amount in row.uses.items()}
    return {
        **dict(zip(dimensions, row.group, strict=True)),
        "requests": row.requests,
        "answered": row.answered,
        "escalated": row.escalated,
        "calls": row.calls,
        "cost_nano_usd": row.cost_nano_usd,
        **uses,
        "estimated_nano_usd": row.estimated_nano_usd,
        "unpriced_calls": row.unpriced_calls,
        "open_calls": row.open_calls,
        "open_nano_usd": row.open_nano_usd,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "baseline_nano_usd": row.frontier_only_nano_usd,
        "compared_nano_usd": row.compared_nano_usd,
        "uncompared": row.uncompared,
    }


_SHOWN = {
    "requests": "requests",
    "escalated": "escalated",
    "cost_nano_usd": "cost",
    "useful_nano_usd": "useful",
    "check_nano_usd": "checks",
    "superseded_nano_usd": "superseded",
    "retried_nano_usd": "retried",
    "failed_nano_usd": "failed",
    "cancelled_nano_usd": "cancelled",
    "orphaned_nano_usd": "orphaned",
    "baseline_nano_usd": "baseline only",
}


def _print_spend(dimensions: Sequence[str], fields: Sequence[dict[str, Any]]) -> None:
    always = ("requests", "escalated", "cost_nano_usd", "baseline_nano_usd")
    sums = {name: sum(row[name] for row in fields) for name in (*_SHOWN, "compared_nano_usd")}
    names = [name for name in _SHOWN if name in always or sums[name]]
    table = Table(box=box.SIMPLE_HEAD, show_footer=len(fields) > 1)
    for index, dimension in enumerate(dimensions):
        table.add_column(dimension.replace("_", " "), "all" if index == 0 else "", overflow="fold")
    for name in names:
        table.add_column(_SHOWN[name], _amount(name, sums[name]), justify="right", no_wrap=True)
    table.add_column("saved", _saved(sums), justify="right", no_wrap=True)
    for row in fields:
        group = [row[dimension] or "-" for dimension in dimensions]
        table.add_row(*group, *(_amount(name, row[name]) for name in names), _saved(row))
    Console().print(table)
    typer.echo(
        "Amounts in USD. Baseline only is an estimate; saved compares it with the same requests' cost."
    )
    if uncompared := sum(row["uncompared"] for row in fields):
        typer.echo(f"In neither: {uncompared} answers without a price to compare with.")


def _amount(name: str, value: int) -> str:
    return usd(value) if name.endswith("_nano_usd") else str(value)


def _saved(row: dict[str, Any]) -> str:
    baseline = row["baseline_nano_usd"]
    return f"{1 - row['compared_nano_usd'] / baseline:.0%}" if baseline else "-"


def show_request(runs: Sequence[RequestAccount], *, as_json: bool) -> None:
    """Print every run of a request with its calls."""
    if as_json:
        typer.echo(json.dumps([_run_fields(run) for run in runs], indent=2))
        return
    for run in runs:
        fields = _run_fields(run)
        calls = fields.pop("calls")
        for name, value in fields.items():
            typer.echo(f"{name.removesuffix('_nano_usd').replace('_', ' ')}: {_plain(name, value)}")
        table = Table(box=box.SIMPLE_HEAD)
        for name in calls[0] if calls else ():
            table.add_column(name.removesuffix("_nano_usd").replace("_", " "), overflow="fold")
        for call in calls:
            table.add_row(*(_plain(name, value) for name, value in call.items()))
        Console().print(table)


def _plain(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    if name.endswith("_nano_usd") and isinstance(value, int):
        return usd(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in value.items()) or "-"
    return str(value)


def _run_fields(run: RequestAccount) -> dict[str, Any]:
    origin, row = run.origin, run.row
    started = dt.datetime.fromtimestamp(origin.started_at_s, dt.UTC)
    return {
        "request_id": origin.request_id,
        "run_id": origin.run_id,
        "tenant": origin.tenant,
        "key_id": origin.key_id,
        "task_type": origin.task_type,
        "labels": dict(origin.labels),
        "table_version": origin.table_version,
        "started_at": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "outcome": run.outcome or "RUNNING",
        "final_tier": row.final_tier if row else "",
        "cost_nano_usd": run.cost_nano_usd,
        "calls": [_call_fields(call) for call in run.calls],
    }


def _call_fields(call: CallAccount) -> dict[str, Any]:
    reservation, settlement = call.reservation, call.settlement
    usage = None if settlement is None else settlement.usage
    return {
        "attempt": reservation.attempt,
        "kind": reservation.kind.name.lower(),
        "tier": reservation.tier,
        "model": reservation.model,
        "state": call.state.name,
        "superseded": call.superseded,
        "tries": None if settlement is None else settlement.tries,
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "reserved_nano_usd": reservation.worst_case_nano_usd,
        "charged_nano_usd": call.charged_nano_usd,
    }
