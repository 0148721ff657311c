from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.unit.core.builders import a_task
from tests.unit.engine_world import Heard, an_engine, climbing, score, script
from tierwise_server.core import stream
from tierwise_server.core.account import CallStatus, RequestFailed, Summary
from tierwise_server.core.cascade import Acceptance, CheckOutcome, EscalationReason
from tierwise_server.core.model import (
    CallKind,
    DraftDelivery,
    FinishReason,
    GenerationOptions,
    RoutingOptions,
    Usage,
)
from tierwise_server.core.prices import PriceBook
from tierwise_server.errors import Reason, RequestError, UpstreamError
from tierwise_server.providers.base import Begun, Completed, TextPiece
from tierwise_server.providers.scripted import Pause, Step, answer


async def test_engine_static_task_asks_one_model_once() -> None:
    engine, provider = an_engine(script((), strong=answer("Paris")))
    heard = Heard()
    summary = await engine.generate(a_task("classify_intent"), heard, heard)
    assert heard.kinds == ["Started", "AttemptStarted", "TextDelta", "AttemptFinished", "Finished"]
    assert heard.answer_text == "Paris"
    assert summary.acceptance is Acceptance.UNCHECKED
    assert len(provider.calls) == 1
    assert provider.open_streams == 0
    assert heard.ended.reason is None


async def test_engine_accepted_draft_is_held_until_its_check() -> None:
    engine, _ = an_engine(script(answer("Draft"), score("9")))
    heard = Heard()
    summary = await engine.generate(climbing(), heard, heard)
    assert heard.kinds == [
        "Started",
        "AttemptStarted",
        "AttemptFinished",
        "ConfidenceChecked",
        "TextDelta",
        "Finished",
    ]
    assert heard.answer_text == "Draft"
    assert summary.acceptance is Acceptance.ACCEPTED
    assert summary.confidence == 0.9
    assert [record.call.kind for record in summary.records] == [CallKind.DRAFT, CallKind.CHECK]


async def test_engine_rejected_draft_never_reaches_a_held_caller() -> None:
    engine, provider = an_engine(script(answer("WRONG"), score("7"), answer("Right")))
    heard = Heard()
    summary = await engine.generate(climbing(), heard, heard)
    assert heard.answer_text == "Right"
    superseded = [event for event in heard.told if isinstance(event, stream.AttemptSuperseded)]
    assert superseded == [stream.AttemptSuperseded(1, 2, EscalationReason.LOW_CONFIDENCE)]
    assert [record.superseded for record in summary.records] == [True, False, False]
    assert summary.escalated
    assert summary.cost is not None
    parts = [record.cost.total_nano_usd for record in summary.records if record.cost]
    assert summary.cost.total_nano_usd == sum(parts)
    assert [call.model.id for call in provider.calls] == [
        "claude-haiku-4-5-20251001",
        "claude-haiku-4-5-20251001",
        "claude-sonnet-4-6",
    ]


async def test_engine_live_draft_is_provisional_and_superseded() -> None:
    engine, _ = an_engine(script(answer("WRONG"), score("2"), answer("Right")))
    heard = Heard()
    await engine.generate(climbing(draft_delivery=DraftDelivery.LIVE), heard, heard)
    deltas = [event for event in heard.told if isinstance(event, stream.TextDelta)]
    assert deltas == [stream.TextDelta(1, "WRONG", True), stream.TextDelta(2, "Right", False)]


async def test_engine_live_accepted_draft_is_sent_once() -> None:
    engine, _ = an_engine(script(answer("Good"), score("10")))
    heard = Heard()
    await engine.generate(climbing(draft_delivery=DraftDelivery.LIVE), heard, heard)
    assert heard.answer_text == "Good"


