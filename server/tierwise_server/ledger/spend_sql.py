"""The SQL of `spend`: two sums, over calls and over requests, put together by group. ledger/spend.py is its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tierwise_server.core.account import CallStatus
from tierwise_server.core.model import CallKind
from tierwise_server.ledger import tables
from tierwise_server.ledger.entries import OK, RowState
from tierwise_server.ledger.spend import CUT_BY_US, UNWAITED, Dimension, SpendQuery, SpendRow, Use

if TYPE_CHECKING:
    Column = sa.ColumnElement[Any]


def spend_rows(connection: sa.Connection, query: SpendQuery) -> tuple[SpendRow, ...]:
    """Answer a query."""
    rows: dict[tuple[str, ...], SpendRow] = {}
    for summed, add in ((_calls(query), _add_calls), (_requests(query), _add_requests)):
        for found in connection.execute(summed).mappings():
            group = tuple(str(found[f"by_{index}"] or "") for index in range(len(query.by)))
            add(rows.setdefault(group, SpendRow(group)), found)
    return tuple(rows[group] for group in sorted(rows))


def _calls(query: SpendQuery) -> sa.Select[Any]:
    request, call = tables.request, tables.call
    reserved = call.c.state == RowState.RESERVED.name
    over = sa.not_(reserved)
    charged = sa.func.coalesce(call.c.charged_nano_usd, 0)
    guessed = call.c.state.in_([RowState.ESTIMATED.name, RowState.ORPHANED.name])
    sums = {
        "calls": _count(sa.and_(over, sa.func.coalesce(call.c.tries, 1) > 0)),
        "unpriced_calls": _count(sa.and_(over, call.c.charged_nano_usd.is_(None))),
        "open_calls": _count(reserved),
        "open_nano_usd": _sum_if(reserved, sa.func.coalesce(call.c.worst_case_nano_usd, 0)),
        "cost_nano_usd": sa.func.sum(charged),
        "estimated_nano_usd": _sum_if(guessed, charged),
        "input_tokens": sa.func.sum(sa.func.coalesce(call.c.input_tokens, 0)),
        "output_tokens": sa.func.sum(sa.func.coalesce(call.c.output_tokens, 0)),
        **{f"use_{use.name}": _sum_if(_use() == use.name, charged) for use in Use},
    }
    grouped = {
        Dimension.DAY: call.c.day,
        Dimension.TIER: call.c.tier,
        Dimension.MODEL: call.c.model,
    }
    joined = call.join(request, request.c.run_id == call.c.run_id)
    return _grouped(query, joined, call, grouped, sums)


def _requests(query: SpendQuery) -> sa.Select[Any]:
    request = tables.request
    compared = sa.and_(request.c.frontier_only_nano_usd.is_not(None), request.c.unpriced_calls == 0)
    sums = {
        "requests": sa.func.count(),
        "answered": _count(request.c.outcome == OK),
        "escalated": _count(sa.func.coalesce(request.c.escalated, sa.false())),
        "frontier_only_nano_usd": _sum_if(compared, request.c.frontier_only_nano_usd),
        "compared_nano_usd": _sum_if(compared, request.c.cost_nano_usd),
        "uncompared": _count(sa.and_(request.c.outcome == OK, sa.not_(compared))),
    }
    grouped = {
        Dimension.DAY: request.c.day,
        Dimension.TIER: request.c.final_tier,
        Dimension.MODEL: request.c.final_model,
    }
    return _grouped(query, request, request, grouped, sums)


def _grouped(
    query: SpendQuery,
    source: sa.FromClause,
    dated: sa.Table,
    own: Mapping[Dimension, Column],
    sums: Mapping[str, Column],
) -> sa.Select[Any]:
    request = tables.request
    columns: dict[Dimension, Column] = {
        Dimension.TENANT: request.c.tenant,
        Dimension.KEY: request.c.key_id,
        Dimension.TASK_TYPE: request.c.task_type,
        Dimension.LABEL: request.c.labels[tables.storable(query.label)].as_string(),
        **own,
    }
    groups = [columns[dimension].label(f"by_{index}") for index, dimension in enumerate(query.by)]
    labelled = [column.label(name) for name, column in sums.items()]
    # Grouped by label, because a parameter in the column would be another one in the GROUP BY.
    names = [sa.text(f"by_{index}") for index in range(len(query.by))]
    selected = sa.select(*groups, *labelled).select_from(source).where(*_within(query, dated))
    return selected.group_by(*names) if names else selected.having(sa.func.count() > 0)


def _within(query: SpendQuery, dated: sa.Table) -> Sequence[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if query.first_day is not None:
        conditions.append(dated.c.day >= query.first_day)
    if query.last_day is not None:
        conditions.append(dated.c.day <= query.last_day)
    if query.tenant is not None:
        conditions.append(dated.c.tenant == query.tenant)
    return conditions


def _use() -> Column:
    """The rule of `spend.use_of`, in its order."""
    call, outcome = tables.call, tables.request.c.outcome
    cut = call.c.status == CallStatus.CANCELLED.name
    failed = call.c.status == CallStatus.FAILED.name
    return sa.case(
        (call.c.state == RowState.ORPHANED.name, Use.ORPHANED.name),
        (sa.and_(cut, outcome.in_(CUT_BY_US)), Use.FAILED.name),
        (cut, Use.CANCELLED.name),
        (sa.and_(failed, call.c.superseded), Use.RETRIED.name),
        (failed, Use.FAILED.name),
        (call.c.superseded, Use.SUPERSEDED.name),
        (call.c.kind == CallKind.CHECK.name, Use.CHECK.name),
        (outcome.in_(UNWAITED), Use.CANCELLED.name),
        (sa.or_(outcome.is_(None), outcome == OK), Use.USEFUL.name),
        else_=Use.FAILED.name,
    )


def _count(condition: Column) -> Column:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _sum_if(condition: Column, amount: Column) -> Column:
    return sa.func.sum(sa.case((condition, amount), else_=0))


def _add_calls(total: SpendRow, found: sa.RowMapping) -> None:
    for name in (
        "calls",
        "unpriced_calls",
        "open_calls",
        "open_nano_usd",
        "cost_nano_usd",
        "estimated_nano_usd",
        "input_tokens",
        "output_tokens",
    ):
        setattr(total, name, getattr(total, name) + int(found[name] or 0))
    for use in Use:
        total.uses[use] += int(found[f"use_{use.name}"] or 0)


def _add_requests(total: SpendRow, found: sa.RowMapping) -> None:
    for name in (
        "requests",
        "answered",
        "escalated",
        "frontier_only_nano_usd",
        "compared_nano_usd",
        "uncompared",
    ):
        setattr(total, name, getattr(total, name) + int(found[name] or 0))
