"""What ledger/base.py promises, kept by every implementation: what was spent adds up, in every grouping."""

from __future__ import annotations

import dataclasses
import datetime
import random
from functools import partial

import pytest

from tests.contract.ledger.worlds import World
from tests.unit.ledger.rows import DAY_S, NOON_S, a_reservation, a_settlement, an_end, an_origin
from tierwise_server.core.account import CallStatus
from tierwise_server.core.model import CallKind
from tierwise_server.errors import Reason
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.entries import Entry, RowState
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.spend import Dimension, SpendQuery, SpendRow, Use

NOVEMBER_23 = datetime.date(2026, 11, 23)


async def fill(ledger: Ledger, seed: int, requests: int = 40) -> None:
    """Play requests of every kind, the same for the same seed."""
    chance = random.Random(seed)
    for number in range(requests):
        await _play(ledger, chance, number)


async def _play(ledger: Ledger, chance: random.Random, number: int) -> None:
    origin = an_origin(
        run_id=f"run-{number}",
        request_id=f"request-{number}",
        tenant=chance.choice(["acme", "globex"]),
        key_id=chance.choice(["key-1", "key-2"]),
        task_type=chance.choice(["answer_faq", "classify_intent"]),
        labels=chance.choice([{}, {"team": "search"}, {"team": "ads", "env": "prod"}]),
        at_s=NOON_S + chance.randrange(3) * DAY_S,
    )
    tiers = ["efficient", "frontier", "reasoning"][: chance.randrange(1, 4)]
    attempts = len(tiers)
    entries: list[Entry] = []
    for attempt, tier in enumerate(tiers, 1):
        kinds = [CallKind.DRAFT, CallKind.CHECK] if attempt < attempts else [CallKind.DIRECT]
        for kind in kinds:
            worst = chance.choice([100, 200, None])
            row = a_reservation(
                origin, attempt=attempt, kind=kind, tier=tier, worst_case_nano_usd=worst
            )
            await ledger.reserve(row)
            state = chance.choice([s for s in RowState if s is not RowState.ORPHANED])
            if state is not RowState.RESERVED:
                cost = chance.choice([None, 0, 7, 31, 64])
                status = chance.choice(list(CallStatus))
                entries.append(a_settlement(row, cost, state=state, status=status))
    endings = [None, None, Reason.CANCELLED, Reason.SHUTTING_DOWN, Reason.UPSTREAM_TIMEOUT]
    reason = chance.choice(endings)
    if chance.random() < 0.9:
        frontier_only = chance.choice([None, 90, 300])
        superseded = tuple(range(1, attempts))
        end = an_end(
            origin,
            reason=reason,
            tier=tiers[-1],
            frontier_only_nano_usd=frontier_only,
            superseded=superseded,
        )
        entries.append(end)
    chance.shuffle(entries)
    await ledger.record(entries)


QUERIES = [
    SpendQuery(),
    *(SpendQuery((dimension,), label="team") for dimension in Dimension),
    SpendQuery((Dimension.DAY, Dimension.TASK_TYPE, Dimension.TIER), tenant="acme"),
    SpendQuery((Dimension.TENANT, Dimension.LABEL), label="env", first_day=NOVEMBER_23),
    SpendQuery((Dimension.KEY,), first_day=NOVEMBER_23 + datetime.timedelta(days=1)),
    SpendQuery((Dimension.DAY,), last_day=NOVEMBER_23),
    SpendQuery((Dimension.LABEL,), label="no such 'label\"."),
    SpendQuery((Dimension.DAY,), tenant="nobody"),
    SpendQuery(tenant="nobody"),
]


async def test_every_question_is_answered_as_the_model_answers_it(world: World) -> None:
    ledger, model = await world.open(), MemoryLedger()
    await fill(ledger, seed=1)
    await fill(model, seed=1)
    for query in QUERIES:
        assert await ledger.spend(query) == await model.spend(query)
    assert await ledger.audit() == ()


def amounts(rows: tuple[SpendRow, ...]) -> dict[str, int]:
    """Every figure, added up over all groups."""
    names = [field.name for field in dataclasses.fields(SpendRow)]
    figures = {
        name: sum(getattr(row, name) for row in rows)
        for name in names
        if name not in ("group", "uses")
    }
    return figures | {use.name: sum(row.uses[use] for row in rows) for use in Use}


@pytest.mark.parametrize("dimension", Dimension)
async def test_groups_add_up_to_the_whole_and_uses_to_the_cost(
    world: World, dimension: Dimension
) -> None:
    ledger = await world.open()
    await fill(ledger, seed=2, requests=15)
    whole = amounts(await ledger.spend(SpendQuery()))
    assert amounts(await ledger.spend(SpendQuery((dimension,), label="team"))) == whole
    assert whole["cost_nano_usd"] == sum(whole[use.name] for use in Use)
    assert whole["cost_nano_usd"] > 0


