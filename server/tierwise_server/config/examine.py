"""Reads a configuration, judges all of it at once, and says everything that is wrong or doubtful."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tierwise_server.config import shipped
from tierwise_server.config.cautions import CAUTIONS
from tierwise_server.config.context import Context
from tierwise_server.config.credentials import (
    ANTHROPIC_KEY_VARIABLE,
    looks_like_key,
    take_out_keys,
)
from tierwise_server.config.environment import Overlay
from tierwise_server.config.evidence import EVIDENCE_RULES
from tierwise_server.config.findings import (
    ConfigWarning,
    Finding,
    Loc,
    Places,
    known_names,
    shown,
)
from tierwise_server.config.lines import line_numbers
from tierwise_server.config.parse import Parsed, parse
from tierwise_server.config.rules_fallbacks import FALLBACK_RULES
from tierwise_server.config.rules_policies import POLICY_RULES
from tierwise_server.config.rules_server import SERVER_RULES
from tierwise_server.config.rules_tiers import TIER_RULES
from tierwise_server.config.settings import Config
from tierwise_server.config.toml import read_toml
from tierwise_server.errors import ConfigurationError, Fault

_PATHS: Final[tuple[Loc, ...]] = (
    ("server", "tls", "cert_file"),
    ("server", "tls", "key_file"),
    ("server", "tls", "client_ca_file"),
    ("upstream", "anthropic", "api_key_file"),
    ("prices", "file"),
    ("ledger", "directory"),
)
_ROUTING_RULES: Final = (*TIER_RULES, *FALLBACK_RULES, *POLICY_RULES, *EVIDENCE_RULES)

Rule = Callable[[Context], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Examination:
    """What a look at a configuration gave.

    Attributes:
        config: the configuration; None when there are faults.
        faults: everything that is wrong, in file order, variables last.
        warnings: everything that is doubtful, in the same order.
    """

    config: Config | None
    faults: tuple[Fault, ...]
    warnings: tuple[ConfigWarning, ...]


def load(path: Path | None, environ: Mapping[str, str], *, today: dt.date | None = None) -> Config:
    """Read and check a configuration. Reads files, never the network; spends nothing.

    Args:
        path: the TOML file; None for the shipped defaults.
        environ: the environment, for the TIERWISE_* variables.
        today: the date that ages are reckoned by; None takes the clock's.

    Raises:
        ConfigurationError: it cannot be used; carries every fault found.
    """
    found = examine(path, environ, today=today)
    if found.config is None:
        raise ConfigurationError(found.faults)
    return found.config


def examine(
    path: Path | None, environ: Mapping[str, str], *, today: dt.date | None = None
) -> Examination:
    """Read and check a configuration; like `load`, but gives faults and warnings instead of raising."""
    text, unreadable = "", ""
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            text, raw = read_toml(path)
        except ValueError as error:
            unreadable = str(error)
    found = examine_raw(raw, environ, text=text, folder=path and path.parent, today=today)
    if not unreadable:
        return found
    # What the file does not say cannot be judged, but a wrong variable is wrong whatever it says.
    wrong = tuple(fault for fault in found.faults if fault.path.startswith("TIERWISE_"))
    return Examination(None, (Fault(str(path), unreadable), *wrong), ())


def examine_raw(
    raw: dict[str, Any],
    environ: Mapping[str, str],
    *,
    text: str = "",
    folder: Path | None = None,
    today: dt.date | None = None,
) -> Examination:
    """Check decoded TOML. `raw` is changed on the way.

    `text` is what it was decoded from, for line numbers; `folder` is where its relative paths begin.
    """
    keys = take_out_keys(raw)
    _anchor_paths(raw, folder)
    overlay = Overlay(Config, raw, _profile_tiers(raw, environ))
    overlay.put(environ)
    parsed = parse(Config, raw)
    places = Places(line_numbers(text), overlay.variables, parsed.kept)
    config, profile_findings, sure = _with_known_profile(parsed.section or Config())
    sure = sure and ("profile",) not in parsed.removed
    ctx = _context(config, parsed, places, today)
    findings: list[Finding] = [
        *(_key_finding(loc) for loc in keys),
        *(f for f in (*overlay.findings, *parsed.findings, *profile_findings) if f.loc not in keys),
        *_judge(ctx, SERVER_RULES),
        *(_judge(ctx, (*_ROUTING_RULES, *CAUTIONS)) if sure else ()),
    ]
    faults = places.faults(findings)
    return Examination(None if faults else config, faults, places.warnings(findings))


def _profile_tiers(raw: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The names of the profile's tiers, which variables may use before the profile itself is checked."""
    wanted = environ.get("TIERWISE_PROFILE", "").strip() or raw.get("profile")
    name = wanted if wanted in shipped.PROFILES else shipped.DEFAULT_PROFILE
    return [tier.name for tier in shipped.profile(str(name)).tiers]


def _with_known_profile(config: Config) -> tuple[Config, tuple[Finding, ...], bool]:
    """Replace an unknown profile by the one that was probably meant, and say whether the rest can be judged by it."""
    if config.profile in shipped.PROFILES:
        return config, (), True
    hint = known_names(config.profile, shipped.PROFILES)
    message = f"there is no profile {shown(config.profile)!r}{hint}"
    close = difflib.get_close_matches(config.profile[:200], shipped.PROFILES, n=1)
    meant = close[0] if close else shipped.DEFAULT_PROFILE
    finding = Finding(("profile",), message)
    return config.model_copy(update={"profile": meant}), (finding,), bool(close)


def _context(
    config: Config, parsed: Parsed[Config], places: Places, today: dt.date | None
) -> Context:
    return Context(
        config=config,
        profile=shipped.profile(config.profile),
        resolved=config.resolved,
        prices=config.prices_read(),
        today=today or dt.datetime.now(dt.UTC).date(),
        places=places,
        removed=parsed.removed,
    )


def _judge(ctx: Context, rules: Iterable[Rule]) -> Iterator[Finding]:
    for rule in rules:
        for finding in rule(ctx):
            yield replace(finding, loc=ctx.places.original(finding.loc))


def _anchor_paths(raw: dict[str, Any], folder: Path | None) -> None:
    """Let relative paths in the file begin at the file's folder."""
    for loc in _PATHS if folder is not None else ():
        table: Any = raw
        for part in loc[:-1]:
            table = table.get(part) if isinstance(table, dict) else None
        if isinstance(table, dict) and isinstance(table.get(loc[-1]), str):
            table[loc[-1]] = str(folder / table[loc[-1]])


def _key_finding(loc: Loc) -> Finding:
    shown_loc = tuple(part for part in loc if isinstance(part, int) or not looks_like_key(part))
    message = (
        "holds what looks like a key; keys do not belong in the file. The provider's comes from"
        f" {ANTHROPIC_KEY_VARIABLE} or from the file that upstream.anthropic.api_key_file names"
    )
    return Finding(shown_loc, message)
