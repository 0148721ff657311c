"""A provider that writes every call into the run's journal, and answers from there what it has been told before.

The engine does not know: a run that was killed is run again, and what was paid for comes from the journal.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierwise_server.core.account import CallStatus
from tierwise_server.core.cascade import Call
from tierwise_server.core.estimate import prompt_tokens
from tierwise_server.core.model import CallKind, FinishReason, Tier, Usage
from tierwise_server.core.tally import Tally
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.measure.state import CallKey
from tierwise_server.providers.base import Begun, Completed, TextPiece

if TYPE_CHECKING:
    from tierwise_server.core.account import CallRecord
    from tierwise_server.core.prices import PriceBook
    from tierwise_server.measure.journal import Journal
    from tierwise_server.measure.state import Entry, RunState
    from tierwise_server.providers.base import ModelCall, Provider, ProviderEvent

LOST_MESSAGE: Final = (
    "the call was under way when an earlier run was stopped; it may have been billed"
)


@dataclass(frozen=True, slots=True)
class Recorder:
    """What all recording providers of a run share.

    Attributes:
        state: what the journal says; kept up to date as calls end.
        book: the prices that calls are billed by.
        again: whether calls that failed although they were billed, or were lost, are made again.
        made: the calls that were made since the journal was opened; all others are played from it.
    """

    journal: Journal
    state: RunState
    book: PriceBook
    again: Callable[[str], bool]
    monotonic: Callable[[], float] = time.monotonic
    made: set[str] = field(default_factory=set)

    def known(self, key: str) -> Entry | None:
        """How the call ended, to be played from the journal; None when it is to be made (again)."""
        entry = self.state.outcome(key)
        return None if entry is None or (entry["kind"] != "answered" and self.again(key)) else entry

    async def note(self, entry: Mapping[str, Any]) -> None:
        """Write an entry, and fold it into the state."""
        await self.journal.add(entry)
        self.state.take(entry)

    def note_now(self, entry: Mapping[str, Any]) -> None:
        """The same where nothing may be awaited."""
        self.journal.write(entry)
        self.state.take(entry)


@dataclass(slots=True)
class RecordingProvider:
    """Makes the calls of one unit of work through `inner`, each at most once.

    Attributes:
        name: the call's key for each kind of call.
        tier: the tier that is called, for its price.
    """

    inner: Provider
    recorder: Recorder
    name: Callable[[CallKind], CallKey]
    tier: Tier

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Play the recorded call, or make it and record it. See the port."""
        key = str(self.name(call.kind))
        known = self.recorder.known(key)
        if known is not None:
            yield replayed(known)
            return
        recording = _Recording(self.recorder, key, self._tally(call))
        await self.recorder.note(intent(key, self.recorder.book, self.tier, call))
        self.recorder.made.add(key)
        try:
            async with self.inner.stream(call) as events:
                yield recording.relay(events)
        except UpstreamError as error:
            await recording.failed(error)
            raise
        except BaseException:
            recording.cancelled()
            raise

    async def aclose(self) -> None:
        """Nothing: the inner provider is shared."""

    def _tally(self, call: ModelCall) -> Tally:
        tokens = prompt_tokens(call.prompt, call.model)
        return call.tally(Call(1, call.kind, self.tier), self.recorder.monotonic(), tokens)


