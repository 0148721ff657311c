"""Counts the runs of a scenario, and listens for what must not be told."""

from __future__ import annotations

import asyncio
import io
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fault.proxy import FaultProxy, Toxic
from tests.fault.worlds import GOOD, ONE_PLACE, SOON_S, Rule, text_of
from tests.integration.invariants import check_bill, check_stream
from tests.serving import KEY, Outcome, Served, a_request, configured, outcome_of, serving
from tierwise.v1 import router_pb2, routing_pb2

PROMPT: Final = "canary-prompt-of-the-wall"
SYSTEM: Final = "canary-system-of-the-wall"
LABEL: Final = "canary-label-of-the-wall"
TOKEN: Final = "canary-token-of-the-wall"
BODY: Final = "canary-body-of-the-upstream"
CANARIES: Final = (KEY, PROMPT, SYSTEM, LABEL, TOKEN, BODY)

LONGEST_DETAIL: Final = 300


@dataclass
class Witness:
    """Everything that the servers of a run told of themselves, searched for what must stay in.

    Attributes:
        log: what they logged.
        words: canaries that were made on the way, such as the callers' keys.
        searched_bytes: how much was searched.
        hits: where a canary was found.
    """

    log: io.StringIO = field(default_factory=io.StringIO)
    words: list[str] = field(default_factory=list)
    searched_bytes: int = 0
    hits: list[str] = field(default_factory=list)

    def search(self, where: str, said: str) -> None:
        self.searched_bytes += len(said)
        self.hits += [f"{word} in {where}" for word in (*CANARIES, *self.words) if word in said]

    def search_files(self, folder: Path) -> None:
        """Search every file in a folder; labels are kept on purpose."""
        for path in folder.rglob("*"):
            if path.is_file():
                said = path.read_bytes().decode("latin-1").replace(LABEL, "")
                self.search(f"the file {path.name}", said)

    def search_spans(self, served: Served) -> None:
        """Search what a server put on its spans."""
        spans = served.spans.spans()
        self.search("a span", repr([(span.name, span.attributes) for span in spans]))

    def search_log(self) -> None:
        """Search what was logged since the last time."""
        self.search("the log", self.log.getvalue())
        self.log.seek(0)
        self.log.truncate()


@dataclass
class World:
    """A server of one place for everything, behind a proxy."""

    served: Served
    proxy: FaultProxy
    witness: Witness

    @property
    def posts(self) -> int:
        """How often the upstream was asked."""
        return len(self.served.simulator.journal.messages)

    async def ask(
        self,
        request: router_pb2.GenerateRequest | None = None,
        *,
        timeout_s: float | None = None,
        **fields: Any,
    ) -> Outcome:
        """Make a call, and hold what came of it to what holds of every call."""
        call = self.served.stub.Generate(
            request or secretive(**fields),
            timeout=timeout_s,
            metadata=(("x-trace-note", TOKEN),),
        )
        outcome = await outcome_of(call)
        check_stream(outcome)
        # A deadline that the caller's own library saw pass comes without the server's details.
        if outcome.status == "OK" or outcome.details:
            check_bill(outcome)
        self.witness.search("what the caller got", shown_to_caller(outcome))
        return outcome

    async def is_well_again(self, tier: str = "") -> None:
        """Check that nothing is held any more: the upstream is left, and the one place of everything is free.

        `tier` is asked instead of the one that was struck, where that one's model is still left alone.
        """
        journal = self.served.simulator.journal
        await journal.settled()
        self.proxy.toxic = None
        routing = routing_pb2.RoutingOptions(tier=tier) if tier else None
        outcome = await self.ask(routing=routing)
        assert (outcome.status, outcome.reason) == ("OK", ""), "the next good call"
        assert text_of(outcome) == GOOD["answer"]
        await journal.settled()


