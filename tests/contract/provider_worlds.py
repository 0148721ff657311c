"""Each implementation of the provider port, over an upstream that plays scenes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from tests.unit.providers.calls import CALL
from tierwise_server.core.model import FinishReason, Message, Prompt, Role
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.anthropic import AnthropicProvider
from tierwise_server.providers.base import Begun, ModelCall, Provider, TextPiece
from tierwise_server.providers.breaking import BreakingProvider
from tierwise_server.providers.limiting import LimitingProvider, Limits
from tierwise_server.providers.retrying import RetryingProvider
from tierwise_server.providers.scripted import Pause, ScriptedProvider, Step, answer
from tierwise_server.simulator import Simulator

TEXT = "A tier is a class of models."

_SCRIPT = {
    "rules": [
        {"contains": "scene: whole", "answer": TEXT},
        {"contains": "scene: empty", "answer": ""},
        {"contains": "scene: refused", "answer": "", "stop_reason": "refusal"},
        {"contains": "scene: cut short", "answer": TEXT, "stop_reason": "max_tokens"},
        {"contains": "scene: rejected", "fault": {"kind": "status", "status": 400}},
        {"contains": "scene: broken off", "answer": TEXT, "fault": {"kind": "missing_stop"}},
        {"contains": "scene: silent", "fault": {"kind": "hang"}},
        {"contains": "scene: stalled", "answer": TEXT, "fault": {"kind": "stall", "at_byte": 900}},
    ]
}

_REJECTED = UpstreamError(Reason.UPSTREAM_REJECTED, "the provider rejects the request")
_BROKEN_OFF = UpstreamError(Reason.UPSTREAM_INTERRUPTED, "the provider broke off its answer")
_SCENES: Mapping[str, Sequence[Step]] = {
    "whole": answer(TEXT),
    "empty": answer(""),
    "refused": answer("", finish_reason=FinishReason.REFUSAL),
    "cut short": answer(TEXT, finish_reason=FinishReason.LENGTH),
    "rejected": (_REJECTED,),
    "broken off": (Begun("x", None), TextPiece(TEXT), _BROKEN_OFF),
    "silent": (Pause(),),
    "stalled": (Begun("x", None), TextPiece("A "), Pause()),
}


@dataclass(frozen=True)
class World:
    """A provider, and a wait (or a check) that its upstream has no call open any more."""

    provider: Provider
    all_closed: Callable[[], Awaitable[None]]


def scene(name: str) -> ModelCall:
    """A call to which every world's upstream plays the scene."""
    return replace(CALL, prompt=Prompt("", (Message(Role.USER, (f"scene: {name}",)),)))


@asynccontextmanager
async def anthropic_world() -> AsyncIterator[World]:
    async with Simulator(_SCRIPT) as simulator:
        provider = AnthropicProvider("key", base_url=simulator.base_url)
        try:
            yield World(provider, simulator.journal.settled)
        finally:
            await provider.aclose()


@asynccontextmanager
async def retrying_world() -> AsyncIterator[World]:
    async with anthropic_world() as world:
        yield World(RetryingProvider(world.provider), world.all_closed)


@asynccontextmanager
async def breaking_world() -> AsyncIterator[World]:
    async with anthropic_world() as world:
        yield World(BreakingProvider(world.provider), world.all_closed)


@asynccontextmanager
async def limiting_world() -> AsyncIterator[World]:
    async with anthropic_world() as world:
        # Fewer places than calls side by side, so that some wait.
        limiting = LimitingProvider(world.provider, Limits(places=4))

        async def all_closed() -> None:
            await world.all_closed()
            assert limiting.places.taken == 0

        yield World(limiting, all_closed)


@asynccontextmanager
async def whole_world() -> AsyncIterator[World]:
    """All wrappers as the server wraps its providers."""
    async with limiting_world() as world:
        provider = RetryingProvider(BreakingProvider(world.provider))
        yield World(provider, world.all_closed)


@asynccontextmanager
async def scripted_world() -> AsyncIterator[World]:
    def script(call: ModelCall) -> Sequence[Step]:
        return _SCENES[call.prompt.messages[0].texts[0].removeprefix("scene: ")]

    provider = ScriptedProvider(script)

    async def all_closed() -> None:
        assert provider.open_streams == 0

    yield World(provider, all_closed)


WORLDS: Mapping[str, Callable[[], AbstractAsyncContextManager[World]]] = {
    "anthropic": anthropic_world,
    "breaking": breaking_world,
    "limiting": limiting_world,
    "retrying": retrying_world,
    "scripted": scripted_world,
    "whole": whole_world,
}