async def test_answers_without_a_comparison_are_counted(world: World) -> None:
    ledger = await world.open()
    for cost, frontier_only in ((5, 20), (7, None), (None, 20)):
        row = a_reservation(an_origin())
        await ledger.reserve(row)
        end = an_end(row.origin, frontier_only_nano_usd=frontier_only)
        await ledger.record([a_settlement(row, cost), end])
    failed = a_reservation(an_origin())
    await ledger.reserve(failed)
    end = an_end(failed.origin, reason=Reason.UPSTREAM_TIMEOUT, frontier_only_nano_usd=None)
    await ledger.record([a_settlement(failed, 3), end])
    (total,) = await ledger.spend(SpendQuery())
    assert (total.requests, total.answered, total.uncompared) == (4, 3, 2)
    assert (total.frontier_only_nano_usd, total.compared_nano_usd) == (20, 5)


async def test_the_split_of_one_escalated_request(world: World) -> None:
    ledger = await world.open()
    draft = a_reservation(kind=CallKind.DRAFT)
    check = a_reservation(draft.origin, kind=CallKind.CHECK)
    failed = a_reservation(draft.origin, attempt=2, tier="frontier")
    answer = a_reservation(draft.origin, attempt=3, tier="reasoning")
    for row in (draft, check, failed, answer):
        await ledger.reserve(row)
    estimate = a_settlement(failed, 4, state=RowState.ESTIMATED, status=CallStatus.FAILED)
    entries = [a_settlement(draft, 1), a_settlement(check, 2), estimate, a_settlement(answer, 8)]
    end = an_end(draft.origin, tier="reasoning", superseded=(1, 2), frontier_only_nano_usd=20)
    await ledger.record([*entries, end])
    (total,) = await ledger.spend(SpendQuery())
    assert {use: nano_usd for use, nano_usd in total.uses.items() if nano_usd} == {
        Use.SUPERSEDED: 1,
        Use.CHECK: 2,
        Use.RETRIED: 4,
        Use.USEFUL: 8,
    }
    assert (total.requests, total.answered, total.escalated, total.calls) == (1, 1, 1, 4)
    assert (total.cost_nano_usd, total.estimated_nano_usd) == (15, 4)
    assert (total.frontier_only_nano_usd, total.compared_nano_usd, total.uncompared) == (20, 15, 0)
    by_tier = await ledger.spend(SpendQuery((Dimension.TIER,)))
    assert [(row.group, row.requests, row.cost_nano_usd) for row in by_tier] == [
        (("efficient",), 0, 3),
        (("frontier",), 0, 4),
        (("reasoning",), 1, 8),
    ]


async def test_a_failure_that_nothing_replaced_is_no_retry(world: World) -> None:
    """Of two attempts that failed, the second ended the request; so did the check of another one fail."""
    ledger = await world.open()
    first = a_reservation()
    second = a_reservation(first.origin, attempt=2, tier="frontier")
    draft = a_reservation(kind=CallKind.DRAFT)
    check = a_reservation(draft.origin, kind=CallKind.CHECK)
    answer = a_reservation(draft.origin, attempt=2, tier="frontier")
    failed = partial(a_settlement, state=RowState.ESTIMATED, status=CallStatus.FAILED)
    for row in (first, second, draft, check, answer):
        await ledger.reserve(row)
    await ledger.record(
        [
            failed(first, 1),
            failed(second, 2),
            an_end(first.origin, reason=Reason.UPSTREAM_TIMEOUT, superseded=(1,)),
            a_settlement(draft, 4),
            failed(check, 8),
            a_settlement(answer, 16),
            an_end(draft.origin, tier="frontier", superseded=(1,)),
        ]
    )
    (total,) = await ledger.spend(SpendQuery())
    assert {use: nano_usd for use, nano_usd in total.uses.items() if nano_usd} == {
        Use.RETRIED: 1,
        Use.FAILED: 2 + 8,
        Use.SUPERSEDED: 4,
        Use.USEFUL: 16,
    }


async def test_a_call_that_the_servers_end_cut_off_is_not_the_callers_doing(world: World) -> None:
    ledger = await world.open()
    ours, theirs = a_reservation(), a_reservation()
    cut = partial(a_settlement, state=RowState.ESTIMATED, status=CallStatus.CANCELLED)
    for row in (ours, theirs):
        await ledger.reserve(row)
    await ledger.record(
        [
            cut(ours, 1),
            an_end(ours.origin, reason=Reason.SHUTTING_DOWN),
            cut(theirs, 2),
            an_end(theirs.origin, reason=Reason.CANCELLED),
        ]
    )
    (total,) = await ledger.spend(SpendQuery())
    assert (total.uses[Use.FAILED], total.uses[Use.CANCELLED]) == (1, 2)


async def test_an_empty_ledger_has_no_groups(world: World) -> None:
    ledger = await world.open()
    assert await ledger.spend(SpendQuery()) == ()
    assert await ledger.spend(SpendQuery((Dimension.DAY,))) == ()
