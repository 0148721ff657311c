"""Every call is on disk as an intent before it is made and with its outcome before anybody acts on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.core.builders import EFFICIENT, PRICES
from tierwise_server.core.model import CallKind, Message, Prompt, Role, Usage
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.measure.journal import FILE, Journal, read_entries
from tierwise_server.measure.purse import Purse
from tierwise_server.measure.recording import Recorder, RecordingProvider
from tierwise_server.measure.state import RunState, answer_key
from tierwise_server.providers.base import Begun, Completed, ModelCall, ProviderEvent, TextPiece
from tierwise_server.providers.scripted import Pause, ScriptedProvider, Step, answer

CALL = ModelCall(CallKind.DIRECT, EFFICIENT.model, Prompt("", (Message(Role.USER, ("Hi",)),)), 100)
USAGE = Usage(input_tokens=10, output_tokens=5)


class World:
    """A scripted provider below a recording one."""

    def __init__(self, folder: Path, *steps: Step, again: bool = False) -> None:
        self.folder = folder
        self.provider = ScriptedProvider(lambda _: steps)
        self.journal = Journal(folder)
        self.again = again

    def open(self) -> RecordingProvider:
        state = RunState.of(self.journal.entries())
        recorder = Recorder(self.journal, state, PRICES, lambda _: self.again)
        return RecordingProvider(
            self.provider, recorder, lambda kind: answer_key("t", "efficient", kind), EFFICIENT
        )

    async def ask(self) -> list[ProviderEvent]:
        with self.journal:
            async with self.open().stream(CALL) as events:
                return [event async for event in events]

    @property
    def kinds(self) -> list[str]:
        return [entry["kind"] for entry in read_entries(self.folder / FILE)]


async def test_a_call_is_made_once_and_played_ever_after(tmp_path: Path) -> None:
    world = World(tmp_path, *answer("Yes", usage=USAGE))
    first = await world.ask()
    second = await world.ask()
    assert len(world.provider.calls) == 1
    assert [e for e in first if isinstance(e, TextPiece)] == [TextPiece("Yes")]
    assert second[1:] == first[1:]
    assert second[0] == Begun("scripted", USAGE, 1)
    assert world.kinds == ["intent", "answered"]


async def test_the_intent_is_on_disk_before_the_call_and_the_answer_before_its_end_is_told(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, *answer("Yes", usage=USAGE))
    seen = []
    with world.journal:
        async with world.open().stream(CALL) as events:
            assert world.kinds == ["intent"]
            async for event in events:
                seen.append(type(event))
                if isinstance(event, Completed):
                    assert world.kinds == ["intent", "answered"]
    assert seen == [Begun, TextPiece, Completed]


async def test_a_failure_that_cost_nothing_is_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path, UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy"))
    for _ in range(2):
        with pytest.raises(UpstreamError):
            await world.ask()
    assert len(world.provider.calls) == 2
    assert RunState.of(read_entries(tmp_path / FILE)).paid_nano_usd == 0


@pytest.mark.parametrize("again", [False, True])
async def test_a_failure_that_was_billed_is_asked_again_only_when_told_to(
    tmp_path: Path, again: bool
) -> None:
    broken = UpstreamError(Reason.UPSTREAM_INTERRUPTED, "cut")
    world = World(tmp_path, Begun("r", USAGE), TextPiece("Ye"), broken, again=again)
    for _ in range(2):
        with pytest.raises(UpstreamError) as caught:
            await world.ask()
        assert caught.value.reason is Reason.UPSTREAM_INTERRUPTED
    assert len(world.provider.calls) == (2 if again else 1)
    paid = RunState.of(read_entries(tmp_path / FILE)).paid_nano_usd
    assert paid == (2 if again else 1) * (10 * 1000 + 5 * 5000)


async def test_a_cancelled_call_is_written_down_with_what_it_cost(tmp_path: Path) -> None:
    world = World(tmp_path, Begun("r", USAGE), TextPiece("Ye"), Pause())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await world.ask()
    assert world.kinds == ["intent", "failed"]
    (_, entry) = read_entries(tmp_path / FILE)
    assert entry["reason"] == "CANCELLED"
    assert entry["paid_nano_usd"] > 0
    assert world.provider.open_streams == 0


async def test_a_purse_never_grants_more_than_its_limit() -> None:
    purse = Purse(100)
    assert await purse.take(60)
    waiting = []

    async def want(amount: int) -> None:
        waiting.append((amount, await purse.take(amount)))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(want(50))
        await asyncio.sleep(0)
        assert waiting == []
        await purse.settle(60, 30)
    assert waiting == [(50, True)]
    await purse.settle(50, 80)
    assert not await purse.take(21)
    assert await purse.take(20)
