"""The configuration's words in the words of each part that is built from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise_server.access.gate import Certified
from tierwise_server.access.opened import AccessSettings
from tierwise_server.engine import EngineSettings
from tierwise_server.idempotency.base import Room
from tierwise_server.ledger.keeping import Policy
from tierwise_server.ledger.settings import LedgerSettings, data_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwise_server.access.gate import Gate
    from tierwise_server.config import Config

LEASE_MARGIN_S = 300.0
"""How much longer a reservation holds than any request may take."""


def ledger_settings(config: Config, environ: Mapping[str, str]) -> LedgerSettings | None:
    """Where records and keys are kept; None where nothing is."""
    ledger = config.ledger
    if not ledger.enabled:
        return None
    directory = ledger.directory or data_directory(environ)
    return LedgerSettings(
        directory,
        "" if ledger.url is None else ledger.url.get_secret_value(),
        reserve_timeout_s=ledger.reserve_timeout_s,
        write_timeout_s=ledger.write_timeout_s,
        reservation_lease_s=config.server.max_request_s + LEASE_MARGIN_S,
        keep_content_days=ledger.keep_content_days,
    )


def room_of(config: Config) -> Room:
    """Translate the configuration's words into those of remembered answers."""
    remembering = config.idempotency
    return Room(remembering.keep_hours * 3600.0, remembering.max_tenant_bytes)


def ledger_policy(config: Config) -> Policy:
    """Translate the configuration's words into the ledger's."""
    return Policy(fail_open=config.ledger.fail_open)


def access_settings(config: Config, kept: LedgerSettings | None) -> AccessSettings:
    """Translate the configuration's words into those of access/."""
    auth = config.auth
    return AccessSettings(
        ledger=kept,
        always_open=auth.mode == "open",
        open_without_keys=auth.mode == "auto" and config.server.private,
        certified=certified_by(config),
    )


def certify(gate: Gate | None, config: Config) -> None:
    """Have the names in client certificates stand for whom `config` says, from the next call on."""
    if gate is not None:
        gate.certified = certified_by(config)


def certified_by(config: Config) -> Certified:
    """Who the names in client certificates stand for."""
    auth = config.auth
    return Certified(auth.certificates or {}, auth.certificate_keys or {})


def engine_settings(config: Config) -> EngineSettings:
    """Translate the configuration's words into the engine's."""
    return EngineSettings(
        max_request_s=config.server.max_request_s,
        check_timeout_s=config.check.timeout_s,
        structured_checks=config.check.structured is not False,
        cache_prompts=config.check.cache_prompt,
    )
