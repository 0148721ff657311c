"""`tierwise ledger`: what was spent, on what, and whether the records agree. Reads beside a server that runs."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tierwise_server import config
from tierwise_server.cli.failing import FAILED, say
from tierwise_server.cli.ledger_showing import Form, show_request, show_spend
from tierwise_server.cli.serving import ConfigFile, environment
from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.ledger.spend import Dimension, SpendQuery

if TYPE_CHECKING:
    from tierwise_server.ledger.base import LedgerReader
    from tierwise_server.ledger.spend import SpendRow

Result = TypeVar("Result")

ledger = typer.Typer(
    name="ledger", help="Ask what was spent, and on what. Spends nothing.", no_args_is_help=True
)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, amounts in nano-USD.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, amounts in nano-USD.")]


@ledger.command()
def spend(
    by: Annotated[
        list[Dimension] | None, typer.Option(help="Group by this; again for groups within groups.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="The first UTC day, such as 2026-11-01.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="The last UTC day.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    label: Annotated[str, typer.Option(help="The label's name, for `--by label`.")] = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config_file: ConfigFile = None,
) -> None:
    """Add up what was spent, by what it was spent on, and compare it with the strongest default tier alone."""
    chosen = by or [Dimension.DAY]
    if (Dimension.LABEL in chosen) != bool(label):
        fault = Fault("--label", "goes together with `--by label`")
        raise ConfigurationError((fault,))
    query = SpendQuery(
        by=tuple(chosen),
        first_day=_day("--since", since),
        last_day=_day("--until", until),
        tenant=tenant,
        label=label,
    )
    form = _form(as_json=as_json, as_csv=as_csv)
    rows = _ask(config_file, _spending(query))
    show_spend([each.value for each in chosen], rows, form)


@ledger.command()
def show(
    request_id: str,
    tenant: Annotated[str, typer.Option(help="Whose request it is.")] = "",
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """Show every call of a request, and what each cost."""
    runs = _ask(config_file, lambda reader: reader.find(tenant, request_id))
    if not runs:
        whose = f" of tenant {tenant}" if tenant else ""
        say(f"there is no request with that id{whose}")
        raise SystemExit(FAILED)
    show_request(runs, as_json=as_json)


@ledger.command()
def audit(config_file: ConfigFile = None) -> None:
    """Compare every sum with its rows. Reads the whole ledger; exit code 1 when anything differs."""
    differences = _ask(config_file, lambda reader: reader.audit())
    for line in differences:
        say(line)
    if differences:
        raise SystemExit(FAILED)
    typer.echo("every sum is that of its rows")


def _spending(query: SpendQuery) -> Callable[[LedgerReader], Awaitable[Sequence[SpendRow]]]:
    return lambda reader: reader.spend(query)


def _ask(config_file: ConfigFile, question: Callable[[LedgerReader], Awaitable[Result]]) -> Result:
    from tierwise_server.ledger.opening import open_reader
    from tierwise_server.ledger.settings import MEMORY_URL
    from tierwise_server.translation import ledger_settings

    variables = environment()
    kept = ledger_settings(config.load(config_file, variables), variables)
    if kept is None or kept.url == MEMORY_URL:
        name = "ledger.enabled" if kept is None else "ledger.url"
        raise ConfigurationError((Fault(name, "keeps nothing that could be asked for"),))

    async def run() -> Result:
        async with open_reader(kept) as reader:
            return await question(reader)

    return asyncio.run(run())


def _day(option: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError((Fault(option, "is no day such as 2026-11-01"),)) from None


def _form(*, as_json: bool, as_csv: bool) -> Form:
    if as_json and as_csv:
        raise ConfigurationError((Fault("--csv", "cannot go together with --json"),))
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE
