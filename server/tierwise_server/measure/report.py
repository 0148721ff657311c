"""Writes the report: one self-contained page, the pictures as PNG and SVG, and every number as JSON and CSV."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tierwise_server import __version__
from tierwise_server.measure import plots
from tierwise_server.measure.analysis import ALL, Analysis, TierNumbers, TypeNumbers
from tierwise_server.measure.judge_quality import Agreement, JudgeQuality
from tierwise_server.measure.policy import Measured
from tierwise_server.measure.signals import SignalQuality
from tierwise_server.measure.statistics import Interval
from tierwise_server.measure.table import graded_by
from tierwise_server.measure.ungraded import Answered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NANO_PER_USD: Final = 1_000_000_000
_CSV_HEADER: Final = ("task_type", "subject", "measure", "value", "low", "high", "n", "unit")


def environment() -> Environment:
    """The templates, with everything from outside escaped."""
    found = Environment(
        loader=PackageLoader("tierwise_server.measure"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"usd": usd, "num": num, "pct": pct, "sec": seconds, "thousand": thousand}
    return found


def write(analysis: Analysis, folder: Path) -> Path:
    """Write the report into a folder; returns its page.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {}
    for name, figure in figures(analysis):
        drawings[name] = plots.render(figure, "svg")
        (folder / f"{name}.svg").write_bytes(drawings[name])
        (folder / f"{name}.png").write_bytes(plots.render(figure, "png"))
    (folder / "report.json").write_text(as_json(analysis), encoding="utf-8")
    (folder / "report.csv").write_text(as_csv(analysis), encoding="utf-8")
    page = folder / "report.html"
    page.write_text(as_html(analysis, drawings), encoding="utf-8")
    return page


def figures(analysis: Analysis) -> Iterator[tuple[str, Figure]]:
    """Every picture with the name of its file."""
    if analysis.overall is None:
        return
    used: set[str] = set()
    for numbers in (analysis.overall, *analysis.types):
        yield _file_name("quality-cost", numbers.name, used), plots.quality_cost(numbers)
    yield "enough", plots.enough((*analysis.types, analysis.overall))
    for signal in analysis.signals:
        yield _file_name("reliability", signal.tier, used), plots.reliability(signal)


def as_html(analysis: Analysis, drawings: Mapping[str, bytes]) -> str:
    """The page, with SVG drawings by name; it needs no other file and no network."""
    images = {name: _data_url(drawing) for name, drawing in drawings.items()}
    used: set[str] = set()
    overall = () if analysis.overall is None else (analysis.overall,)
    names = {
        numbers.name: _file_name("quality-cost", numbers.name, used)
        for numbers in (*overall, *analysis.types)
    }
    signals = {
        signal.tier: _file_name("reliability", signal.tier, used) for signal in analysis.signals
    }
    return (
        environment()
        .get_template("report.html")
        .render(
            a=analysis,
            settings=analysis.measurement.settings,
            graded_by=graded_by(analysis.measurement, analysis.measurement.folder.tasks),
            images=images,
            names=names,
            signals=signals,
            version=__version__,
        )
    )


def as_json(analysis: Analysis) -> str:
    """Every number, with its interval and n; null stands for what is not defined."""
    settings = analysis.measurement.settings
    content = {
        "format": "tierwise-report/1",
        "run": {
            "dataset": settings.dataset,
            "dataset_hash": settings.dataset_hash,
            "sample_hash": settings.sample_hash,
            "seed": settings.seed,
            "models": dict(settings.models),
            "table_version": settings.table_version,
            "price_book_version": settings.price_book_version,
            "measured_at": settings.made_at.isoformat(),
            "batched": settings.batched,
            "graded_by": graded_by(analysis.measurement, analysis.measurement.folder.tasks),
            "cautions": list(settings.cautions),
            "left_out_types": list(analysis.measurement.empty),
        },
        "money_nano_usd": dataclasses.asdict(analysis.money),
        "overall": None if analysis.overall is None else _plain(analysis.overall),
        "task_types": [_plain(numbers) for numbers in analysis.types],
        "signals": [_plain(signal) for signal in analysis.signals],
        "judge": None if analysis.judge is None else _plain(analysis.judge),
        "wins": [_plain(one) for one in analysis.wins],
        "ungraded": [_plain(one) for one in analysis.ungraded],
        "checks_beside_people": None if analysis.checks is None else _plain(analysis.checks),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(analysis: Analysis) -> str:
    """Every number with an interval, one a line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_CSV_HEADER)
    overall = () if analysis.overall is None else (analysis.overall,)
    blocks = [(numbers.name, _lines(numbers)) for numbers in (*overall, *analysis.types)]
    blocks += [(ALL, _signal_lines(signal)) for signal in analysis.signals]
    blocks += [] if analysis.judge is None else [(ALL, _judge_lines(analysis.judge))]
    blocks += [] if analysis.checks is None else [(ALL, _people_lines("checks", analysis.checks))]
    blocks += [(ALL, _known(one.tier, {"win_rate": one.rate})) for one in analysis.wins]
    blocks += [(one.task_type, _answered_lines(one)) for one in analysis.ungraded]
    for name, lines in blocks:
        for subject, measure, interval, unit in lines:
            bounds = (interval.value, interval.low, interval.high)
            shown = [f"{x:.9g}" if math.isfinite(x) else "" for x in bounds]
            writer.writerow((_cell(name), _cell(subject), measure, *shown, interval.n, unit))
    return buffer.getvalue()


def _lines(numbers: TypeNumbers) -> Iterator[tuple[str, str, Interval, str]]:
    for tier in numbers.tiers:
        yield tier.tier, "quality", tier.quality, "share"
        yield tier.tier, "enough", tier.enough, "share"
        yield from _answered_lines(tier)
    for name, measured in (("current", numbers.current), ("proposed", numbers.proposed)):
        if measured is not None:
            yield from _measured_lines(name, measured)
    yield from _known("current", {"pgr": numbers.current_pgr})
    yield from _known("proposed", {"pgr": numbers.proposed_pgr})
    yield "oracle", "quality", numbers.oracle.quality, "share"
    yield "oracle", "cost", numbers.oracle.cost_nano_usd, "nano-USD per task"
    ranking = numbers.ranking
    measures = {"apgr": ranking.apgr, "aiq": ranking.aiq, "ibc_lift": ranking.lift}
    measures |= {f"cpt_{target.rstrip('%')}": share for target, share in ranking.cpt.items()}
    yield from _known(ranking.weak, measures)


def _answered_lines(tier: TierNumbers | Answered) -> Iterator[tuple[str, str, Interval, str]]:
    yield tier.tier, "cost", tier.cost_nano_usd, "nano-USD per task"
    yield tier.tier, "check_cost", tier.check_cost_nano_usd, "nano-USD per task"
    for name, interval in (("latency_p50", tier.p50_s), ("latency_p95", tier.p95_s)):
        if interval is not None:
            yield tier.tier, name, interval, "s"


def _signal_lines(signal: SignalQuality) -> Iterator[tuple[str, str, Interval, str]]:
    measures = {"ece": signal.ece, "ece_calibrated": signal.ece_calibrated}
    yield from _known(signal.tier, {"unreadable": signal.unread, "auroc": signal.auroc, **measures})


def _judge_lines(judge: JudgeQuality) -> Iterator[tuple[str, str, Interval, str]]:
    measures = {
        "unreadable": judge.unreadable,
        "same_in_both_orders": judge.steady,
        "first_wins": judge.first_wins,
        "repeat_gap": judge.repeat_gap,
    }
    yield from _known("judge", measures)
    if judge.people is not None:
        yield from _people_lines("judge", judge.people)


def _people_lines(grader: str, agreement: Agreement) -> Iterator[tuple[str, str, Interval, str]]:
    measures = {
        "within_a_point": agreement.within_a_point,
        "bias": agreement.bias,
        "kappa": agreement.kappa,
    }
    yield from _known(grader, measures)


def _known(
    subject: str, measures: Mapping[str, Interval | None]
) -> Iterator[tuple[str, str, Interval, str]]:
    for name, interval in measures.items():
        if interval is not None:
            yield subject, name, interval, ""


def _measured_lines(name: str, measured: Measured) -> Iterator[tuple[str, str, Interval, str]]:
    yield name, "quality", measured.quality, "share"
    yield name, "cost", measured.cost_nano_usd, "nano-USD per task"
    yield name, "loss", measured.loss, "share"
    yield name, "escalation", measured.escalation, "share"


def _cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _plain(value: Any) -> Any:
    """Dataclasses as objects, without the sample behind a row; what is not finite as null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case TypeNumbers():
            row = value.row
            fields = {
                field.name: _plain(getattr(value, field.name))
                for field in dataclasses.fields(value)
                if field.name != "row"
            }
            why = None if row is None else row.proposal.why
            sealed = None if row is None else row.row.model_dump(mode="json", exclude_none=True)
            needed = None if row is None else row.proposal.more_needed
            return fields | {"why": why, "row": sealed, "more_tasks_needed": needed}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case Mapping():
            return {key: _plain(one) for key, one in value.items()}
        case tuple() | list():
            return [_plain(one) for one in value]
        case _:
            return value


def _data_url(drawing: bytes) -> str:
    encoded = base64.b64encode(drawing).decode("ascii")
    return f"data:image/svg+xml;base64,{encoded}"


def _file_name(kind: str, name: str, used: set[str]) -> str:
    """A name that any file system takes, and that no other picture has."""
    bare = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "type"
    found, number = f"{kind}-{bare}", 2
    while found.lower() in used:
        found, number = f"{kind}-{bare}-{number}", number + 1
    used.add(found.lower())
    return found


def num(interval: Interval | None, digits: int = 3) -> Markup:
    """A number with its interval."""
    return _interval(interval, 1.0, digits)


def pct(interval: Interval | None, digits: int = 0) -> Markup:
    """A share in percent, with its interval."""
    return _interval(interval, 100.0, digits)


def thousand(interval: Interval | None) -> Markup:
    """A cost in USD per thousand tasks, with its interval."""
    scale = 1000 / NANO_PER_USD
    digits = 2
    if interval is not None and 0 < interval.value * scale < 1:
        digits = min(6, 1 - math.floor(math.log10(interval.value * scale)))
    return _interval(interval, scale, digits)


def seconds(interval: Interval | None) -> Markup:
    """A time in seconds, with its interval."""
    return _interval(interval, 1.0, 2)


def usd(nano_usd: int) -> str:
    """An amount in USD."""
    return f"${nano_usd / NANO_PER_USD:,.4f}"


def _interval(interval: Interval | None, scale: float, digits: int) -> Markup:
    if interval is None:
        return Markup("-")

    def shown(value: float) -> str:
        return f"{value * scale:,.{digits}f}" if math.isfinite(value) else "?"

    bounds = f"{shown(interval.low)} to {shown(interval.high)}"
    return Markup("{} <small>{}</small>").format(shown(interval.value), bounds)
