"""Holds a measured row to its evidence: a fingerprint of the row, made when it is measured and checked when it is read.

It is no signature: it shows that a row was changed by hand, not that somebody meant well. What the row was measured on
stands in the evidence and is compared with what the configuration says now.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tierwise_server.config.context import Context
from tierwise_server.config.findings import Finding, Loc
from tierwise_server.config.layers import RowSettings
from tierwise_server.config.resolve import core_tier
from tierwise_server.config.sections_evidence import EvidenceSettings, MeasuredTierSettings
from tierwise_server.core.confidence import CHECK_VERSION
from tierwise_server.core.model import ThinkingForm, Tier

_DIGITS: Final = 16
_MEASURE_AGAIN: Final = "measure it again, or take the evidence out"


def row_hash(row: RowSettings) -> str:
    """Fingerprint a row with its evidence, whatever `row_hash` the evidence carries now."""
    content = row.model_dump(mode="json", exclude_none=True)
    if row.evidence is not None:
        evidence = content["evidence"]
        evidence.pop("row_hash", None)
        for name in ("measured_at", "expires_at"):
            moment: dt.datetime = getattr(row.evidence, name)
            evidence[name] = moment.astimezone(dt.UTC).isoformat()
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def tier_facts(tier: Tier, *, structured_checks: bool) -> dict[str, Any]:
    """Everything of a tier that changes its answers or its confidences, as evidence keeps it.

    Left out are prices and waiting times, which change no answer, and fallbacks, which are never measured.
    """
    budget = tier.thinking is ThinkingForm.BUDGET
    structured = structured_checks and tier.model.takes_structured_output
    facts = {
        "model": tier.model.id,
        "max_output_tokens": tier.max_output_tokens,
        "thinking": tier.thinking.value,
        "thinking_budget_tokens": tier.thinking_budget_tokens if budget else None,
        "effort": tier.effort or "default",
        "check": f"{CHECK_VERSION} {'json' if structured else 'number'}",
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def rows_are_sealed(ctx: Context) -> Iterator[Finding]:
    """A measured row is as it was measured."""
    for index, row, evidence in _measured(ctx):
        loc: Loc = ("routing", "rows", index, "evidence")
        if evidence.row_hash is None:
            message = (
                f"has no row_hash, without which nobody knows what was measured: {_MEASURE_AGAIN}"
            )
            yield Finding(loc, message)
        elif evidence.row_hash != row_hash(row):
            message = "does not match: the row or its evidence was changed after it was measured;"
            yield Finding((*loc, "row_hash"), f"{message} {_MEASURE_AGAIN}")


def tiers_are_as_measured(ctx: Context) -> Iterator[Finding]:
    """The tiers of a measured row are what they were when it was measured."""
    structured = ctx.config.check.structured is not False
    now = {
        tier.name: tier_facts(core_tier(tier), structured_checks=structured)
        for tier, _ in ctx.described_tiers()
    }
    named = {tier.name for tier in ctx.resolved.tiers}
    all_known = ctx.all_entries("tiers") and ctx.intact(("routing", "tiers"))
    for index, row, evidence in _measured(ctx):
        loc: Loc = ("routing", "rows", index, "evidence", "tiers")
        measured = evidence.tiers or {}
        for said in _left_out(row, measured):
            yield Finding(loc[:-1], f"does not say {said}: {_MEASURE_AGAIN}")
        for tier, then in measured.items():
            if tier in now:
                yield from _differences((*loc, tier), tier, then, now[tier])
            elif tier not in named and all_known:
                yield Finding(
                    (*loc, tier), f"was measured, but there is no such tier: {_MEASURE_AGAIN}"
                )


def _left_out(row: RowSettings, measured: Mapping[str, MeasuredTierSettings]) -> Iterator[str]:
    cascade = row.cascade or (() if row.tier is None else (row.tier,))
    for tier in cascade:
        if tier not in measured:
            yield f"what {tier!r} was"
        elif tier in cascade[:-1] and measured[tier].check is None:
            yield f"how drafts of {tier!r} were checked"


def _differences(
    loc: Loc, tier: str, then: MeasuredTierSettings, now: Mapping[str, Any]
) -> Iterator[Finding]:
    measured = then.model_dump(exclude_none=True)
    for name in MeasuredTierSettings.model_fields:
        before, after = measured.get(name), now.get(name)
        of_another_kind = name == "thinking_budget_tokens" and then.thinking != now["thinking"]
        unchecked = name == "check" and before is None
        if before != after and not of_another_kind and not unchecked:
            message = (
                f"was {before!r} when the row was measured, but tier {tier!r} has {after!r} now"
            )
            yield Finding((*loc, name), f"{message}: {_MEASURE_AGAIN}")


def costs_are_of_these_prices(ctx: Context) -> Iterator[Finding]:
    """Measured costs are those of the prices that hold. Other prices move costs and change no answer: a warning."""
    book = ctx.prices.book
    if book is None or ctx.prices.findings:
        return
    others: dict[str, list[int]] = {}
    for index, _, evidence in _measured(ctx):
        if evidence.price_book_version != book.version:
            others.setdefault(evidence.price_book_version, []).append(index)
    for version, rows in others.items():
        also = f" (and that of {len(rows) - 1} more)" if len(rows) > 1 else ""
        yield Finding(
            ("routing", "rows", rows[0], "evidence", "price_book_version"),
            f"is {version!r}, but the prices are {book.version!r} now: the quality of this row{also} holds,"
            " its costs may not",
            grave=False,
        )


def calibrations_fit(ctx: Context) -> Iterator[Finding]:
    """A calibrated row calibrates every tier that drafts, by the model that fills it, and has its own threshold."""
    for index, row in enumerate(ctx.config.routing.rows):
        if row.calibration is None:
            continue
        loc: Loc = ("routing", "rows", index)
        drafting = (row.cascade or ())[:-1]
        for tier in drafting:
            if tier not in row.calibration:
                yield Finding((*loc, "calibration"), f"leaves out {tier!r}, which drafts")
        for tier, calibration in row.calibration.items():
            filled = _model_of(ctx, tier)
            if tier not in drafting:
                yield Finding((*loc, "calibration", tier), "is of a tier that drafts nothing here")
            elif filled not in (None, calibration.model):
                yield Finding(
                    (*loc, "calibration", tier, "model"),
                    f"is {calibration.model!r}, but {filled!r} fills the tier; measure again",
                )
        if row.threshold is None:
            yield Finding((*loc, "threshold"), "is missing: a calibrated row needs one, 0 to 1")


def evidence_is_current(ctx: Context) -> Iterator[Finding]:
    """A measurement has not expired."""
    for index, _, evidence in _measured(ctx):
        expired = evidence.expires_at.date()
        if expired < ctx.today:
            yield Finding(
                ("routing", "rows", index, "evidence", "expires_at"),
                f"was {expired}: measure the row again",
                grave=False,
            )


def _measured(ctx: Context) -> Iterator[tuple[int, RowSettings, EvidenceSettings]]:
    for index, row in enumerate(ctx.config.routing.rows):
        if row.evidence is not None and ctx.intact(("routing", "rows", index)):
            yield index, row, row.evidence


def _model_of(ctx: Context, tier: str) -> str | None:
    """The id of the model that fills the tier; None where that cannot be said."""
    found = next((t for t in ctx.resolved.tiers if t.name == tier), None)
    return None if found is None or found.model is None else found.model.settings.id


EVIDENCE_RULES: Final = (
    rows_are_sealed,
    tiers_are_as_measured,
    calibrations_fit,
    evidence_is_current,
    costs_are_of_these_prices,
)
