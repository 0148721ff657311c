"""Rules for rows, cascades and thresholds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from tierwise_server.config.context import Context
from tierwise_server.config.findings import Finding, Loc, did_you_mean, known_names
from tierwise_server.config.layers import EscalationSettings, PolicySettings, RowSettings
from tierwise_server.config.resolve import PROFILE, ResolvedPolicy
from tierwise_server.core.confidence import HIGHEST_SCORE, LOWEST_SCORE

_ORDER: Final[Loc] = ("routing", "tiers")


def policies_have_one_form(ctx: Context) -> Iterator[Finding]:
    """A row names one tier or a cascade; method and threshold belong to a cascade."""
    for policy in ctx.resolved.policies():
        settings, loc = policy.settings, policy.loc
        if loc == PROFILE or not ctx.intact(loc):
            continue
        if settings.tier is not None and settings.cascade is not None:
            yield Finding(loc, "has both a tier and a cascade; keep one")
        elif settings.tier is None and settings.cascade is None:
            yield Finding(loc, "needs a tier or a cascade")
        elif settings.tier is not None:
            for key in ("method", "threshold"):
                if key in settings.model_fields_set:
                    yield Finding((*loc, key), "only means something with a cascade")


def policies_name_known_tiers(ctx: Context) -> Iterator[Finding]:
    """Every tier that a policy names is in use."""
    in_use = [tier.name for tier in ctx.resolved.tiers]
    for policy in ctx.resolved.policies():
        for index, name in enumerate(policy.tiers):
            if name not in in_use and _surely_unknown(ctx, name, in_use):
                yield _unknown_tier(ctx, policy, index, name, in_use)


def _surely_unknown(ctx: Context, name: str, in_use: list[str]) -> bool:
    """Whether a name is unknown for its own sake, and not because the tier it names could not be read."""
    complete = ctx.all_entries("tiers") and ctx.intact(_ORDER)
    return complete or bool(did_you_mean(name, in_use))


def _unknown_tier(
    ctx: Context, policy: ResolvedPolicy, index: int, name: str, in_use: list[str]
) -> Finding:
    if policy.loc == PROFILE:
        return Finding(
            _ORDER, f"leaves out tier {name!r}, which {_what(ctx, policy)} of the profile names"
        )
    place: Loc = (*policy.loc, "cascade", index)
    if policy.settings.cascade is None:
        by_name = policy.loc == ("routing", "default") and isinstance(
            ctx.config.routing.default, str
        )
        place = policy.loc if by_name else (*policy.loc, "tier")
    return Finding(place, f"there is no tier {name!r}{known_names(name, in_use)}")


def _what(ctx: Context, policy: ResolvedPolicy) -> str:
    if isinstance(policy.settings, RowSettings):
        return f"the row of {policy.settings.task_types[0]!r}"
    return "the escalation" if policy is ctx.resolved.escalation else "the default"


def cascades_climb(ctx: Context) -> Iterator[Finding]:
    """A cascade has two tiers or more, each once and each stronger than the one before."""
    ranks = {tier.name: rank for rank, tier in enumerate(ctx.resolved.tiers)}
    for policy in ctx.resolved.policies():
        cascade = policy.settings.cascade
        if cascade is None:
            continue
        loc = (*policy.loc, "cascade") if policy.loc != PROFILE else _ORDER
        if len(cascade) < 2:
            yield Finding(loc, "a cascade needs two tiers or more; for one tier write tier = ...")
        for index, (lower, upper) in enumerate(itertools.pairwise(cascade), 1):
            place = (*loc, index) if policy.loc != PROFILE else loc
            if upper in cascade[:index]:
                yield Finding(
                    place, f"names tier {upper!r} again: a cascade must not go in a circle"
                )
            elif ranks.get(upper, len(ranks)) < ranks.get(lower, -1):
                yield Finding(place, f"goes down: {upper!r} is weaker than {lower!r}")


def thresholds_are_on_the_scale(ctx: Context) -> Iterator[Finding]:
    """A threshold is on its method's own scale."""
    for loc, settings in _stated(ctx):
        threshold = settings.threshold
        if isinstance(settings, RowSettings) and settings.calibration is not None:
            if threshold is not None and not 0 <= threshold <= 1:
                message = (
                    f"threshold {threshold:g} is out of range: a calibrated row's is from 0 to 1"
                )
                yield Finding((*loc, "threshold"), message)
        elif threshold is not None and not LOWEST_SCORE <= threshold <= HIGHEST_SCORE:
            yield Finding((*loc, "threshold"), _off_the_scale(threshold))


def _stated(ctx: Context) -> Iterator[tuple[Loc, EscalationSettings]]:
    """What the file itself states: its escalation, its default if that is a table, and its rows."""
    routing = ctx.config.routing
    yield ("routing", "escalation"), routing.escalation
    if isinstance(routing.default, PolicySettings):
        yield ("routing", "default"), routing.default
    for index, row in enumerate(routing.rows):
        yield ("routing", "rows", index), row


def _off_the_scale(threshold: float) -> str:
    hint = ""
    if 0 < threshold < LOWEST_SCORE:
        hint = f"; as a share of 1, {threshold:g} is {threshold * HIGHEST_SCORE:g} on this scale"
    return (
        f"threshold {threshold:g} is out of range: self_report scores from {LOWEST_SCORE}"
        f" to {HIGHEST_SCORE}{hint}"
    )


def task_types_have_one_row(ctx: Context) -> Iterator[Finding]:
    """A task type has one row in the file."""
    seen: set[str] = set()
    for index, row in enumerate(ctx.config.routing.rows):
        for position, task_type in enumerate(row.task_types):
            if task_type in seen:
                place = ("routing", "rows", index, "task_types", position)
                yield Finding(place, f"there are two rows for {task_type!r}")
            seen.add(task_type)


def something_is_routed(ctx: Context) -> Iterator[Finding]:
    """A table that refuses what has no row has rows."""
    rows_known = ctx.intact(("routing", "rows"), ("routing", "default"))
    if ctx.resolved.default is None and not ctx.resolved.rows and rows_known:
        yield Finding(("routing", "default"), "refuses every task: there is no row")


def measurements_name_known_tiers(ctx: Context) -> Iterator[Finding]:
    """Measured answer lengths are those of tiers in use, and an interval holds its middle."""
    in_use = [tier.name for tier in ctx.resolved.tiers]
    for index, row in enumerate(ctx.config.routing.rows):
        loc: Loc = ("routing", "rows", index)
        named = {
            "measured_output_tokens": row.measured_output_tokens,
            "calibration": row.calibration,
        }
        for key, name in ((key, name) for key, names in named.items() for name in names or {}):
            if name not in in_use and _surely_unknown(ctx, name, in_use):
                message = f"there is no tier {name!r}{known_names(name, in_use)}"
                yield Finding((*loc, key, name), message)
        found = row.evidence
        if found is None:
            continue
        if not found.quality_low <= found.quality <= found.quality_high:
            yield Finding((*loc, "evidence"), "quality lies outside quality_low to quality_high")
        if found.expires_at <= found.measured_at:
            yield Finding((*loc, "evidence", "expires_at"), "is not after measured_at")


POLICY_RULES: Final = (
    policies_have_one_form,
    policies_name_known_tiers,
    cascades_climb,
    thresholds_are_on_the_scale,
    task_types_have_one_row,
    something_is_routed,
    measurements_name_known_tiers,
)
