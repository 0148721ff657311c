"""Holds a measured row to its evidence: a fingerprint of the row, made when it is measured and checked when it is read.

It is no signature: it shows that a row was changed by hand, not that somebody meant well.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from typing import Final

from tierwise_server.config.context import Context
from tierwise_server.config.findings import Finding, Loc
from tierwise_server.config.layers import EvidenceSettings, RowSettings

_DIGITS: Final = 16


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


def rows_match_their_evidence(ctx: Context) -> Iterator[Finding]:
    """A measured row is as it was measured, on the models that were measured."""
    for index, row, evidence in _measured(ctx):
        loc: Loc = ("routing", "rows", index, "evidence")
        if evidence.row_hash is not None and evidence.row_hash != row_hash(row):
            yield Finding(
                (*loc, "row_hash"),
                "does not match: the row or its evidence was changed after it was measured;"
                " measure it again, or take the evidence out",
            )
        for tier, model in (evidence.models or {}).items():
            filled = _model_of(ctx, tier)
            if filled not in (None, model):
                yield Finding(
                    (*loc, "models", tier), f"is {model!r}, but {filled!r} fills the tier now"
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


EVIDENCE_RULES: Final = (rows_match_their_evidence, calibrations_fit, evidence_is_current)
