"""Bugs about a provider that is down, and about callers who must be told: see seeded.py."""

from __future__ import annotations

from typing import Final

from tests.fault.seeded_bug import SeededBug

_DOWN = "tests/fault/test_upstream_down.py::"
_DRAINING = "tests/integration/test_draining.py::"
_SLOW = "tests/integration/test_slow_reader.py::"

BUGS_ABOUT_REFUSALS: Final = (
    SeededBug(
        "fallbacks_without_a_budget",
        "engine.py",
        "if budget is not None and vain_tries(self.records) and not budget.take_fallback():",
        "if False:",
        _DOWN + "test_fallbacks_do_not_multiply_what_a_provider_that_is_fully_down_is_asked",
    ),
    SeededBug(
        "fallbacks_paid_by_requests_alone",
        "core/tries.py",
        "self.fallbacks + FALLBACKS_PER_ANSWER",
        "self.fallbacks",
        _DOWN + "test_one_model_that_is_down_is_replaced_every_time",
    ),
    SeededBug(
        "missing_model_asked_for_ever",
        "providers/breaking.py",
        "Reason.UPSTREAM_MODEL_MISSING: Verdict.FAILED",
        "Reason.UPSTREAM_MODEL_MISSING: Verdict.ANSWERED",
        "tests/unit/providers/test_breaking.py::"
        "test_an_open_breaker_says_where_the_model_is_simply_not_known",
    ),
    SeededBug(
        "rate_limited_probe_leaves_the_door_open",
        "providers/breaking.py",
        "if is_probe and self.state is BreakerState.PROBING:",
        "if is_probe and self.state is BreakerState.CLOSED:",
        "tests/unit/providers/test_breaking.py::"
        "test_a_probe_that_meets_a_rate_limit_came_too_early_and_others_wait_as_long_again",
    ),
    SeededBug(
        "pause_forgotten",
        "providers/pausing.py",
        "self._note(model, error)",
        "pass",
        _DOWN + "test_a_model_that_asked_for_a_pause_is_asked_by_nobody_until_it_is_over",
    ),
    SeededBug(
        "replay_past_the_writer",
        "rpc/service.py",
        "await replay.to(writer.write)",
        "await replay.to(rpc.context.write)",
        _SLOW + "test_a_reader_of_an_answer_that_was_given_before_is_given_up_as_soon",
    ),
    SeededBug(
        "late_calls_left_to_grpc",
        "rpc/listener.py",
        "if now_s >= grace_ends_s:",
        "if now_s < 0:",
        _DRAINING + "test_a_stream_that_outlives_the_grace_is_told_why_and_what_it_cost",
    ),
    SeededBug(
        "servers_end_booked_as_the_callers",
        "ledger/spend.py",
        "return Use.FAILED if outcome in CUT_BY_US else Use.CANCELLED",
        "return Use.CANCELLED",
        _DRAINING + "test_a_stream_that_outlives_the_grace_is_told_why_and_what_it_cost",
    ),
)
