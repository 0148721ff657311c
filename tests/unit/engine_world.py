"""A scripted provider below the engine, and ears at both of its ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.unit.core.builders import PRICES, a_table, a_task
from tierwise_server.core import stream
from tierwise_server.core.model import CallKind, Task, Usage
from tierwise_server.engine import Engine, EngineSettings
from tierwise_server.providers.base import ModelCall
from tierwise_server.providers.scripted import Script, ScriptedProvider, Step, answer

CHECK_USAGE = Usage(input_tokens=100, output_tokens=3)


@dataclass
class Heard:
    """Takes both ends of the engine's events; fails the sink where told to."""

    told: list[stream.StreamEvent] = field(default_factory=list)
    observed: list[stream.StreamEvent] = field(default_factory=list)
    before_sending: Callable[[stream.StreamEvent], None] | None = None

    async def __call__(self, event: stream.StreamEvent) -> None:
        if self.before_sending is not None:
            self.before_sending(event)
        self.told.append(event)

    def observe(self, event: stream.StreamEvent) -> None:
        self.observed.append(event)

    def propagation(self) -> Mapping[str, str]:
        return {"traceparent": f"call-{len(self.observed)}"}

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.told]

    @property
    def answer_text(self) -> str:
        return "".join(event.text for event in self.told if isinstance(event, stream.TextDelta))

    @property
    def ended(self) -> stream.Ended:
        [ended] = [event for event in self.observed if isinstance(event, stream.Ended)]
        assert self.observed[-1] is ended
        return ended


def score(text: str) -> tuple[Step, ...]:
    return answer(text, usage=CHECK_USAGE)


def script(
    draft: tuple[Step, ...], check: tuple[Step, ...] = (), strong: tuple[Step, ...] = ()
) -> Script:
    def play(call: ModelCall) -> tuple[Step, ...]:
        return {CallKind.DRAFT: draft, CallKind.CHECK: check, CallKind.DIRECT: strong}[call.kind]

    return play


def an_engine(play: Script) -> tuple[Engine, ScriptedProvider]:
    provider = ScriptedProvider(play)
    engine = Engine(
        a_table(),
        PRICES,
        {"anthropic": provider},
        EngineSettings(structured_checks=False),
    )
    return engine, provider


def climbing(**options: object) -> Task:
    task = a_task("climb_two")
    return replace(task, request_id="r-1", **options)  # type: ignore[arg-type]  # keyword pass-through
