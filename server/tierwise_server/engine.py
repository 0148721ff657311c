"""The only loop: performs what core/cascade.py decides, and owns deadline and cancellation.

One request is one `Engine.generate`. It asks `step` what to do, does it, and reports back, until the cascade is done.
Every call has a row in the books before it is made. Everything that happens is emitted once, as a core/stream.py event:
first to the observer (telemetry), then to the sink (the caller's stream). Text is relayed here and never decides.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from tierwise_server.core import cascade, confidence, stream
from tierwise_server.core.account import (
    MESSAGES,
    CallRecord,
    CallStatus,
    RequestFailed,
    Summary,
    counterfactuals,
    supersede,
)
from tierwise_server.core.allowance import shortage, vain_tries
from tierwise_server.core.estimate import prompt_tokens, worst_case_nano_usd
from tierwise_server.core.model import CallKind, DraftDelivery
from tierwise_server.core.quote import TierEstimate, quote
from tierwise_server.core.table import Plan, RoutingTable, decide
from tierwise_server.core.tally import Tally
from tierwise_server.errors import Reason, RequestError, UpstreamError
from tierwise_server.ledger.books import NOBODY, UNWRITTEN
from tierwise_server.providers.base import Begun, Completed, ModelCall, TextPiece
from tierwise_server.providers.calls import attempt_call, check_call, ignored_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwise_server.core.model import Task
    from tierwise_server.core.prices import PriceBook
    from tierwise_server.core.tries import TryBudget
    from tierwise_server.ledger.books import Book, Books, Payer
    from tierwise_server.providers.base import Provider

DEADLINE_SLACK_S = 0.1
"""A caller's clock starts before ours, so it gives up at its deadline a little before we see that pass."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How checks are asked and how long things may take.

    Attributes:
        max_request_s: a request is ended after this long, whatever deadline the caller set.
        check_timeout_s: a check that takes longer counts as failed.
        check_headroom_s: a check is not started with less time than this left.
        structured_checks: hold checks to a JSON schema where the model can be.
        cache_prompts: ask the provider to cache the prompt of a draft, so that its check reads it at the cached price.
    """

    max_request_s: float = 600.0
    check_timeout_s: float = 30.0
    check_headroom_s: float = 1.0
    structured_checks: bool = True
    cache_prompts: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs tasks. Holds what all requests share; safe for any number of requests at once in one event loop.

    `budgets` bounds the fallbacks of each provider's models, by its name; those of one without are not bounded.
    """

    table: RoutingTable
    prices: PriceBook
    providers: Mapping[str, Provider]
    settings: EngineSettings = EngineSettings()
    books: Books = UNWRITTEN
    budgets: Mapping[str, TryBudget] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time  # noqa: TID251 - shown to people, never subtracted

    def route(self, task: Task) -> tuple[Plan, tuple[TierEstimate, ...]]:
        """Decide where a task goes and estimate its cost at every tier. No I/O, no money.

        Raises:
            InvalidRequest: see `core.table.decide`.
        """
        plan = decide(self.table, task)
        return plan, quote(self.table, self.prices, task, plan)

    async def generate(
        self,
        task: Task,
        sink: stream.Sink,
        observer: stream.Observer,
        *,
        payer: Payer = NOBODY,
        time_left_s: float | None = None,
        stopped: Callable[[], RequestError | None] = lambda: None,
    ) -> Summary:
        """Run a task to its end, emitting every event to `observer` and `sink`. Spends the payer's money.

        `time_left_s` is the caller's deadline. Cancelling closes the upstream at once; what was spent by then is
        observed before CancelledError goes on. Returns the summary also emitted in Finished. `stopped` is asked once
        the task is cancelled: the error to end with, where the server did that itself and took it back; else None.

        Raises:
            InvalidRequest: nothing was emitted and nothing spent.
            RequestError: the first call could not be afforded or recorded, or the deadline had passed; the same.
            RequestFailed: the request began and has no answer; carries the summary. A fault of ours is its cause.
        """
        plan = decide(self.table, task)
        limit = self.settings.max_request_s
        time_left_s = limit if time_left_s is None else min(time_left_s, limit)
        book = self.books.open(task, self.table, self.prices.version, payer)
        run = _Run(self, task, plan, sink, observer, book, self.monotonic() + time_left_s)
        try:
            async with asyncio.timeout(time_left_s):
                return await run.to_end()
        except TimeoutError:
            raise run.failed(Reason.DEADLINE_EXCEEDED) from None
        except asyncio.CancelledError:
            if (why := stopped()) is None:
                raise
            raise run.ended_by(why) from None
        except RequestFailed:
            raise
        except RequestError as error:
            raise run.ended_by(error) from None
        except Exception as error:
            raise run.failed(Reason.INTERNAL) from error
        finally:
            run.close()


