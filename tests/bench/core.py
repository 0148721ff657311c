"""`make bench`: what the server adds, as ratios in one interleaved run.

Beside the server run (a) a bare grpc.aio echo of the same messages and (b) the Anthropic SDK alone on the same
simulated stream. The measured process has one core; load and upstream have the other. Every round measures all of
them once, so that a machine that drifts, drifts for all.

Others tell what the ratios are made of: a relay, which is (a) and (b) in one process with nothing between them, and
the server again while it exports every span, while it records every call in SQLite, and while it also asks for keys.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
import uvloop

from tests.bench.canned import write_messages
from tests.bench.load import GENERATE, ROUTE, Load, Metadata, generate_load, route_load
from tests.bench.processes import MEASURED_CORE, OTHER_CORE, Running, pin, program
from tests.bench.rows import Row, publish, row
from tests.unit.access.records import a_key
from tierwise.v1 import router_pb2_grpc
from tierwise_server.access.opening import open_keys
from tierwise_server.ledger.settings import LedgerSettings

ROUNDS = 5
CONCURRENCIES = (1, 16, 64)
ANSWERS = 300
ROUTES = 3000
ROUTES_AT_ONCE = 32
ALSO_AT = 16
"""The concurrency at which the relay and the traced server are measured."""
RECORDED_AT = (1, 16)
"""Those at which the ledger and keys are: alone, a call waits for its own flush; with others, they share one."""
SECRET, KEY = a_key()
UNRECORDED = "TIERWISE_LEDGER__ENABLED=false"


@dataclass
class Figures:
    """What the rounds gave, by name."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Note one round's value."""
        self.rounds.setdefault(name, []).append(value)

    def ratio(self, above: str, *below: str) -> list[float]:
        """Divide, round by round, one figure by the sum of others."""
        sums = zip(*(self.rounds[name] for name in below), strict=True)
        return [a / sum(b) for a, b in zip(self.rounds[above], sums, strict=True)]


async def capture(address: str, path: Path) -> None:
    """Keep the server's own messages of one Route and one Generate for the echo."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        route = await stub.Route(ROUTE)
        events = [event.SerializeToString() async for event in stub.Generate(GENERATE)]
    write_messages(path, [route.SerializeToString(), *events])


async def measure(
    figures: Figures, name: str, server: Running, load: Callable[[], Awaitable[Load]]
) -> None:
    """Put a load on a server; note calls per second, CPU per call and time to the first text."""
    before = server.cpu_s
    done = await load()
    figures.add(f"{name} per second", done.per_second)
    figures.add(f"{name} cpu ms", (server.cpu_s - before) / done.calls * 1000)
    if done.first_text_s:
        figures.add(f"{name} first text ms", statistics.median(done.first_text_s) * 1000)


def measure_sdk(figures: Figures, sdk: Running, concurrency: int) -> None:
    """Have the SDK read answers; note answers per second and CPU per answer."""
    stdin, stdout = sdk.process.stdin, sdk.process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("the SDK's process has no pipes")
    stdin.write(f"{ANSWERS} {concurrency}\n")
    stdin.flush()
    _, cpu_s, wall_s = stdout.readline().split()
    figures.add(f"sdk {concurrency} per second", ANSWERS / float(wall_s))
    figures.add(f"sdk {concurrency} cpu ms", float(cpu_s) / ANSWERS * 1000)


@dataclass(frozen=True, slots=True)
class Programs:
    """What runs side by side; see the head of this file."""

    tierwise: Running
    traced: Running
    recorded: Running
    keyed: Running
    echo: Running
    relay: Running
    sdk: Running


async def start(stack: ExitStack) -> Programs:
    """Start everything; it ends with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

    def measured(name: str, *arguments: str) -> Running:
        return stack.enter_context(program(f"tests.bench.{name}", arguments, core=MEASURED_CORE))

    upstream = stack.enter_context(program("tests.bench.run_upstream", core=OTHER_CORE)).address
    collector = stack.enter_context(program("tests.bench.run_collector", core=OTHER_CORE)).address
    tierwise = measured("run_tierwise", upstream, UNRECORDED)
    async with open_keys(LedgerSettings(folder / "keyed")) as keys:
        await keys.add(KEY)

    def recording(name: str, mode: str) -> Running:
        place = f"TIERWISE_LEDGER__DIRECTORY={folder / name}"
        return measured("run_tierwise", upstream, place, f"TIERWISE_AUTH__MODE={mode}")

    canned = folder / "messages"
    await capture(tierwise.address, canned)
    return Programs(
        tierwise,
        traced=measured(
            "run_tierwise", upstream, UNRECORDED, f"OTEL_EXPORTER_OTLP_ENDPOINT={collector}"
        ),
        recorded=recording("recorded", "auto"),
        keyed=recording("keyed", "required"),
        echo=measured("run_echo", str(canned)),
        relay=measured("run_echo", str(canned), upstream),
        sdk=measured("run_sdk", upstream),
    )


