"""Bugs that are put in on purpose: each a small change of one place, and the test that must catch it.

A wall of tests proves something only if it would fall down. `make seeded-bugs` puts in one bug at a time, in a copy of
the server, and sees that the test that is named here passes without it and fails with it.
"""

from __future__ import annotations

from typing import Final

from tests.fault.seeded_bug import SeededBug
from tests.fault.seeded_callers import BUGS_ABOUT_CALLERS
from tests.fault.seeded_stores import BUGS_OF_STORES
from tests.fault.seeded_upstream import BUGS_ABOUT_REFUSALS

_STREAM = "tests/unit/providers/anthropic/test_stream.py::"
_CASCADE = "tests/unit/core/test_cascade.py::"
_READING = "tests/unit/core/test_confidence_reading.py::"
_TALLY = "tests/unit/core/test_tally.py::"
_PRICES = "tests/unit/core/test_prices.py::"
_RETRYING = "tests/unit/providers/test_retrying.py::"
_RULES = "tests/unit/ledger/test_rules.py::"
_ENGINE = "tests/unit/test_engine.py::"
_BOOKS = "tests/unit/ledger/test_books.py::"
_WRITER = "tests/unit/rpc/test_writer.py::"

SEEDED_BUGS: Final = (
    SeededBug(
        "end_of_stream_taken_for_the_end",
        "providers/anthropic/stream.py",
        "self._end = Broken(StreamFault.EMPTY if new else StreamFault.TRUNCATED)",
        'self._end = Completed(FinishReason.STOP, "end_turn", self._usage.final())',
        _STREAM + "test_a_stream_cut_at_any_byte_is_never_whole",
    ),
    SeededBug(
        "message_stop_without_a_stop_reason",
        "providers/anthropic/stream.py",
        "self._expect(_Phase.STOPPED)\n",
        "self._expect(_Phase.STOPPED, _Phase.BETWEEN_BLOCKS)\n",
        _STREAM + "test_what_is_no_whole_message_has_a_name",
    ),
    SeededBug(
        "error_event_ignored",
        "providers/anthropic/stream.py",
        '    "error": MessageStreamParser._on_error,',
        '    "error": MessageStreamParser._on_ping,',
        _STREAM + "test_an_error_event_ends_the_stream_by_type_alone",
    ),
    SeededBug(
        "nan_accepted",
        "core/cascade.py",
        "if confidence >= state.plan.threshold:",
        "if not confidence < state.plan.threshold:",
        _CASCADE + "test_check_accepts_only_at_or_above_the_threshold",
    ),
    SeededBug(
        "threshold_missed_by_one",
        "core/cascade.py",
        "if confidence >= state.plan.threshold:",
        "if confidence > state.plan.threshold:",
        _CASCADE + "test_check_accepts_only_at_or_above_the_threshold",
    ),
    SeededBug(
        "unreadable_check_accepts",
        "core/cascade.py",
        "return _escalate(unreported, EscalationReason.CHECK_UNREADABLE)",
        "return _finish(state, call.attempt, Acceptance.ACCEPTED)",
        _CASCADE + "test_check_that_does_not_accept_escalates_once_granted",
    ),
    SeededBug(
        "another_model_after_shown_text",
        "core/cascade.py",
        "if event.shown:",
        "if False:",
        _CASCADE + "test_failure_after_shown_text_never_changes_the_tier",
    ),
    SeededBug(
        "cut_draft_taken_for_whole",
        "core/cascade.py",
        "if event.empty or not event.finish_reason.whole:",
        "if event.empty:",
        _CASCADE + "test_only_a_whole_draft_is_worth_a_check",
    ),
    SeededBug(
        "score_searched_for_in_text",
        "core/confidence.py",
        "return Score(int(stripped)) if _NUMBER.fullmatch(stripped) else None",
        "return Score(int(found[0])) if (found := _NUMBER.search(stripped)) else None",
        _READING + "test_anything_but_a_plain_number_is_unknown",
    ),
    SeededBug(
        "true_read_as_a_score",
        "core/confidence.py",
        "type(value) is not int",
        "not isinstance(value, int)",
        _READING + "test_anything_but_the_exact_object_is_unknown",
    ),
    SeededBug(
        "discarded_drafts_left_out_of_the_cost",
        "core/account.py",
        "billed = [r.cost for r in self.records if r.usage is not None]",
        "billed = [r.cost for r in self.records if r.usage is not None and not r.superseded]",
        "tests/unit/core/test_account.py::test_superseded_attempts_still_count",
    ),
    SeededBug(
        "cut_call_billed_as_if_it_had_ended",
        "core/tally.py",
        "exact = status is CallStatus.COMPLETED and self.final",
        "exact = self.usage is not None",
        _TALLY + "test_completed_call_without_a_bill_is_estimated_from_its_beginning",
    ),
    SeededBug(
        "cut_call_not_billed",
        "core/tally.py",
        "if self.begun_s is None:",
        "if not self.final:",
        _TALLY + "test_completed_call_without_a_bill_is_estimated_from_its_beginning",
    ),
    SeededBug(
        "call_that_was_out_not_billed",
        "core/tally.py",
        "if self.wire.out else None",
        "if False else None",
        _TALLY + "test_call_whose_caller_left_while_it_was_out_is_billed_its_prompt",
    ),
    SeededBug(
        "thinking_of_a_cut_call_not_billed",
        "core/tally.py",
        "min(most, seen + thought)",
        "min(most, seen)",
        _TALLY + "test_cut_call_of_a_model_that_thinks_is_billed_the_time_it_was_silent",
    ),
    SeededBug(
        "cached_tokens_billed_twice",
        "core/prices.py",
        "return max(0, usage.input_tokens - cached)",
        "return max(0, usage.input_tokens)",
        _PRICES + "test_cost_is_the_published_price",
    ),
    SeededBug(
        "costs_rounded_down",
        "core/prices.py",
        "return -(-pico_usd // PICO_PER_NANO)",
        "return pico_usd // PICO_PER_NANO",
        _PRICES + "test_each_part_is_rounded_up_to_a_whole_nano",
    ),
    SeededBug(
        "begun_answer_asked_again",
        "providers/retrying.py",
        "                if begun:",
        "                if False:",
        _RETRYING + "test_nothing_is_tried_again_once_the_answer_has_begun",
    ),
    SeededBug(
        "retries_without_a_budget",
        "providers/retrying.py",
        "if wait_s is None or (asked and not self.budget.take()):",
        "if wait_s is None:",
        _RETRYING + "test_a_provider_that_is_down_gets_hardly_more_tries_than_calls",
    ),
    SeededBug(
        "advice_to_wait_ignored",
        "providers/retrying.py",
        "wait_s = advice_s + self._draw() * most_s",
        "wait_s = self._draw() * most_s",
        _RETRYING + "test_the_providers_advice_is_kept_to_and_never_undercut",
    ),
    SeededBug(
        "budget_forgets_what_is_committed",
        "ledger/rules.py",
        "left = budget.limit_nano_usd - committed_nano_usd(budget)",
        "left = budget.limit_nano_usd",
        _RULES + "test_a_budget_is_kept_to_the_nano_usd",
    ),
    SeededBug(
        "orphan_charged_nothing",
        "ledger/rules.py",
        "return None if worst_case_nano_usd is None else bounded(worst_case_nano_usd)",
        "return None if worst_case_nano_usd is None else 0",
        _RULES + "test_a_charge_is_what_was_billed_within_reason",
    ),
    SeededBug(
        "row_settled_twice",
        "ledger/rules.py",
        "return state in (None, RowState.RESERVED, RowState.ORPHANED)",
        "return True",
        _RULES + "test_only_what_is_not_final_may_be_settled",
    ),
    SeededBug(
        "draft_leaks_while_held",
        "engine.py",
        "held = call.kind is CallKind.DRAFT and self.task.draft_delivery is DraftDelivery.HELD",
        "held = False",
        _ENGINE + "test_engine_accepted_draft_is_held_until_its_check",
    ),
    SeededBug(
        "check_left_out_of_the_account",
        "engine.py",
        "        self.records.append(record)",
        "        self.records += [record] if record.call.kind is not CallKind.CHECK else []",
        _ENGINE + "test_engine_accepted_draft_is_held_until_its_check",
    ),
    SeededBug(
        "cost_cap_forgets_what_was_spent",
        "core/allowance.py",
        "left = cap_nano_usd - (spent.total_nano_usd if spent else 0)",
        "left = cap_nano_usd",
        "tests/integration/test_cases_server.py::test_generate_does_what_the_transcript_says[cost-cap-that-does-not-pay-for-the-check]",
    ),
    SeededBug(
        "heartbeat_before_started",
        "rpc/writer.py",
        "elif self._beat is None and since_s >= self._heartbeat_s and self._sequence > 0:",
        "elif self._beat is None and since_s >= self._heartbeat_s:",
        _WRITER + "test_silence_is_filled_with_heartbeats_and_only_after_started",
    ),
    SeededBug(
        "two_events_with_one_number",
        "rpc/writer.py",
        "            message.sequence = self._sequence",
        "            pass",
        _WRITER + "test_an_event_beside_a_heartbeat_waits_for_its_turn",
    ),
    SeededBug(
        "slow_reader_takes_the_blame_for_all",
        "rpc/writer.py",
        "return self._owner.uncancel() == 0",
        "return True",
        _WRITER + "test_a_reader_that_stopped_is_too_slow",
    ),
    SeededBug(
        "place_never_given_back",
        "rpc/admission.py",
        "            self.running -= 1",
        "            pass",
        "tests/unit/rpc/test_admission.py::test_a_place_beyond_the_last_is_refused_and_counted",
    ),
    SeededBug(
        "emergency_file_forgets",
        "ledger/bookkeeper.py",
        "        except LedgerUnavailable:\n            await asyncio.to_thread(self._spill, self._in_hand)",
        "        except LedgerUnavailable:\n            self._in_hand = ()",
        "tests/unit/ledger/test_bookkeeper.py::test_while_the_ledger_is_down_the_emergency_file_takes_it_and_gives_it_back",
    ),
    SeededBug(
        "call_made_before_its_row",
        "ledger/books.py",
        "await books.ledger.reserve(reservation, self.budgets)",
        "books.keeper.waiting",
        _BOOKS + "test_a_call_is_not_made_while_the_ledger_cannot_record_it",
    ),
    SeededBug(
        "budgets_not_handed_on",
        "ledger/books.py",
        "await books.ledger.reserve(reservation, self.budgets)",
        "await books.ledger.reserve(reservation)",
        _BOOKS + "test_a_race_for_the_last_cent_never_overspends",
    ),
    SeededBug(
        "ledger_that_is_down_passed_over",
        "ledger/books.py",
        "if not books.fail_open or self.budgets:",
        "if books.fail_open:",
        _BOOKS + "test_a_call_is_not_made_while_the_ledger_cannot_record_it",
    ),
    SeededBug(
        "cancelled_call_not_settled",
        "engine.py",
        "self.book.settle(record, tally.pieces)",
        "status is CallStatus.CANCELLED or self.book.settle(record, tally.pieces)",
        _BOOKS + "test_a_cancelled_call_is_settled_to_what_was_seen",
    ),
    SeededBug(
        "unsent_call_stays_reserved",
        "ledger/books.py",
        "for reservation in self.rows.values():",
        "for reservation in ():",
        _BOOKS + "test_a_row_whose_call_was_never_made_is_given_back",
    ),
    SeededBug(
        "prompts_kept_unasked",
        "ledger/books.py",
        "if self.books.keeps_content and final is not None:",
        "if final is not None:",
        _BOOKS + "test_prompts_are_kept_only_where_they_are_wanted",
    ),
    SeededBug(
        "locks_of_the_database_dropped",
        "ledger/sqlite.py",
        "os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600",
        "os.O_RDWR | os.O_CREAT, 0o600",
        "tests/contract/ledger/test_sqlite_beside.py::"
        "test_a_program_that_comes_and_goes_takes_nothing_with_it",
    ),
    *BUGS_ABOUT_CALLERS,
    *BUGS_OF_STORES,
    *BUGS_ABOUT_REFUSALS,
)