@dataclass(slots=True)
class _Run:
    """One request on its way. `request` is the call reserved last, and `input_tokens` what its prompt is estimated."""

    engine: Engine
    task: Task
    plan: Plan
    sink: stream.Sink
    observer: stream.Observer
    book: Book
    deadline_s: float
    request: ModelCall = field(init=False)
    input_tokens: int = field(init=False)
    started_s: float = 0.0
    begun: bool = False
    records: list[CallRecord] = field(default_factory=list)
    drafts: dict[int, str] = field(default_factory=dict)
    check: stream.CheckFinished | None = None
    first_text_s: float | None = None
    failure: RequestError | None = None
    shortage: RequestError | None = None
    summary: Summary | None = None
    reason: Reason | None = Reason.CANCELLED

    async def to_end(self) -> Summary:
        self.started_s = self.engine.monotonic()
        state = cascade.State(self.plan)
        event: cascade.Event | None = cascade.Asked()
        while event is not None:
            state, effects = cascade.step(state, event)
            event = None
            for effect in effects:
                event = await self._perform(effect)
        if self.summary is None:
            raise self.failed(self.reason or Reason.INTERNAL)
        return self.summary

    def failed(self, reason: Reason) -> RequestError:
        """The error to end with: the plain one while nothing was spent, else one that carries the summary."""
        self.reason = reason
        causes = (self.failure, self.shortage)
        cause = next((c for c in causes if c is not None and c.reason is reason), None)
        message = cause.message if cause else MESSAGES.get(reason, "the request failed")
        retry_after_s = cause.retry_after_s if cause else None
        if not self.begun:
            return cause or RequestError(reason, message)
        return RequestFailed(reason, message, self._summarise(), retry_after_s=retry_after_s)

    def ended_by(self, error: RequestError) -> RequestError:
        """The error to end with when the sink raised one: it carries the summary as well."""
        self.failure = error
        return self.failed(error.reason)

    def close(self) -> None:
        """Let the observer and the book know that what began is over, whatever ended it."""
        if not self.begun:
            return
        is_late = self.deadline_s - self.engine.monotonic() <= DEADLINE_SLACK_S
        if self.reason is Reason.CANCELLED and is_late:
            self.reason = Reason.DEADLINE_EXCEEDED
        summary = self.summary or self._summarise()
        self.book.close(summary, self.reason)
        self.observer.observe(stream.Ended(summary, self.reason))

    async def _perform(self, effect: cascade.Effect) -> cascade.Event | None:
        match effect:
            case cascade.Reserve(call):
                return await self._reserve(call)
            case cascade.Run(call):
                make = self._check if call.kind is CallKind.CHECK else self._attempt
                return await make(call)
            case cascade.ReportCheck(outcome):
                await self._report_check(outcome)
            case cascade.Supersede(attempt, replacement, reason):
                self.records = supersede(self.records, attempt)
                self.drafts.pop(attempt, None)
                await self._emit(stream.AttemptSuperseded(attempt, replacement, reason))
            case cascade.Finish(attempt, acceptance):
                await self._finish(attempt, acceptance)
            case cascade.Abort(reason):
                self.reason = reason
            case _:
                assert_never(effect)
        return None

    # Reserving: deadline, cost cap, budgets, a durable row.

    async def _reserve(self, call: cascade.Call) -> cascade.Event:
        if self.deadline_s - self.engine.monotonic() <= self._headroom_s(call):
            return cascade.Denied(Reason.DEADLINE_EXCEEDED)
        budget = self.engine.budgets.get(call.tier.model.provider)
        if budget is not None and vain_tries(self.records) and not budget.take_fallback():
            return cascade.Denied(Reason.OVERLOADED)
        self.request = self._model_call(call)
        self.input_tokens = prompt_tokens(self.request.prompt, call.tier.model)
        needed = worst_case_nano_usd(
            self.engine.prices,
            call.tier.model,
            input_tokens=self.input_tokens,
            max_output_tokens=self.request.max_output_tokens,
            cached=self.request.cache_prompt,
        )
        self.shortage = shortage(self.task.routing.max_cost_nano_usd, self.records, needed)
        try:
            if self.shortage is None:
                await self.book.reserve(call, needed)
        except RequestError as error:
            self.shortage = error
        return cascade.Granted() if self.shortage is None else cascade.Denied(self.shortage.reason)

    def _headroom_s(self, call: cascade.Call) -> float:
        if call.kind is CallKind.CHECK:
            return self.engine.settings.check_headroom_s
        return call.tier.headroom_s if call.attempt > 1 else 0.0

    async def _attempt(self, call: cascade.Call) -> cascade.Event:
        if not self.begun:
            self.begun = True
            now = self.engine.wall_clock()
            await self._emit(stream.Started(self.task.request_id, self.plan, now))
        await self._emit(stream.AttemptStarted(call, ignored_options(call.tier, self.task)))
        held = call.kind is CallKind.DRAFT and self.task.draft_delivery is DraftDelivery.HELD
        tally = self.request.tally(call, self.engine.monotonic(), self.input_tokens)
        try:
            await self._ask(tally, relay=not held)
        except UpstreamError as error:
            self.failure = error
            tally.tries = error.tries
            await self._emit(
                stream.AttemptFinished(self._close(tally, CallStatus.FAILED, error.reason))
            )
            return cascade.Failed(
                error.reason, shown=call.kind is CallKind.DIRECT and bool(tally.pieces)
            )
        except BaseException:
            self.observer.observe(stream.AttemptFinished(self._close(tally, CallStatus.CANCELLED)))
            raise
        if call.kind is CallKind.DRAFT:
            self.drafts[call.attempt] = tally.text
        record = self._close(tally, CallStatus.COMPLETED)
        await self._emit(stream.AttemptFinished(record))
        assert record.finish_reason is not None  # noqa: S101 - the provider's promise: Completed came
        blank = all(piece.isspace() for piece in tally.pieces)
        return cascade.Answered(record.finish_reason, empty=blank)

    async def _check(self, call: cascade.Call) -> cascade.Event:
        self.observer.observe(stream.CheckStarted(call))
        tally = self.request.tally(call, self.engine.monotonic(), self.input_tokens)
        try:
            await self._ask(tally, relay=False)
        except UpstreamError as error:
            tally.tries = error.tries
            self._checked(self._close(tally, CallStatus.FAILED, error.reason), None)
            return cascade.CheckFailed()
        except BaseException:
            self._checked(self._close(tally, CallStatus.CANCELLED), None)
            raise
        record = self._close(tally, CallStatus.COMPLETED)
        whole = record.finish_reason is not None and record.finish_reason.whole
        structured = self.request.schema is not None
        score = confidence.read_score(tally.text, structured=structured) if whole else None
        return cascade.Checked(self._checked(record, score).confidence)

    async def _ask(self, tally: Tally, *, relay: bool) -> None:
        request = self._ready_call()
        provisional = tally.call.kind is CallKind.DRAFT
        async with self.engine.providers[request.model.provider].stream(request) as events:
            async for event in events:
                match event:
                    case TextPiece(text):
                        tally.pieces.append(text)
                        if tally.first_token_s is None:
                            tally.first_token_s = self.engine.monotonic()
                        if relay:
                            await self._send_text(tally.call.attempt, text, provisional=provisional)
                    case Begun(response_id, usage, tries):
                        tally.begin(self.engine.monotonic(), response_id, usage, tries)
                    case Completed(finish_reason, raw, usage):
                        tally.finish_reason, tally.raw_finish_reason = finish_reason, raw
                        if usage is not None:
                            tally.usage, tally.final = usage, True
                    case _:
                        assert_never(event)

    def _model_call(self, call: cascade.Call) -> ModelCall:
        settings = self.engine.settings
        if call.kind is CallKind.CHECK:
            draft = self.drafts[call.attempt]
            request = check_call(self.task, call, draft, structured=settings.structured_checks)
        else:
            request = attempt_call(self.task, call)
        cached = settings.cache_prompts and call.kind is not CallKind.DIRECT
        return replace(request, cache_prompt=True) if cached else request

    def _ready_call(self) -> ModelCall:
        """The reserved call with what is known only when it is made."""
        time_left_s = self.deadline_s - self.engine.monotonic()
        if self.request.kind is CallKind.CHECK:
            time_left_s = min(time_left_s, self.engine.settings.check_timeout_s)
        return replace(
            self.request,
            headers=self.observer.propagation(),
            time_left_s=time_left_s,
            retries_used=sum(r.tries - 1 for r in self.records if r.failure and r.tries),
        )

    # Accounting and telling.

    def _close(self, tally: Tally, status: CallStatus, failure: Reason | None = None) -> CallRecord:
        now = self.engine.monotonic()
        record = tally.record(self.engine.prices, now, status=status, failure=failure)
        self.records.append(record)
        self.book.settle(record, tally.pieces)
        return record

    def _checked(self, record: CallRecord, score: confidence.Score | None) -> stream.CheckFinished:
        self.check = stream.CheckFinished(
            record,
            None if score is None else self.plan.confidence(record.call.tier, score.confidence),
            None if score is None else score.value,
        )
        self.observer.observe(self.check)
        return self.check

    async def _report_check(self, outcome: cascade.CheckOutcome) -> None:
        assert self.check is not None  # noqa: S101 - the cascade reports a check only after running it
        event = stream.ConfidenceChecked(self.check, self.plan.method, self.plan.threshold, outcome)
        await self._emit(event)

    async def _finish(self, attempt: int, acceptance: cascade.Acceptance) -> None:
        if self.task.draft_delivery is DraftDelivery.HELD:
            for piece in stream.pieces(self.drafts.get(attempt, "")):
                await self._send_text(attempt, piece, provisional=False)
        self.summary = self._summarise(attempt, acceptance)
        self.reason = None
        await self._emit(stream.Finished(self.summary))

    def _summarise(self, attempt: int = 0, acceptance: cascade.Acceptance | None = None) -> Summary:
        engine = self.engine
        final = next((r for r in self.records if r.is_attempt(attempt)), None)
        return Summary(
            request_id=self.task.request_id,
            table_version=self.plan.table_version,
            records=tuple(self.records),
            duration_s=engine.monotonic() - self.started_s,
            final=final,
            acceptance=acceptance,
            confidence=None if self.check is None else self.check.confidence,
            counterfactuals=()
            if final is None
            else counterfactuals(self.plan, engine.table.tiers, final, engine.prices),
            first_text_s=self.first_text_s,
        )

    async def _send_text(self, attempt: int, text: str, *, provisional: bool) -> None:
        if self.first_text_s is None:
            self.first_text_s = self.engine.monotonic() - self.started_s
        await self._emit(stream.TextDelta(attempt, text, provisional))

    async def _emit(self, event: stream.StreamEvent) -> None:
        self.observer.observe(event)
        await self.sink(event)
