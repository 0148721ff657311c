"""Whether what a certified row promises holds: samples are drawn from what was recorded, and the whole is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.bench.recorded import Graded, SelfReports
from tests.bench.routing_confidence import LADDERS
from tests.bench.rows import Row
from tierwise_server.measure.calibration import Key, Labelled, calibrate, with_calibrated
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.outcomes import Outcomes, losses
from tierwise_server.measure.policy import propose
from tierwise_server.measure.statistics import wilson

PROMISE = 0.90
DRAWS = 30
SIZES = (100, 200)

World = Sequence[Outcomes]
"""Populations of task types that are sampled together."""


@dataclass(slots=True)
class Cell:
    """What became of the samples of one population: how many broke the promise, and chose a cheaper row at all."""

    samples: int = 0
    broke: int = 0
    cheaper: int = 0

    @property
    def share(self) -> float:
        """Broken promises, of all samples."""
        return self.broke / self.samples


def promise_rows(data: SelfReports, graded: Sequence[tuple[str, Graded, int]]) -> list[Row]:
    """Certify rows from samples, and see what they lose on the whole."""
    ladders = self_report_worlds(data)
    worlds = [("self-report, confidence as given", ladders, False)]
    worlds += [("self-report, calibrated as shipped", ladders, True)]
    for name, outcomes, least in graded:
        worlds.append((name, [(p,) for p in static_populations(outcomes, least)], False))
    rows = []
    for tolerance in (0.02, 0.03, 0.05):
        for source, some, calibrated in worlds:
            cells = [
                cell
                for seed, world in enumerate(some)
                for cell in certified(world, tolerance, seed, calibrated=calibrated)
            ]
            rows += _promise_rows(source, tolerance, cells)
    return rows


def _promise_rows(source: str, tolerance: float, cells: Sequence[Cell]) -> list[Row]:
    samples, broke, cheaper = (
        sum(getattr(cell, name) for cell in cells) for name in ("samples", "broke", "cheaper")
    )
    reference = (
        f"{samples} samples of {' and '.join(map(str, SIZES))} tasks; a cheaper row in {cheaper / samples:.0%}; "
        f"worst of {len(cells)} cells {max(cell.share for cell in cells):.0%}"
    )
    name = f"Promise of {100 * tolerance:g} pp at {PROMISE:.0%}, {source}: broken"
    share = wilson(broke, samples)
    rows = [Row(name, share.value, share.low, share.high, "share", reference, "<= 0.12")]
    if cheaper:
        # What is promised is the share of all samples; of this one nothing is, and a careful rule may have it high.
        some = wilson(broke, cheaper)
        reference = f"{broke} of {cheaper}; the strongest tier alone breaks nothing"
        name += ", of those with a cheaper row"
        rows.append(Row(name, some.value, some.low, some.high, "share", reference))
    return rows


def certified(world: World, tolerance: float, seed: int, *, calibrated: bool) -> list[Cell]:
    """Draw samples of every type of a world, certify a row for each, and count what it does to the whole."""
    rng = np.random.default_rng(seed)
    cells = [Cell() for _ in world]
    for n in SIZES:
        for _ in range(DRAWS):
            samples = [whole.take(rng.integers(0, whole.n, n)) for whole in world]
            seen = as_shipped(samples, world) if calibrated else zip(samples, world, strict=True)
            for cell, (sample, whole) in zip(cells, seen, strict=True):
                row = propose(sample, Tolerance(tolerance, PROMISE)).candidate
                cell.samples += 1
                cell.cheaper += row.cascade != (whole.strongest,)
                cell.broke += float(np.mean(losses(whole, row))) > tolerance + 1e-9
    return cells


def as_shipped(samples: World, world: World) -> list[tuple[Outcomes, Outcomes]]:
    """Samples and wholes with the confidences that a table of these samples would see."""
    drafting = samples[0].tiers[:-1]
    fitted = calibrate(
        {
            Key(tier, sample.task_type, "verbal"): Labelled(
                sample.confidence[:, column], sample.quality[:, column]
            )
            for sample in samples
            for column, tier in enumerate(drafting)
        }
    )
    seen = []
    for sample, whole in zip(samples, world, strict=True):
        own = {tier: fitted[Key(tier, sample.task_type, "verbal")] for tier in drafting}
        seen.append((with_calibrated(sample, own), with_calibrated(whole, own)))
    return seen


def self_report_worlds(data: SelfReports) -> list[World]:
    """Every ladder, its contexts as task types; a task is an item in one of its runs."""
    every = np.arange(data.items)
    return [
        [data.outcomes(ladder, context, every) for context in range(len(data.contexts))]
        for ladder in LADDERS
    ]


def static_populations(data: Graded, least: int) -> list[Outcomes]:
    """Task types with at least so many tasks; no confidence was recorded, so a tier answers alone or not at all.

    Tiers are in the order of their overall quality, and each is given twice the price of the one before.
    """
    order = np.argsort(data.every.mean(axis=0))
    tiers = tuple(data.models[tier] for tier in order)
    found = []
    for name, quality in zip(data.types, data.quality, strict=True):
        if len(quality) < least:
            continue
        price = np.broadcast_to(2.0 ** np.arange(len(tiers)), quality.shape)
        unknown, free = np.full(quality.shape, np.nan), np.zeros(quality.shape)
        found.append(Outcomes(name, tiers, quality[:, order], price, unknown, free))
    return found
