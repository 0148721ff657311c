"""F12 to F20: answers that stall, drip, are none, or say odd things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fault.proxy import Slicer
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally, with_config
from tests.fault.wall.upstream import EVENTS, LOST, USAGE, rules, strike
from tests.fault.worlds import GOOD, STRONG, text_of
from tests.messages import plain


@scenario("F12", "UNAVAILABLE UPSTREAM_TIMEOUT, or UPSTREAM_INTERRUPTED after text; upstream left")
async def stalls(tally: Tally) -> None:
    faults: list[dict[str, Any]] = [{"kind": "hang"}]
    faults += [{"kind": "stall", "at_byte": tally.chance.randrange(1400)} for _ in range(19)]
    await tally.together(
        len(tally.times(len(faults))), lambda number: _stalled(tally, faults[number])
    )


async def _stalled(tally: Tally, fault: Mapping[str, Any]) -> None:
    async with tally.world(rules(fault)) as world:
        outcome = await world.ask()
        reason = "UPSTREAM_INTERRUPTED" if text_of(outcome) else "UPSTREAM_TIMEOUT"
        assert (outcome.status, outcome.reason) == ("UNAVAILABLE", reason)
        await world.is_well_again()


@scenario("F13", "pings for ten times the idle limit are survived; pings for ever are not")
async def pings(tally: Tally) -> None:
    thinking = with_config({"upstream": {"idle_timeout_s": 0.1, "progress_timeout_s": 5.0}})

    async def survived(_: int) -> None:
        slow = {"first_token_delay_s": 1.0, "ping_interval_s": 0.02, **GOOD, "times": 1}
        async with tally.world([slow, dict(GOOD)], config=thinking) as world:
            outcome = await world.ask()
            assert (outcome.status, text_of(outcome)) == ("OK", GOOD["answer"])
            await world.is_well_again()

    await tally.together(len(tally.times(10)), survived)
    await tally.together(len(tally.times(10)), lambda _: _stalled(tally, {"kind": "pings_only"}))


@scenario("F14", "ended by the server's own limit, with its bill")
async def drips(tally: Tally) -> None:
    tiers = [{"name": name, "headroom_s": 0} for name in ("efficient", "frontier", "reasoning")]
    upstream = {"first_event_timeout_s": 5.0, "idle_timeout_s": 5.0, "progress_timeout_s": 5.0}
    server = {"max_request_s": 0.4}
    limited = with_config({"server": server, "upstream": upstream, "tiers": tiers})

    async def play(_: int) -> None:
        drip = rules({"kind": "slow_drip", "bytes_per_s": 3000}, chunks=["word "] * 500)
        async with tally.world(drip, config=limited) as world:
            outcome = await world.ask()
            assert (outcome.status, outcome.reason) == (
                "DEADLINE_EXCEEDED",
                "DEADLINE_EXCEEDED",
            ), f"{outcome.status} {outcome.reason} {outcome.message}"
            assert outcome.summary is not None
            assert outcome.summary.cost.total_nano_usd > 0
            await world.is_well_again()

    await tally.together(len(tally.times(20)), play)


@scenario("F15", "the same answer, whole")
async def slices(tally: Tally) -> None:
    text = "Größe, 大きさ, 🧭\r\nand more"
    for size in tally.some(range(1, 41)):
        with tally.run(f"slices of {size}"):
            script = [{"answer": text, "usage": USAGE, "times": 1}, dict(GOOD)]
            async with tally.world(script, toxic=Slicer(size)) as world:
                outcome = await world.ask()
                assert (outcome.status, text_of(outcome)) == ("OK", text)
                await world.is_well_again()


@scenario("F16", "UNAVAILABLE UPSTREAM_PROTOCOL, or UPSTREAM_INTERRUPTED after text")
async def no_messages_stream(tally: Tally) -> None:
    faults: list[dict[str, Any]] = [
        {"kind": kind}
        for kind in (
            "html",
            "empty",
            "content_type",
            "missing_start",
            "index_gap",
            "duplicate_stop",
        )
    ]
    faults.append({"kind": "oversized_event"})
    for kind in ("invalid_json", "invalid_utf8"):
        faults += [{"kind": kind, "at_event": at} for at in range(EVENTS)]
    for fault in tally.some(faults, 4):
        for _ in tally.times(3):
            await strike(tally, fault, reasons={"UPSTREAM_PROTOCOL"})


@scenario("F17", "never inflated: UNAVAILABLE UPSTREAM_PROTOCOL, the next call is well")
async def bombs(tally: Tally) -> None:
    for size in (0, 1 << 20, 50 << 20):
        for _ in tally.times(7):
            with tally.run(f"{size} bytes"):
                fault = {"kind": "gzip", "inflated_bytes": size}
                async with tally.world(rules(fault)) as world:
                    outcome = await world.ask()
                    assert outcome.status == "UNAVAILABLE"
                    assert outcome.reason in LOST
                    assert text_of(outcome) == ""
                    await world.is_well_again()


@scenario("F18", "OK and told as empty; an empty draft escalates once")
async def empty_answers(tally: Tally) -> None:
    for _ in tally.times(20):
        with tally.run("an answer"):
            async with tally.world([{"answer": "", "times": 1}, dict(GOOD)]) as world:
                outcome = await world.ask()
                assert (outcome.status, text_of(outcome)) == ("OK", "")
                await world.is_well_again()
        with tally.run("a draft"):
            weak = {"model": "claude-haiku-*", "kind": "answer", "answer": "", "times": 1}
            async with tally.world([weak, dict(STRONG), dict(GOOD)]) as world:
                outcome = await world.ask(escalation=True)
                assert (outcome.status, text_of(outcome)) == ("OK", STRONG["answer"])
                await world.is_well_again()


@scenario("F19", "OK with the typed reason; unknown words are OTHER and kept")
async def stop_reasons(tally: Tally) -> None:
    words = {
        "end_turn": "STOP",
        "stop_sequence": "STOP_SEQUENCE",
        "max_tokens": "LENGTH",
        "refusal": "REFUSAL",
        "model_context_window_exceeded": "CONTEXT_WINDOW",
        "tool_use": "TOOL_USE",
        "pause_turn": "PAUSE",
        "a_word_of_tomorrow": "OTHER",
    }
    for _ in tally.times(5):
        for word, told in words.items():
            with tally.run(word):
                script = [{"answer": "Cut.", "stop_reason": word, "times": 1}, dict(GOOD)]
                async with tally.world(script) as world:
                    outcome = await world.ask()
                    assert outcome.status == "OK"
                    assert outcome.summary is not None
                    summary = plain(outcome.summary)
                    assert summary["calls"][0]["finish_reason"] == told
                    assert summary["raw_finish_reason"] == (word if told == "OTHER" else "")
                    await world.is_well_again()


@scenario("F20", "an estimate or a failure on the bill; no negative cost, no crash")
async def odd_usage(tally: Tally) -> None:
    for mode in ("absent", "negative", "decreasing", "huge"):
        for _ in tally.times(10):
            with tally.run(mode):
                fault = {"kind": "usage", "mode": mode}
                async with tally.world(rules(fault)) as world:
                    outcome = await world.ask()
                    assert outcome.summary is not None
                    [call] = plain(outcome.summary)["calls"]
                    if outcome.status != "OK":
                        assert outcome.status == "UNAVAILABLE"
                    if mode == "absent":
                        assert call["usage_estimated"]
                    if call["cost"] is not None:
                        assert min(call["cost"][k] for k in call["cost"] if "usd" in k) >= 0
                    await world.is_well_again()
