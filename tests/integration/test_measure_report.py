"""What the report draws and says of a run: people's own words as they are, and one interval for one number."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests import measuring
from tierwise_server.measure import plots, report
from tierwise_server.measure.analysis import Analysis, analyse
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.collect import collect
from tierwise_server.measure.lettering import wrapped
from tierwise_server.measure.run import RunOptions
from tierwise_server.measure.session import Session
from tierwise_server.measure.table import propose_rows
from tierwise_server.simulator import Simulator

FORMULA = "price $x^{$ y"
LONG = "a_task_type_whose_name_somebody_made_sixty_letters_long_here"
FOREIGN = "日本語の要約と翻訳"
NAMES = {"sort": FORMULA, "draft": LONG, "debug": FOREIGN}


@pytest.fixture
async def analysis(tmp_path: Path) -> Analysis:
    """A run over task types whose names are hard to draw."""
    tasks = [
        task.model_copy(update={"task_type": NAMES[task.task_type]}) for task in measuring.sample(8)
    ]
    async with (
        Simulator(measuring.script()) as simulator,
        measuring.engine_for(measuring.config_for(simulator)) as engine,
    ):
        folder = measuring.a_folder(tmp_path / "run", engine, tasks)
        await Session(folder, engine, RunOptions(concurrency=24), None).run()
    measurement = collect(folder)
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
