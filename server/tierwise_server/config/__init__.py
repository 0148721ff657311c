"""The typed configuration: one TOML file over a shipped profile, every fault found at once, before anything starts.

`load` gives a `Config`; `examine` gives faults and warnings for people; `check_online` compares a configuration with
the provider's own list of models; `bind_faults` is asked at the start of a server.
"""

from __future__ import annotations

from tierwise_server.config.changes import (
    Source,
    Watched,
    fingerprints,
    load_again,
    waiting_for_restart,
    watched_files,
)
from tierwise_server.config.credentials import ANTHROPIC_KEY_VARIABLE, Secrets
from tierwise_server.config.examine import Examination, examine, load
from tierwise_server.config.files import read_regular
from tierwise_server.config.findings import ConfigWarning
from tierwise_server.config.online import check_online
from tierwise_server.config.rules_server import LONGEST_PEM_BYTES, bind_faults
from tierwise_server.config.schema import config_schema, schema_text
from tierwise_server.config.sections import (
    AnthropicSettings,
    CheckSettings,
    RetrySettings,
    ServerSettings,
    TelemetrySettings,
    TlsSettings,
    UpstreamSettings,
    is_loopback,
    split_address,
)
from tierwise_server.config.sections_access import AuthSettings, LedgerStoreSettings
from tierwise_server.config.settings import Config
from tierwise_server.config.shipped import DEFAULT_PROFILE, PROFILES

__all__ = [
    "ANTHROPIC_KEY_VARIABLE",
    "DEFAULT_PROFILE",
    "LONGEST_PEM_BYTES",
    "PROFILES",
    "AnthropicSettings",
    "AuthSettings",
    "CheckSettings",
    "Config",
    "ConfigWarning",
    "Examination",
    "LedgerStoreSettings",
    "RetrySettings",
    "Secrets",
    "ServerSettings",
    "Source",
    "TelemetrySettings",
    "TlsSettings",
    "UpstreamSettings",
    "Watched",
    "bind_faults",
    "check_online",
    "config_schema",
    "examine",
    "fingerprints",
    "is_loopback",
    "load",
    "load_again",
    "read_regular",
    "schema_text",
    "split_address",
    "waiting_for_restart",
    "watched_files",
]