@pytest.mark.parametrize(
    ("draft", "check", "reason"),
    [
        (answer("x"), score("Eight"), EscalationReason.CHECK_UNREADABLE),
        (
            answer("x"),
            answer("9", finish_reason=FinishReason.LENGTH),
            EscalationReason.CHECK_UNREADABLE,
        ),
        (
            answer("x"),
            (UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy"),),
            EscalationReason.CHECK_FAILED,
        ),
        (answer("x", finish_reason=FinishReason.LENGTH), (), EscalationReason.INCOMPLETE),
        (answer("x", finish_reason=FinishReason.REFUSAL), (), EscalationReason.INCOMPLETE),
        (answer(""), (), EscalationReason.INCOMPLETE),
        (answer(" \n"), (), EscalationReason.INCOMPLETE),
        ((UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy"),), (), EscalationReason.ATTEMPT_FAILED),
        ((UpstreamError(Reason.CONTEXT_TOO_LONG, "long"),), (), EscalationReason.CONTEXT_TOO_LONG),
    ],
)
async def test_engine_climbs_once_and_says_why(
    draft: tuple[Step, ...], check: tuple[Step, ...], reason: EscalationReason
) -> None:
    engine, _ = an_engine(script(draft, check, answer("Right")))
    heard = Heard()
    summary = await engine.generate(climbing(), heard, heard)
    [superseded] = [event for event in heard.told if isinstance(event, stream.AttemptSuperseded)]
    assert superseded.reason is reason
    assert heard.answer_text == "Right"
    assert summary.final is not None
    assert summary.final.call.attempt == 2


async def test_engine_failed_attempt_before_text_is_not_billed() -> None:
    busy = UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy", retry_after_s=3.0)
    engine, _ = an_engine(script((), strong=(busy,)))
    heard = Heard()
    pinned = replace(a_task("classify_intent"), routing=RoutingOptions(tier="efficient"))
    with pytest.raises(RequestFailed) as failure:
        await engine.generate(pinned, heard, heard)
    assert failure.value.reason is Reason.UPSTREAM_OVERLOADED
    assert failure.value.retry_after_s == 3.0
    [record] = failure.value.summary.records
    assert record.status is CallStatus.FAILED
    assert record.usage is None
    assert heard.ended.reason is Reason.UPSTREAM_OVERLOADED


async def test_engine_break_after_text_is_interrupted_and_estimated() -> None:
    steps = (
        Begun("id", Usage(input_tokens=50)),
        TextPiece("half an answer, long enough to count"),
        UpstreamError(Reason.UPSTREAM_PROTOCOL, "cut"),
    )
    engine, _ = an_engine(script((), strong=steps))
    heard = Heard()
    with pytest.raises(RequestFailed) as failure:
        await engine.generate(a_task("classify_intent"), heard, heard)
    assert failure.value.reason is Reason.UPSTREAM_INTERRUPTED
    [record] = failure.value.summary.records
    assert record.estimated
    assert record.usage is not None
    assert record.usage.input_tokens == 50
    assert record.usage.output_tokens > 0
    assert "Finished" not in heard.kinds


async def test_engine_expired_deadline_calls_nothing() -> None:
    engine, provider = an_engine(script((), strong=answer("never")))
    heard = Heard()
    with pytest.raises(RequestError) as failure:
        await engine.generate(a_task("classify_intent"), heard, heard, time_left_s=0.0)
    assert failure.value.reason is Reason.DEADLINE_EXCEEDED
    assert provider.calls == []
    assert heard.told == []


async def test_engine_deadline_while_waiting_ends_the_upstream() -> None:
    engine, provider = an_engine(script((), strong=(Pause(),)))
    heard = Heard()
    with pytest.raises(RequestFailed) as failure:
        await engine.generate(a_task("classify_intent"), heard, heard, time_left_s=0.05)
    assert failure.value.reason is Reason.DEADLINE_EXCEEDED
    assert provider.open_streams == 0
    assert failure.value.summary.records[0].status is CallStatus.CANCELLED


async def test_engine_short_deadline_returns_the_draft_marked_low() -> None:
    engine, provider = an_engine(script(answer("Draft"), score("1")))
    slow_tiers = tuple(replace(tier, headroom_s=60.0) for tier in engine.table.tiers)
    engine = replace(engine, table=replace(engine.table, tiers=slow_tiers))
    heard = Heard()
    summary = await engine.generate(climbing(), heard, heard, time_left_s=30.0)
    assert summary.acceptance is Acceptance.ACCEPTED_LOW
    assert heard.answer_text == "Draft"
    [checked] = [event for event in heard.told if isinstance(event, stream.ConfidenceChecked)]
    assert checked.outcome is CheckOutcome.ACCEPTED_LOW
    assert len(provider.calls) == 2


async def test_engine_cost_cap_that_pays_for_nothing_spends_nothing() -> None:
    engine, provider = an_engine(script((), strong=answer("x")))
    heard = Heard()
    task = replace(a_task("classify_intent"), routing=RoutingOptions(max_cost_nano_usd=10))
    with pytest.raises(RequestError) as failure:
        await engine.generate(task, heard, heard)
    assert failure.value.reason is Reason.BUDGET_EXCEEDED
    assert provider.calls == []


async def test_engine_cost_cap_stops_the_climb() -> None:
    engine, _ = an_engine(script(answer("Draft"), score("1"), answer("Right")))
    options = GenerationOptions(max_output_tokens=100)
    # Enough for the draft (100 x 5,000 nano-USD of output) and its check, not for the frontier tier.
    routing = RoutingOptions(max_cost_nano_usd=1_200_000)
    heard = Heard()
    summary = await engine.generate(climbing(generation=options, routing=routing), heard, heard)
    assert summary.acceptance is Acceptance.ACCEPTED_LOW
    assert heard.answer_text == "Draft"
    assert summary.cost is not None
    assert summary.cost.total_nano_usd <= 1_200_000


async def test_engine_cost_cap_on_an_unpriced_model_is_refused() -> None:
    engine, provider = an_engine(script((), strong=answer("x")))
    engine = replace(engine, prices=PriceBook("empty", {}))
    heard = Heard()
    task = replace(a_task("classify_intent"), routing=RoutingOptions(max_cost_nano_usd=10**12))
    with pytest.raises(RequestError) as failure:
        await engine.generate(task, heard, heard)
    assert failure.value.reason is Reason.UNPRICED_MODEL
    assert provider.calls == []


async def test_engine_unpriced_model_has_no_cost_instead_of_zero() -> None:
    engine, _ = an_engine(script((), strong=answer("x")))
    engine = replace(engine, prices=PriceBook("empty", {}))
    heard = Heard()
    summary = await engine.generate(a_task("classify_intent"), heard, heard)
    assert summary.cost is None


@pytest.mark.parametrize("stalled", [CallKind.DRAFT, CallKind.CHECK, CallKind.DIRECT])
async def test_engine_cancel_closes_the_upstream_and_accounts(stalled: CallKind) -> None:
    stall: tuple[Step, ...] = (Begun("id", Usage(input_tokens=7)), Pause())
    steps = {
        CallKind.DRAFT: answer("x"),
        CallKind.CHECK: score("1"),
        CallKind.DIRECT: answer("y"),
        stalled: stall,
    }
    engine, provider = an_engine(lambda call: steps[call.kind])
    heard = Heard()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(engine.generate(climbing(), heard, heard))
        # The scripted provider never waits before its stall, so the request is in it by now.
        await asyncio.sleep(0.02)
        assert provider.calls[-1].kind is stalled
        running.cancel()
    assert running.cancelled()
    assert provider.open_streams == 0
    assert heard.ended.reason is Reason.CANCELLED
    last = heard.ended.summary.records[-1]
    assert last.call.kind is stalled
    assert last.status is CallStatus.CANCELLED
    assert last.usage is not None
    assert last.usage.input_tokens == 7


async def test_engine_sink_failure_is_accounted_and_goes_on() -> None:
    def fail(event: stream.StreamEvent) -> None:
        if isinstance(event, stream.TextDelta):
            raise RequestError(Reason.CLIENT_TOO_SLOW, "the caller stopped reading")

    engine, provider = an_engine(script((), strong=answer("x")))
    heard = Heard(before_sending=fail)
    with pytest.raises(RequestError):
        await engine.generate(a_task("classify_intent"), heard, heard)
    assert provider.open_streams == 0
    assert heard.ended.reason is Reason.CLIENT_TOO_SLOW


async def test_engine_missing_final_usage_is_estimated() -> None:
    engine, _ = an_engine(script((), strong=answer("some text", usage=None)))
    heard = Heard()
    summary = await engine.generate(a_task("classify_intent"), heard, heard)
    [record] = summary.records
    assert record.status is CallStatus.COMPLETED
    assert record.estimated
    assert record.usage is not None
    assert record.usage.output_tokens > 0


async def test_engine_held_text_of_any_length_is_whole() -> None:
    long = "0123456789" * 10_000
    engine, _ = an_engine(script(answer(long), score("10")))
    heard = Heard()
    await engine.generate(climbing(), heard, heard)
    assert heard.answer_text == long


async def test_engine_counterfactual_names_every_tier() -> None:
    engine, _ = an_engine(
        script((), strong=answer("x", usage=Usage(input_tokens=1000, output_tokens=100)))
    )
    heard = Heard()
    summary: Summary = await engine.generate(a_task("classify_intent"), heard, heard)
    costs = {other.tier: other.cost_nano_usd for other in summary.counterfactuals}
    # 1,000 in and 100 out at 1/5, 3/15 and 5/25 USD per million tokens.
    assert costs == {"efficient": 1_500_000, "frontier": 4_500_000, "reasoning": 7_500_000}
    assert summary.cost is not None
    assert summary.cost.total_nano_usd == costs["efficient"]


async def test_engine_sends_the_trace_with_each_call() -> None:
    engine, provider = an_engine(script(answer("x"), score("1"), answer("y")))
    heard = Heard()
    await engine.generate(climbing(), heard, heard)
    sent = [call.headers["traceparent"] for call in provider.calls]
    assert len(set(sent)) == 3


async def test_engine_completed_without_text_is_an_empty_answer() -> None:
    done = Completed(FinishReason.STOP, "end_turn", Usage(input_tokens=1))
    engine, _ = an_engine(script((), strong=(Begun("id", None), done)))
    heard = Heard()
    summary = await engine.generate(a_task("classify_intent"), heard, heard)
    assert heard.answer_text == ""
    assert summary.first_text_s is None


async def test_engine_denied_climb_keeps_what_the_provider_said() -> None:
    busy = UpstreamError(
        Reason.UPSTREAM_OVERLOADED, "the provider is overloaded", retry_after_s=7.0
    )
    engine, _ = an_engine(script((busy,)))
    options = GenerationOptions(max_output_tokens=100)
    routing = RoutingOptions(max_cost_nano_usd=600_000)
    heard = Heard()
    with pytest.raises(RequestFailed) as failure:
        await engine.generate(climbing(generation=options, routing=routing), heard, heard)
    assert failure.value.reason is Reason.UPSTREAM_OVERLOADED
    assert failure.value.message == "the provider is overloaded"
    assert failure.value.retry_after_s == 7.0
