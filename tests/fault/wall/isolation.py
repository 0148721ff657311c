"""F73: what one tenant may know of another, through a server and its ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.state import a_folder
from tests.fault.wall.tally import Tally
from tests.fault.worlds import text_of
from tests.integration.test_keys import bearer, generate, route, stored
from tests.programs import run
from tests.serving import Served, a_request, configured, serving
from tests.unit.access.records import a_key
from tierwise.v1 import router_pb2, routing_pb2
from tierwise_server.access.entries import Key
from tierwise_server.ledger.base import LedgerReader
from tierwise_server.ledger.opening import open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import Dimension, SpendQuery

TENANTS: Final = ("acme", "acm", "globex")
"""Two of them look alike."""
TIERS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "acme": ("efficient",),
    "acm": ("efficient", "frontier"),
    "globex": None,
}


@dataclass
class World:
    """A server with a key for each tenant, and what it answers each of them: the tenant's own name."""

    served: Served
    secrets: Mapping[str, str]

    async def ask(self, tenant: str, request_id: str) -> tuple[str, bool]:
        """Ask as a tenant; returns the answer, and whether it was given before."""
        request = a_request(f"I am {tenant}.", request_id=request_id)
        outcome = await generate(self.served, bearer(self.secrets[tenant]), request)
        assert outcome.status == "OK", f"{outcome.status} {outcome.reason}"
        return text_of(outcome), "x-tierwise-replayed" in outcome.trailers


async def _generate(world: World, number: int) -> None:
    """The same id under every tenant: each has its own answer, new the first time and again the second."""
    for again in (False, True):
        for tenant in TENANTS:
            told = await world.ask(tenant, f"r-{number}")
            assert told == (f"For {tenant}.", again), f"{tenant} was told {told}"


async def _generate_another_body(world: World, number: int) -> None:
    """An id that stands for something at one tenant stands for nothing at the others; nor does it run for them."""
    request_id = f"b-{number}"
    owner, *others = TENANTS
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.ask(owner, request_id))
        for other in others:
            tasks.create_task(world.ask(other, request_id))
    for other in others:
        assert await world.ask(other, request_id) == (f"For {other}.", True)


async def _route(world: World, _: int) -> None:
    """Each is routed to what its own key may use, and to nothing else."""
    for tenant, allowed in TIERS.items():
        for tier in ("efficient", "frontier"):
            options = routing_pb2.RoutingOptions(tier=tier)
            answer, outcome = await route(
                world.served, bearer(world.secrets[tenant]), routing=options
            )
            if allowed is None or tier in allowed:
                assert answer is not None, f"{tenant} is refused {tier}: {outcome.reason}"
                assert answer.decision.tier == tier
            else:
                assert outcome.reason == "TIER_NOT_ALLOWED"


METHODS: Final[Mapping[str, tuple[Callable[[World, int], Awaitable[None]], ...]]] = {
    "Generate": (_generate, _generate_another_body),
    "Route": (_route,),
}


@scenario(
    "F73",
    "every method, the same ids under three tenants: each its own answer and replay, unaware of the others'; "
    "`tierwise ledger` finds and adds up one tenant's alone",
)
async def other_tenants(tally: Tally) -> None:
    service = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
    with tally.run("no method is forgotten"):
        assert {method.name for method in service.methods} == METHODS.keys()
    made: dict[str, tuple[str, Key]] = {t: a_key(tenant=t, tiers=TIERS[t]) for t in TENANTS}
    secrets = {tenant: secret for tenant, (secret, _) in made.items()}
    tally.witness.words += secrets.values()
    script = {"rules": [{"contains": f"I am {t}.", "answer": f"For {t}."} for t in TENANTS]}
    with a_folder() as folder:
        config = configured({"auth": {"mode": "required"}, "ledger": {"directory": str(folder)}})
        store = await stored(*(key for _, key in made.values()))
        count = len(tally.times(50))
        async with serving(script, config, keys=store) as served:
            world = World(served, secrets)
            for number in range(count):
                for name, plays in METHODS.items():
                    for play in plays:
                        with tally.run(f"{name} {number}"):
                            await play(world, number)
            tally.witness.search_spans(served)
        await _ledger(tally, folder, count)


async def _ledger(tally: Tally, folder: Path, count: int) -> None:
    async with open_reader(LedgerSettings(folder)) as reader:
        for number in range(count):
            with tally.run(f"find {number}"):
                await _found(reader, f"r-{number}")
        whole = await reader.spend(SpendQuery((Dimension.TENANT,)))
        for tenant in TENANTS:
            with tally.run(f"spend of {tenant}"):
                (own,) = await reader.spend(SpendQuery(tenant=tenant))
                (row,) = [row for row in whole if row.group == (tenant,)]
                assert (own.requests, own.cost_nano_usd) == (row.requests, row.cost_nano_usd)
                assert own.requests == 2 * count
    for words, told in _commands(count):
        with tally.run(" ".join(words)):
            done = await asyncio.to_thread(
                run, "ledger", *words, "--json", TIERWISE_LEDGER__DIRECTORY=str(folder)
            )
            assert told(done.returncode, done.stdout), done.stdout + done.stderr


async def _found(reader: LedgerReader, request_id: str) -> None:
    for tenant in TENANTS:
        (found,) = await reader.find(tenant, request_id)
        assert found.origin.tenant == tenant
    for nobody in ("", "%", "acme%", "ac_e", "ACME"):
        assert await reader.find(nobody, request_id) == ()


def _commands(count: int) -> list[tuple[tuple[str, ...], Callable[[int, str], bool]]]:
    def of(tenant: str) -> Callable[[int, str], bool]:
        others = [other for other in TENANTS if other != tenant]
        return lambda code, said: (
            code == 0
            and _values(said, "tenant") == {tenant}
            and not [other for other in others if f'"{other}"' in said]
        )

    def requests(code: int, said: str) -> bool:
        return code == 0 and [row["requests"] for row in json.loads(said)] == [2 * count]

    def nothing(code: int, said: str) -> bool:
        return code == 1 and not said.strip()

    commands: list[tuple[tuple[str, ...], Callable[[int, str], bool]]] = []
    for tenant in TENANTS:
        commands.append((("show", "r-0", "--tenant", tenant), of(tenant)))
        commands.append((("spend", "--tenant", tenant), requests))
        commands.append((("spend", "--tenant", tenant, "--by", "tenant"), of(tenant)))
    commands.append((("show", "r-0", "--tenant", "acme%"), nothing))
    commands.append((("show", "r-0"), nothing))
    return commands


def _values(said: str, name: str) -> set[Any]:
    """Every value of that name in a JSON text."""
    found: set[Any] = set()

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.update(value for key, value in pairs if key == name)
        return dict(pairs)

    json.loads(said, object_pairs_hook=keep)
    return found
