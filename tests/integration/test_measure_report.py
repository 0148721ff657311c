"""What the report draws and says of a run: people's own words as they are, and one interval for one number."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import measuring
from tests.programs import run
from tierwise_server.config.resolve import core_model
from tierwise_server.measure import plots, report
from tierwise_server.measure.analysis import Analysis, analyse
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.collect import Measurement, collect
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.lettering import wrapped
from tierwise_server.measure.run import RunOptions
from tierwise_server.measure.session import Session
from tierwise_server.measure.table import propose_rows
from tierwise_server.measure.winning import wins
from tierwise_server.simulator import Simulator

FORMULA = "price $x^{$ y"
LONG = "a_task_type_whose_name_somebody_made_sixty_letters_long_here"
FOREIGN = "日本語の要約と翻訳"
NAMES = {"sort": FORMULA, "draft": LONG, "debug": FOREIGN}


async def measured(path: Path, tasks: Sequence[SampleTask], *, judged: bool = False) -> Measurement:
    """A run over these tasks."""
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator)
        judge = core_model(config.resolved.models[measuring.JUDGE].settings) if judged else None
        async with measuring.engine_for(config) as engine:
            folder = measuring.a_folder(path, engine, tasks)
            await Session(folder, engine, RunOptions(concurrency=24), judge).run()
    return collect(folder)


@pytest.fixture
async def analysis(tmp_path: Path) -> Analysis:
    """A run over task types whose names are hard to draw."""
    tasks = [
        task.model_copy(update={"task_type": NAMES[task.task_type]}) for task in measuring.sample(8)
    ]
    measurement = await measured(tmp_path / "run", tasks)
    return analyse(measurement, propose_rows(measurement, Tolerance(0.05, 0.9)))


def words_of(svg: Path) -> str:
    """A picture's text, without white space, as names may be broken into lines."""
    return "".join("".join(ET.fromstring(svg.read_text("utf-8")).itertext()).split())  # noqa: S314 - our own


async def test_any_name_is_drawn_as_it_is(analysis: Analysis, tmp_path: Path) -> None:
    page = report.write(analysis, tmp_path / "report").read_text(encoding="utf-8")
    drawn = words_of(tmp_path / "report" / "enough.svg")
    for name in NAMES.values():
        assert f"<h2>{name}</h2>" in page
        assert "".join(name.split()) in drawn
    titles = "".join(words_of(path) for path in sorted((tmp_path / "report").glob("quality-*.svg")))
    assert all("".join(name.split()) in titles for name in NAMES.values())


async def test_one_number_has_one_interval(analysis: Analysis) -> None:
    """A tier's figures in the table are those of the picture, and of a table that is this tier alone."""
    for numbers in (*analysis.types, analysis.overall):
        assert numbers is not None
        for tier, spot in zip(numbers.tiers, numbers.fixed, strict=True):
            assert (tier.quality, tier.cost_nano_usd) == (spot.quality, spot.cost_nano_usd)
    assert analysis.overall is not None
    proposed, strongest = analysis.overall.proposed, analysis.overall.tiers[-1]
    assert proposed.cost_share == 1.0
    assert proposed.quality == strongest.quality
    assert proposed.cost_nano_usd == strongest.cost_nano_usd


