"""The report's pictures, as matplotlib figures. Drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from tierwise_server.measure.lettering import lettering, wrapped
from tierwise_server.measure.metrics import Point, random_mix

if TYPE_CHECKING:
    from tierwise_server.measure.analysis import Spot, TypeNumbers
    from tierwise_server.measure.policy import Measured
    from tierwise_server.measure.signals import Bin, SignalQuality
    from tierwise_server.measure.statistics import Interval

NANO_PER_USD_PER_THOUSAND: Final = 1_000_000
"""Nano-USD a task, over this, is USD per thousand tasks."""

LOG_FROM_RATIO: Final = 12
"""Costs that differ more than so many times are drawn on a logarithmic axis."""

INK, GREY, LINE = "#1f2933", "#7b8794", "#cbd2d9"
TIER_COLOURS: Final = ("#2f80c2", "#e08e0b", "#8e44ad", "#16a085", "#7f8c8d")
PROPOSED, CURRENT, ORACLE = "#1b8a3a", "#c0392b", "#52606d"

NAME_COLUMNS: Final = 24
"""How wide a name may be beside a picture; longer ones go on in a second line."""
TITLE_COLUMNS: Final = 56


@lettering()
def quality_cost(numbers: TypeNumbers) -> Figure:
    """Quality against cost: each tier, a random mix, the cascade, both tables and the oracle, with their intervals."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    logarithmic = _is_wide(numbers)
    _mix_line(axes, numbers.fixed)
    if numbers.cascade:
        costs, qualities = zip(*sorted(numbers.cascade), strict=True)
        weak, strong = (_name(tier) for tier in (numbers.ranking.weak, numbers.ranking.strong))
        label = f"{weak} then\n{strong}, every threshold"
        axes.plot(_usd(costs), qualities, color=GREY, lw=1.1, marker=".", ms=4, label=label)
    for place, spot in enumerate(numbers.fixed):
        colour = TIER_COLOURS[place % len(TIER_COLOURS)]
        _spot(
            axes, spot.cost_nano_usd, spot.quality, _name(spot.name), color=colour, marker="o", ms=8
        )
    oracle = numbers.oracle
    _spot(axes, oracle.cost_nano_usd, oracle.quality, "oracle", color=ORACLE, marker="*", ms=12)
    if numbers.current is not None:
        _table_spot(axes, numbers.current, "current table", CURRENT, "s", 15)
    _table_spot(axes, numbers.proposed, "proposed table", PROPOSED, "D", 12)
    _cost_axis(axes, logarithmic=logarithmic)
    axes.set_ylabel("quality")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.2f}"))
    _title(axes, f"{numbers.name}  (n = {numbers.n})", TITLE_COLUMNS)
    # Points without their whiskers, which the legend would draw through them.
    marks, labels = axes.get_legend_handles_labels()
    axes.legend(
        [mark[0] if isinstance(mark, ErrorbarContainer) else mark for mark in marks],
        labels,
        fontsize=8,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        labelspacing=0.9,
        markerscale=0.65,
    )
    _plain(axes)
    return figure


def _mix_line(axes: Any, fixed: Sequence[Spot]) -> None:
    weak, strong = (
        Point(spot.cost_nano_usd.value, spot.quality.value) for spot in (fixed[0], fixed[-1])
    )
    costs = np.linspace(weak.cost, strong.cost, 200)
    qualities = [random_mix(weak, strong, float(cost)) for cost in costs]
    label = f"random mix of\n{_name(fixed[0].name)} and\n{_name(fixed[-1].name)}"
    axes.plot(_usd(costs), qualities, color=GREY, lw=1.1, ls="--", label=label)


def _spot(axes: Any, cost: Interval, quality: Interval, label: str, **style: Any) -> None:
    x, y = cost.value / NANO_PER_USD_PER_THOUSAND, quality.value
    reach = [[max(0.0, y - quality.low)], [max(0.0, quality.high - y)]]
    span = [
        [max(0.0, cost.value - cost.low) / NANO_PER_USD_PER_THOUSAND],
        [max(0.0, cost.high - cost.value) / NANO_PER_USD_PER_THOUSAND],
    ]
    axes.errorbar(
        x,
        y,
        yerr=reach,
        xerr=span,
        ls="none",
        elinewidth=1,
        capsize=2.5,
        label=label,
        zorder=3,
        **style,
    )


def _table_spot(
    axes: Any, measured: Measured, label: str, colour: str, marker: str, size: int
) -> None:
    """Tables are drawn hollow and larger, so that a tier they equal shows through."""
    _spot(
        axes,
        measured.cost_nano_usd,
        measured.quality,
        label,
        color=colour,
        marker=marker,
        ms=size,
        mfc="none",
        mew=1.8,
    )


@lettering()
def reliability(signal: SignalQuality) -> Figure:
    """The reliability diagram of a tier's confidence, as it gave it and calibrated."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=LINE, lw=1.2, label="perfectly calibrated")
    _bins(axes, signal.raw_bins, "as the model says it", CURRENT, "o")
    _bins(axes, signal.calibrated_bins, "calibrated", PROPOSED, "D")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("confidence")
    axes.set_ylabel("quality of those answers")
    _title(axes, f"{signal.tier}  (n = {signal.n})", TITLE_COLUMNS // 2)
    # Below the axes: points may lie anywhere inside them.
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    _plain(axes)
    return figure


def _bins(axes: Any, bins: Sequence[Bin], label: str, colour: str, marker: str) -> None:
    if not bins:
        return
    ys = [one.quality.value for one in bins]
    reach = [
        [y - one.quality.low for y, one in zip(ys, bins, strict=True)],
        [one.quality.high - y for y, one in zip(ys, bins, strict=True)],
    ]
    axes.errorbar(
        [one.confidence for one in bins],
        ys,
        yerr=np.maximum(reach, 0.0),
        color=colour,
        marker=marker,
        ms=5,
        lw=1,
        elinewidth=1,
        capsize=2.5,
        label=label,
    )


@lettering()
def enough(types: Sequence[TypeNumbers]) -> Figure:
    """Per task type, the share of tasks for which each tier is no worse than the strongest."""
    tiers = [one.tier for one in types[0].tiers[:-1]]
    names = [f"{_name(one.name)}\n(n={one.n})" for one in types]
    least = 0.17 * max(name.count("\n") + 1 for name in names)
    height = 0.8 + len(types) * max(least, 0.22 + 0.2 * len(tiers))
    figure = Figure(figsize=(7.2, max(1.6, height)), layout="constrained")
    axes = figure.subplots()
    step = 0.8 / max(1, len(tiers))
    for place, tier in enumerate(tiers):
        shares = [one.tiers[place].enough for one in types]
        ys = [row + (place - (len(tiers) - 1) / 2) * step for row in range(len(types))]
        reach = [[s.value - s.low for s in shares], [s.high - s.value for s in shares]]
        axes.barh(
            ys,
            [s.value for s in shares],
            height=step * 0.86,
            xerr=np.maximum(reach, 0.0),
            color=TIER_COLOURS[place % len(TIER_COLOURS)],
            error_kw={"elinewidth": 1, "capsize": 2, "ecolor": INK},
            label=_name(tier),
        )
    axes.set_yticks(range(len(types)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    strongest = _name(types[0].tiers[-1].tier)
    axes.set_xlabel(f"share of tasks on which the tier\nis no worse than {strongest}")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _plain(axes)
    return figure


def render(figure: Figure, form: str) -> bytes:
    """The figure as "svg" or "png"; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else None
    with lettering():
        figure.savefig(buffer, format=form, dpi=144, metadata=metadata)
    return buffer.getvalue()


def _name(name: str) -> str:
    return wrapped(name, NAME_COLUMNS)


def _title(axes: Any, text: str, columns: int) -> None:
    axes.set_title(wrapped(text, columns), loc="left", fontsize=11, color=INK)


def _usd(nano_usd: Any) -> Any:
    return np.asarray(nano_usd, dtype=np.float64) / NANO_PER_USD_PER_THOUSAND


def _is_wide(numbers: TypeNumbers) -> bool:
    costs = [spot.cost_nano_usd.value for spot in numbers.fixed]
    return min(costs) > 0 and max(costs) / min(costs) > LOG_FROM_RATIO


def _cost_axis(axes: Any, *, logarithmic: bool) -> None:
    scale = " (log scale)" if logarithmic else ""
    axes.set_xlabel(f"USD per 1,000 tasks{scale}")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.4g}"))


def _plain(axes: Any) -> None:
    axes.grid(color=LINE, lw=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
