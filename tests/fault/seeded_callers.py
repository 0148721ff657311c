"""Seeded bugs about callers: who may do what, what they may spend together, and what is told of them."""

from __future__ import annotations

from typing import Final

from tests.fault.seeded_bug import SeededBug

_SECRET = "tests/unit/access/test_secret.py::"
_RING = "tests/unit/access/test_ring.py::"
_KEYS = "tests/integration/test_keys.py::"
_RELOADING = "tests/integration/test_reloading.py::"
_CANARIES = "tests/integration/test_canaries_everywhere.py::"

BUGS_ABOUT_CALLERS: Final = (
    SeededBug(
        "exception_text_told_to_callers",
        "rpc/guard.py",
        'return RequestError(Reason.INTERNAL, "a fault of the server; its log says more")',
        "return RequestError(Reason.INTERNAL, str(error))",
        "tests/integration/test_guard.py::test_a_fault_outside_a_task_is_internal_without_its_text",
    ),
    SeededBug(
        "credentials_in_the_log",
        "telemetry/redaction.py",
        "return _CREDENTIAL.sub(REDACTED, line)",
        "return line",
        "tests/unit/telemetry/test_logs.py::test_credentials_are_not_written_wherever_they_stand",
    ),
    SeededBug(
        "key_compared_by_its_beginning",
        "access/secret.py",
        "hmac.compare_digest(self.digest, digest)",
        "hmac.compare_digest(self.digest[:16], digest[:16])",
        _SECRET + "test_a_key_proves_itself_by_the_whole_digest_and_by_no_part_of_it",
    ),
    SeededBug(
        "checksum_not_looked_at",
        "access/secret.py",
        "if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:",
        "if match is None:",
        _SECRET + "test_every_single_typing_error_is_noticed",
    ),
    SeededBug(
        "wrong_secret_let_in",
        "access/gate.py",
        'if key is None or not proven or key.state(self._wall_clock()) != "active":',
        'if key is None or key.state(self._wall_clock()) != "active":',
        _KEYS + "test_a_key_that_does_not_hold_is_refused_in_the_same_words",
    ),
    SeededBug(
        "revoked_key_let_in",
        "access/gate.py",
        'not proven or key.state(self._wall_clock()) != "active":',
        'not proven or key.state(self._wall_clock()) == "expired":',
        _KEYS + "test_a_key_that_does_not_hold_is_refused_in_the_same_words",
    ),
    SeededBug(
        "certificate_outlives_its_key",
        "access/gate.py",
        'if key is None or key.state(self._wall_clock()) != "active":',
        "if key is None:",
        "tests/unit/access/test_gate.py::"
        "test_a_certificate_that_stands_for_a_key_may_what_the_key_may_as_long_as_it_holds",
    ),
    SeededBug(
        "withdrawn_certificate_let_in",
        "translation.py",
        "gate.certified = certified_by(config)",
        "pass",
        "tests/integration/test_certificate_callers.py::"
        "test_a_name_is_withdrawn_and_given_by_a_reload_on_connections_that_are_open",
    ),
    SeededBug(
        "last_key_revoked_opens_the_server",
        "access/ring.py",
        "return bool(self._book.keys or self._book.unreadable)",
        "return any(key.revoked_at_s is None for key in self._book.keys.values())",
        _RING + "test_revoking_the_last_key_opens_nothing",
    ),
    SeededBug(
        "unreadable_key_opens_the_server",
        "access/ring.py",
        "return bool(self._book.keys or self._book.unreadable)",
        "return bool(self._book.keys)",
        _RING + "test_keys_that_cannot_be_read_open_nothing",
    ),
    SeededBug(
        "upkeep_ends_with_its_first_failure",
        "ledger/upkeep.py",
        "                log.exception(",
        "                return log.exception(",
        "tests/unit/ledger/test_upkeep.py::test_what_fails_is_told_at_once_and_begun_again",
    ),
    SeededBug(
        "bad_reload_not_counted",
        "reloading.py",
        "self._telemetry.reloads.failed()",
        "pass",
        _RELOADING + "test_every_reload_is_counted_by_how_it_went",
    ),
    SeededBug(
        "half_written_file_taken",
        "config/changes.py",
        "settled = now != self._seen and now == self._before",
        "settled = now != self._seen",
        _RELOADING + "test_a_file_is_taken_when_it_was_left_alone_between_two_looks",
    ),
    SeededBug(
        "pipe_waited_for",
        "config/files.py",
        "os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC",
        "os.O_RDONLY | os.O_CLOEXEC",
        "tests/unit/config/test_server_rules.py::"
        "test_a_pipe_in_place_of_a_key_is_a_fault_and_is_not_waited_for",
    ),
    SeededBug(
        "unknown_method_answered_to_anybody",
        "rpc/guard.py",
        "await self._entry.count(await self._entry.identify(context))",
        "pass",
        _KEYS + "test_without_credentials_nothing_is_said_but_that",
    ),
    SeededBug(
        "cascade_climbs_beyond_the_key",
        "core/table.py",
        "tuple(tier for tier in tiers if tier.name in allowed)",
        "tiers",
        _KEYS + "test_a_cascade_never_climbs_to_a_tier_that_the_key_may_not_use",
    ),
    SeededBug(
        "stream_not_given_back",
        "access/memory_limits.py",
        "self.held[subject] -= 1",
        "pass",
        _KEYS + "test_streams_at_once_are_counted_and_given_back",
    ),
    SeededBug(
        "streams_counted_without_the_lock",
        "access/sql_limits.py",
        'self._worker.database.serialise(connection, [f"access:{subject}"])',
        "pass",
        "tests/contract/access/test_limits.py::"
        "test_racing_servers_never_hold_more_streams_than_the_limit[postgres]",
    ),
    SeededBug(
        "tenants_budget_forgotten",
        "access/gate.py",
        "budgets += _budgets(BudgetScope.TENANT, self.allowance)",
        "pass",
        "tests/unit/access/test_gate.py::test_key_and_tenant_pay_within_all_their_budgets",
    ),
    SeededBug(
        "name_with_a_credential_kept",
        "rpc/requests.py",
        "if is_credential(given):",
        "if not given:",
        _CANARIES + "test_a_secret_in_any_input_is_in_nothing_that_is_left",
    ),
    SeededBug(
        "unlisted_task_type_on_spans",
        "telemetry/attributes.py",
        "plain(plan.task_type) if plan.listed else OTHER",
        "plain(plan.task_type)",
        _CANARIES + "test_what_is_no_secret_by_its_looks_stays_where_it_belongs",
    ),
    SeededBug(
        "unlisted_task_type_in_the_log",
        "rpc/service.py",
        "task_type if task_type in self.engine.table.rows else OTHER",
        "task_type",
        _CANARIES + "test_what_is_no_secret_by_its_looks_stays_where_it_belongs",
    ),
    SeededBug(
        "status_text_quotes_a_credential",
        "rpc/status.py",
        "without_credentials(text).encode(",
        "text.encode(",
        _CANARIES + "test_a_secret_in_any_input_is_in_nothing_that_is_left",
    ),
    SeededBug(
        "budget_raced_without_the_lock",
        "ledger/postgres.py",
        'connection.execute(_LOCK, {"numbers": numbers})',
        "assert numbers is not None",
        "tests/integration/test_postgres_served.py::"
        "test_a_budget_that_two_servers_race_for_is_spent_to_the_last_cent_and_no_further",
    ),
)