async def test_a_run_that_nobody_graded_has_a_report_of_costs_and_times(tmp_path: Path) -> None:
    await measured(tmp_path / "run", measuring.sample(4, checked=False))
    done = run("measure", "report", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "no table is proposed: nothing was graded" in done.stdout
    folder = tmp_path / "run" / "report"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "There is nothing to compare yet" in page
    assert "Answered, not graded" in page
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["overall"] is None
    assert len(content["ungraded"]) == len(measuring.TYPES) * 3
    for one in content["ungraded"]:
        assert one["n"] == one["cost_nano_usd"]["n"] == 4
        assert one["cost_nano_usd"]["value"] > 0
        assert one["p50_s"]["value"] >= 0
        assert (one["check_cost_nano_usd"]["value"] == 0) is (one["tier"] == "reasoning")
    with (folder / "report.csv").open(encoding="utf-8", newline="") as file:
        measures = {line["measure"] for line in csv.DictReader(file)}
    assert {"cost", "check_cost", "latency_p50", "latency_p95"} == measures


async def test_a_task_type_without_grades_stands_beside_those_with_them(tmp_path: Path) -> None:
    tasks = [
        task.model_copy(update={"checks": ()}) if task.task_type == "sort" else task
        for task in measuring.sample(4)
    ]
    measurement = await measured(tmp_path / "run", tasks)
    found = analyse(measurement, propose_rows(measurement, Tolerance(0.05, 0.9)))
    assert [numbers.name for numbers in found.types] == ["debug", "draft"]
    assert {(one.task_type, one.n) for one in found.ungraded} == {("sort", 4)}
    page = report.write(found, tmp_path / "report").read_text(encoding="utf-8")
    assert "Answered, not graded" in page
    assert "There is nothing to compare yet" not in page


async def test_the_judges_verdicts_say_who_wins(tmp_path: Path) -> None:
    """The judge prefers a right answer to a wrong one; two right ones, or two wrong ones, are a tie."""
    measurement = await measured(tmp_path / "run", measuring.sample(6, checked=False), judged=True)
    found = {one.tier: one for one in wins(measurement)}
    assert list(found) == ["efficient", "frontier"]
    for one, letter in (("efficient", "e"), ("frontier", "f")):
        right = sum(f" {letter}1 " in (task.prompt or "") for task in measurement.folder.tasks)
        of = found[one]
        # The strongest tier is always right.
        assert (of.won, of.tied, of.lost, of.alike) == (0, right, 18 - right, 0)
        assert of.rate.value == pytest.approx(right / 2 / 18)
        assert of.rate.n == 18
        assert 0 <= of.rate.low < of.rate.value < of.rate.high <= 1
    assert wins(await measured(tmp_path / "checked", measuring.sample(2))) == ()


async def test_tables_recover_their_share_of_the_gap(analysis: Analysis) -> None:
    """The proposed table is the strongest tier everywhere, of so few tasks."""
    assert analysis.overall is not None
    proposed, current = analysis.overall.proposed_pgr, analysis.overall.current_pgr
    assert proposed is not None
    assert current is not None
    assert (proposed.value, proposed.n) == (1.0, 24)
    weak, *_, strong = (tier.quality.value for tier in analysis.overall.tiers)
    assert analysis.overall.current is not None
    reached = analysis.overall.current.quality.value
    assert current.value == pytest.approx((reached - weak) / (strong - weak))
    assert current.low < current.value < current.high
    lines = [line for line in report.as_csv(analysis).splitlines() if ",pgr," in line]
    assert any(line.startswith("all task types,current,pgr,") for line in lines)
    assert "(PGR, n=24)" in report.as_html(
        analysis, {name: b"" for name, _ in report.figures(analysis)}
    )


async def test_a_long_name_leaves_the_bars_their_room(analysis: Analysis) -> None:
    assert analysis.overall is not None
    figure = plots.enough((*analysis.types, analysis.overall))
    plots.render(figure, "png")
    (axes,) = figure.axes
    assert axes.get_position().width > 0.5
    reach = axes.xaxis.label.get_window_extent()
    assert 0 <= reach.x0 < reach.x1 <= figure.bbox.width


def test_names_are_broken_between_words_and_cut_where_they_do_not_end() -> None:
    assert wrapped("short", 24) == "short"
    assert wrapped("two words", 6) == "two\nwords"
    assert wrapped("answer_frequent_questions", 12) == "answer_\nfrequent_\nquestions"
    assert wrapped("abcdefgh", 3) == "abc\ndef\ngh"
    assert wrapped("abcdefghijkl", 3) == "abc\ndef\ngh…"
    assert wrapped("要約要約", 4) == "要約\n要約"
    assert wrapped("é" * 4, 4) == "é" * 4