@dataclass
class Tally:
    """What became of the runs of one scenario.

    Attributes:
        scale: how much of the whole is run, from 0 to 1.
        chance: seeded by the scenario, so that every run of the wall is the same.
        failures: what failed, and why.
        detail: what was measured, in words.
    """

    witness: Witness
    scale: float = 1.0
    seed: int = 0
    runs: int = 0
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    detail: str = ""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def times(self, whole: int) -> range:
        """So many runs of the whole; at least one."""
        return range(max(1, round(whole * self.scale)))

    def some(self, items: Sequence[Any], least: int = 2) -> list[Any]:
        """The items, or in a slice some of them, drawn."""
        count = max(min(least, len(items)), round(len(items) * self.scale))
        return list(items) if count >= len(items) else self.chance.sample(list(items), count)

    @contextmanager
    def run(self, what: str = "") -> Iterator[None]:
        """Play one run; whatever is raised in it is a failure of that run."""
        self.runs += 1
        try:
            yield
        except Exception as error:
            self.failures.append(f"{what}: {_why(error)}"[:LONGEST_DETAIL])
        else:
            self.passed += 1

    def count(self, runs: int, failures: Sequence[str] = ()) -> None:
        """Add runs that were counted elsewhere."""
        self.runs += runs
        self.passed += runs - len(failures)
        self.failures += [failure[:LONGEST_DETAIL] for failure in failures]

    async def together(
        self, runs: int, play: Callable[[int], Awaitable[None]], *, at_once: int = 5
    ) -> None:
        """Play runs that mostly wait, a few at the same time, each counted on its own."""
        places = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with places:
                with self.run(f"run {number}"):
                    await play(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(runs):
                tasks.create_task(one(number))

    @asynccontextmanager
    async def world(
        self,
        rules: Sequence[Rule],
        *,
        toxic: Toxic | None = None,
        config: Mapping[str, Any] = ONE_PLACE,
        limit_s: float = SOON_S,
    ) -> AsyncIterator[World]:
        """Run a server that reaches its upstream through a proxy; search what it told when it ends."""
        async with (
            asyncio.timeout(limit_s),
            FaultProxy(toxic) as proxy,
            serving({"rules": list(rules)}, configured(config), base_url=proxy.base_url) as served,
        ):
            proxy.upstream = served.simulator.base_url
            yield World(served, proxy, self.witness)
        self.witness.search_spans(served)
        self.witness.search_log()


def secretive(
    *, escalation: bool = False, delivery: str = "DRAFT_DELIVERY_UNSPECIFIED", **fields: Any
) -> router_pb2.GenerateRequest:
    """Make a request that holds a canary wherever a caller can put text."""
    routing = routing_pb2.RoutingOptions(escalation=True) if escalation else None
    usual: dict[str, Any] = {
        "text": PROMPT,
        "task_type": "generate_response" if escalation else "classify_intent",
        "system": SYSTEM,
        "labels": {"tenant": LABEL},
        "routing": routing,
        "draft_delivery": router_pb2.DraftDelivery.Value(delivery),
    }
    return a_request(**{**usual, **fields})


def shown_to_caller(outcome: Outcome) -> str:
    """Everything that came back, as text."""
    trailers = b"".join(
        v if isinstance(v, bytes) else v.encode() for v in outcome.trailers.values()
    )
    return f"{outcome.message} {outcome.messages} {outcome.details} {trailers!r}"


def with_config(*changes: Mapping[str, Any]) -> dict[str, Any]:
    """The one-place configuration with changes, section by section."""
    merged: dict[str, Any] = {}
    for change in (ONE_PLACE, *changes):
        _merge(merged, change)
    return merged


def _merge(into: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping):
            below = into.setdefault(key, {})
            into[key] = below = dict(below)
            _merge(below, value)
        else:
            into[key] = value


def _why(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f for f in reversed(frames) if "/tests/" in f.filename), None)
    where = f" (line {place.lineno}: {place.line})" if place else ""
    return f"{type(error).__name__} {error}{where}".replace("\n", " ")