@dataclass(slots=True)
class _Recording:
    """One call on its way into the journal."""

    recorder: Recorder
    key: str
    tally: Tally
    over: bool = False

    async def relay(self, events: AsyncIterator[ProviderEvent]) -> AsyncIterator[ProviderEvent]:
        async for event in events:
            match event:
                case TextPiece(text):
                    if self.tally.first_token_s is None:
                        self.tally.first_token_s = self.recorder.monotonic()
                    self.tally.pieces.append(text)
                case Begun(response_id, usage, tries):
                    self.tally.begin(self.recorder.monotonic(), response_id, usage, tries)
                case Completed(finish_reason, raw, usage):
                    self.tally.finish_reason, self.tally.raw_finish_reason = finish_reason, raw
                    if usage is not None:
                        self.tally.usage, self.tally.final = usage, True
                    # On disk before the engine, and so anybody, acts on it.
                    await self._close(CallStatus.COMPLETED)
            yield event

    async def failed(self, error: UpstreamError) -> None:
        self.tally.tries = error.tries
        if not self.over:
            await self._close(CallStatus.FAILED, error)

    def cancelled(self) -> None:
        if not self.over:
            self.over = True
            record = self._record(CallStatus.CANCELLED, None)
            self.recorder.note_now(_entry(self.key, self.tally.text, record, "the run was stopped"))

    async def _close(self, status: CallStatus, error: UpstreamError | None = None) -> None:
        self.over = True
        record = self._record(status, error.reason if error else None)
        message = error.message if error else ""
        entry = _entry(self.key, self.tally.text, record, message)
        if record.usage is not None:
            model = record.call.tier.model.id
            alone = uncached_nano_usd(self.recorder.book, model, record.usage)
            entry["alone_nano_usd"] = alone
        await self.recorder.note(entry)

    def _record(self, status: CallStatus, reason: Reason | None) -> CallRecord:
        return self.tally.record(
            self.recorder.book, self.recorder.monotonic(), status=status, failure=reason
        )


def intent(key: str, book: PriceBook, tier: Tier, call: ModelCall) -> dict[str, Any]:
    """The entry that a call is about to be made, with what it may cost."""
    return {"kind": "intent", "call": key, "worst_nano_usd": worst_nano_usd(book, tier, call)}


def worst_nano_usd(book: PriceBook, tier: Tier, call: ModelCall) -> int:
    """What the call may cost at most; 0 when the model has no price."""
    usage = Usage(
        input_tokens=prompt_tokens(call.prompt, call.model),
        cache_write_tokens=prompt_tokens(call.prompt, call.model) if call.cache_prompt else 0,
        output_tokens=call.max_output_tokens,
    )
    cost = book.cost(tier.model.id, usage)
    return 0 if cost is None else cost.total_nano_usd


def uncached_nano_usd(book: PriceBook, model_id: str, usage: Usage) -> int:
    """What the call would have cost without a cache: an answer that no check follows is asked without one."""
    plain = replace(usage, cache_read_tokens=0, cache_write_tokens=0, cache_write_1h_tokens=0)
    cost = book.cost(model_id, plain)
    return 0 if cost is None else cost.total_nano_usd


def _entry(key: str, text: str, record: CallRecord, message: str) -> dict[str, Any]:
    cost = 0 if record.cost is None else record.cost.total_nano_usd
    answered = record.status is CallStatus.COMPLETED
    entry = {
        "kind": "answered" if answered else "failed",
        "call": key,
        "model": record.call.tier.model.id,
        "usage": None if record.usage is None else asdict(record.usage),
        "cost_nano_usd": cost,
        "paid_nano_usd": cost,
        "estimated": record.estimated,
        "duration_s": round(record.duration_s, 6),
        "tries": record.tries,
    }
    if not answered:
        reason = record.failure or Reason.CANCELLED
        return entry | {"reason": reason.name, "message": message}
    return entry | {
        "text": text,
        "response_id": record.response_id,
        "finish_reason": record.finish_reason.name if record.finish_reason else "",
        "raw_finish_reason": record.raw_finish_reason,
        "first_token_s": None if record.first_token_s is None else round(record.first_token_s, 6),
    }


async def replayed(entry: Mapping[str, Any]) -> AsyncIterator[ProviderEvent]:
    """Play a recorded call as the provider once did.

    Raises:
        UpstreamError: it failed.
    """
    if entry["kind"] != "answered":
        reason = Reason[entry.get("reason", Reason.UPSTREAM_INTERRUPTED.name)]
        raise UpstreamError(reason, entry.get("message", LOST_MESSAGE))
    usage = None if entry["usage"] is None else Usage(**entry["usage"])
    yield Begun(entry["response_id"], usage, entry["tries"])
    if entry["text"]:
        yield TextPiece(entry["text"])
    yield Completed(
        FinishReason[entry["finish_reason"]],
        entry["raw_finish_reason"],
        None if entry["estimated"] else usage,
    )
