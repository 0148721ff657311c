"""Seeded bugs about what is kept: remembered answers, shared limits, the ledger's SQL; and about who is left alone."""

from __future__ import annotations

from typing import Final

from tests.fault.seeded_bug import SeededBug

_CALLERS = "tests/integration/test_idempotency_callers.py::"
_REPEATING = "tests/unit/rpc/test_repeating.py::"
_PLACE = "Place(rpc.identity.tenant, rpc.identity.key_id, request.request_id)"
_PORT = "tests/contract/ledger/test_ledger_port.py::"
_LIMITS = "tests/contract/access/test_limits.py::"
_BREAKING = "tests/unit/providers/test_breaking.py::"

BUGS_OF_STORES: Final = (
    SeededBug(
        "answers_of_all_tenants_together",
        "rpc/service.py",
        _PLACE,
        'Place("", "", request.request_id)',
        _CALLERS + "test_nobody_is_told_what_another_key_or_tenant_was_answered[sqlite]",
    ),
    SeededBug(
        "answers_of_a_tenants_keys_together",
        "rpc/service.py",
        _PLACE,
        'Place(rpc.identity.tenant, "", request.request_id)',
        _CALLERS + "test_nobody_is_told_that_another_key_or_tenant_has_the_id[sqlite]",
    ),
    SeededBug(
        "answer_remembered_after_it_was_sent",
        "rpc/repeating.py",
        "                await self._remember()\n        await self.send(message)",
        "                await self.send(message)\n                return await self._remember()\n"
        "        await self.send(message)",
        _REPEATING + "test_an_answer_is_remembered_before_its_last_event_is_sent_and_not_earlier",
    ),
    SeededBug(
        "unprotected_while_the_store_is_away",
        "rpc/repeating.py",
        "        if fail_open:\n            return None\n        raise",
        "        return None",
        _CALLERS + "test_while_the_store_is_away_a_named_request_is_refused[sqlite]",
    ),
    SeededBug(
        "refused_though_told_to_go_on",
        "rpc/service.py",
        "fail_open=self.fail_open",
        "fail_open=False",
        _CALLERS + "test_a_server_may_be_told_to_run_named_requests_without_the_store[sqlite]",
    ),
    SeededBug(
        "claims_not_renewed",
        "idempotency/sql.py",
        "claims = [token for token, _ in self._running.values()]",
        "claims: list[str] = []",
        "tests/contract/idempotency/test_answers.py::"
        "test_a_server_that_dies_frees_the_id_and_one_that_lives_does_not[sqlite]",
    ),
    SeededBug(
        "clock_set_back_locks_a_key_out",
        "access/sql_limits.py",
        "where=sa.or_(full_at_s - now_s <= bucket_s(per_minute), set_back),",
        "where=sa.and_(full_at_s - now_s <= bucket_s(per_minute), sa.not_(set_back)),",
        _LIMITS + "test_a_clock_that_is_set_back_neither_locks_up_nor_unlocks_a_limit[3600.0]",
    ),
    SeededBug(
        "clock_set_back_unlocks_a_key",
        "access/sql_limits.py",
        "sa.func.least(full_at_s + step_s, now_s + MINUTE_S)",
        "full_at_s + step_s",
        _LIMITS + "test_a_clock_that_is_set_back_neither_locks_up_nor_unlocks_a_limit[3600.0]",
    ),
    SeededBug(
        "breaker_lets_a_herd_probe",
        "providers/breaking.py",
        "self._most_probing, self._probing = 1, 0",
        "self._most_probing, self._probing = 16, 0",
        _BREAKING + "test_probes_begin_with_one_and_double_until_it_closes",
    ),
    SeededBug(
        "probes_of_all_servers_at_once",
        "providers/breaking.py",
        "mean_s * (0.5 + self._draw())",
        "mean_s",
        _BREAKING + "test_the_time_until_the_probe_is_drawn_around_its_mean",
    ),
    SeededBug(
        "rows_of_the_living_given_up",
        "ledger/sweeping.py",
        "sa.and_(owner_column != holder.owner, owner_column.not_in(living))",
        "sa.and_(owner_column != holder.owner, living.exists())",
        _PORT + "test_a_living_server_keeps_its_rows_when_another_starts[postgres]",
    ),
    SeededBug(
        "orphans_left_out_of_the_sums",
        "ledger/sweeping.py",
        "        apply_changes(connection, holder, changes)\n",
        "",
        _PORT + "test_an_orphan_is_charged_its_worst_case_until_a_settlement_says_better[sqlite]",
    ),
    SeededBug(
        "corrected_orphan_charged_twice",
        "ledger/recording.py",
        'before=None if row is None else row["charged_nano_usd"],',
        "before=None,",
        _PORT + "test_an_orphan_is_charged_its_worst_case_until_a_settlement_says_better[sqlite]",
    ),
    SeededBug(
        "later_end_overrules_the_one_that_stands",
        "ledger/recording.py",
        'sa.and_(tables.request.c.provisional, sa.bindparam("stands", type_=sa.Boolean)),',
        'sa.bindparam("stands", type_=sa.Boolean),',
        _PORT + "test_the_first_end_stands_unless_it_was_provisional[sqlite]",
    ),
    SeededBug(
        "budget_passed_over_while_the_ledger_is_down",
        "ledger/books.py",
        "if not books.fail_open or self.budgets:",
        "if not books.fail_open:",
        "tests/unit/ledger/test_books.py::"
        "test_a_call_that_a_budget_pays_is_not_made_while_the_ledger_cannot_count_it",
    ),
    SeededBug(
        "row_of_a_caller_that_left_stays_reserved",
        "ledger/ledger.py",
        "            self._give_back(reservation, error)\n",
        "",
        "tests/fault/test_wall.py::test_a_slice_of_the_wall_holds[F25]",
    ),
    SeededBug(
        "retries_told_as_failures",
        "ledger/spend_sql.py",
        "        (sa.and_(failed, call.c.superseded), Use.RETRIED.name),\n",
        "",
        "tests/contract/ledger/test_ledger_spend.py::test_the_split_of_one_escalated_request[sqlite]",
    ),
)