async def one_round(figures: Figures, programs: Programs) -> None:
    """Measure everything once."""
    servers = {"tierwise": programs.tierwise, "echo": programs.echo}
    also = {"traced": programs.traced, "relay": programs.relay}
    kept = {"recorded": programs.recorded, "keyed": programs.keyed}
    shown: Metadata = (("authorization", f"Bearer {SECRET}"),)
    for name, server in {**servers, "traced": programs.traced, "keyed": programs.keyed}.items():
        metadata = shown if name == "keyed" else ()
        load = partial(route_load, server.address, ROUTES, ROUTES_AT_ONCE, metadata)
        await measure(figures, f"{name} route", server, load)
    for concurrency in CONCURRENCIES:
        here = {**servers, **(also if concurrency == ALSO_AT else {})}
        here |= kept if concurrency in RECORDED_AT else {}
        for name, server in here.items():
            metadata = shown if name == "keyed" else ()
            load = partial(generate_load, server.address, ANSWERS, concurrency, metadata)
            await measure(figures, f"{name} {concurrency}", server, load)
        measure_sdk(figures, programs.sdk, concurrency)


def recorded_rows(figures: Figures) -> list[Row]:
    """What the ledger and keys add to a call."""
    rows = []
    for n in RECORDED_AT:
        without, recorded, keyed = (f"{name} {n}" for name in ("tierwise", "recorded", "keyed"))
        for name, above, below in (
            ("with the ledger on SQLite, beside without", recorded, without),
            ("with a key as well, beside the ledger alone", keyed, recorded),
        ):
            cpu = figures.ratio(f"{above} cpu ms", f"{below} cpu ms")
            per_second = figures.ratio(f"{above} per second", f"{below} per second")
            rows.append(row(f"Generate, CPU per answer at {n}, {name}", cpu, "x"))
            rows.append(row(f"Generate, answers per second at {n}, {name}", per_second, "x"))
    cpu = figures.ratio("keyed route cpu ms", "tierwise route cpu ms")
    rows.append(row("Route, CPU per call, with a key, beside without", cpu, "x"))
    return rows


def rows_of(figures: Figures) -> list[Row]:
    """Make the rows: ratios first, then what they were made of."""
    rows = [
        row(
            "Route, calls per second, beside the bare echo",
            figures.ratio("tierwise route per second", "echo route per second"),
            "x",
            goal=">= 0.8",
        )
    ]
    rows += [
        row(
            f"Generate, CPU per answer at {n}, beside SDK raw + bare stream",
            figures.ratio(f"tierwise {n} cpu ms", f"sdk {n} cpu ms", f"echo {n} cpu ms"),
            "x",
            goal="<= 1.3",
        )
        for n in CONCURRENCIES
    ]
    mine, relay = f"tierwise {ALSO_AT} cpu ms", f"relay {ALSO_AT} cpu ms"
    traced = f"traced {ALSO_AT} cpu ms"
    rows += [
        row(
            f"Generate, CPU per answer at {ALSO_AT}, beside both in one process",
            figures.ratio(mine, relay),
            "x",
        ),
        row(
            f"Generate, CPU per answer at {ALSO_AT}, with spans exported, beside without",
            figures.ratio(traced, mine),
            "x",
        ),
        row(
            "Route, CPU per call, with spans exported, beside without",
            figures.ratio("traced route cpu ms", "tierwise route cpu ms"),
            "x",
        ),
        *recorded_rows(figures),
    ]
    for n in CONCURRENCIES:
        added = zip(
            figures.rounds[f"tierwise {n} first text ms"],
            figures.rounds[f"echo {n} first text ms"],
            strict=True,
        )
        name = f"Generate, first text at {n}, beyond the bare echo"
        rows.append(row(name, [a - b for a, b in added], "ms"))
    for name, rounds in figures.rounds.items():
        unit = {"d": "/s", "y": "MB"}.get(name[-1], "ms")
        rows.append(row(name, rounds, unit))
    return rows


async def main() -> None:
    """Run the benchmark."""
    figures = Figures()
    with ExitStack() as stack:
        programs = await start(stack)
        await one_round(Figures(), programs)
        for _ in range(ROUNDS):
            await one_round(figures, programs)
        figures.add("tierwise memory", programs.tierwise.rss_mb)
    publish(rows_of(figures), "core.json")


if __name__ == "__main__":
    pin(OTHER_CORE)
    uvloop.run(main())
