"""A real browser opens what measure writes for people: the report and the review page, without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import measuring
from tests.house.tree import ROOT
from tests.interop.languages import BUILT, REQUIRED
from tests.interop.suite_browser import BROWSER
from tests.programs import environment
from tierwise_server.config.resolve import core_model
from tierwise_server.measure import report
from tierwise_server.measure.analysis import analyse
from tierwise_server.measure.certification import Tolerance
from tierwise_server.measure.collect import collect
from tierwise_server.measure.review import read_export, review_page
from tierwise_server.measure.run import RunOptions
from tierwise_server.measure.runfolder import RunFolder
from tierwise_server.measure.session import Session
from tierwise_server.measure.table import propose_rows
from tierwise_server.simulator import Simulator

PROGRAMS = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}
SHOTS = BUILT.parent / "measured"
REVIEWED = 12
LONG = "a_task_type_whose_name_somebody_made_sixty_letters_long_here"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Seen:
    """What the browser saw, and the run whose pages it opened."""

    folder: RunFolder
    report: dict[str, Any]
    review: dict[str, Any]


@pytest.fixture
async def seen(tmp_path: Path) -> Seen:
    """Run a sample on the simulator, write both pages, and open them."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        text = f"the browser's test needs the Debian packages {', '.join(missing)}"
        (pytest.fail if REQUIRED else pytest.skip)(text)
    async with Simulator(measuring.script()) as simulator:
        config = measuring.config_for(simulator)
        judge = core_model(config.resolved.models[measuring.JUDGE].settings)
        async with measuring.engine_for(config) as engine:
            tasks = [
                task.model_copy(update={"task_type": LONG}) if task.task_type == "draft" else task
                for task in measuring.sample(40, checked=False)
            ]
            folder = measuring.a_folder(tmp_path / "run", engine, tasks)
            await Session(folder, engine, RunOptions(concurrency=24), judge).run()
    measurement = collect(folder)
    analysis = analyse(measurement, propose_rows(measurement, Tolerance(0.05, 0.9)))
    page = report.write(analysis, tmp_path / "report")
    review = tmp_path / "review.html"
    review.write_text(review_page(folder, REVIEWED, 0)[0], encoding="utf-8")
    said = browsed(page, review)
    return Seen(folder, said["report"], said["review"])


def browsed(page: Path, review: Path) -> dict[str, Any]:
    """Open both pages and grade all answers; leaves pictures of them and the export in SHOTS."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    install = ("tools/npm_install.sh", "tests/interop/browser")
    subprocess.run(install, cwd=ROOT, check=True, capture_output=True)
    done = subprocess.run(
        ("node", "measured.js", str(shutil.which("chromium")), str(page), str(review), str(SHOTS)),
        cwd=BROWSER,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


async def test_both_pages_stand_alone_and_a_review_is_read_back(seen: Seen) -> None:
    for page in (seen.report, seen.review):
        assert page["errors"] == page["asked"] == []
        assert page["narrowOverhang"] <= 0
    assert seen.report["overhang"] <= 0
    assert seen.report["cut"] == 0
    pictures = seen.report["pictures"]
    assert len(pictures) == 4 + 1 + 2
    for picture in pictures:
        assert picture["alt"]
        assert picture["natural"] > 100
        assert min(picture["width"], picture["height"]) > 100
    _is_blinded(seen)
    _is_read_back(seen)


def _is_blinded(seen: Seen) -> None:
    words = seen.review["words"].lower()
    for tier in seen.folder.settings.tiers:
        assert tier not in words
        assert seen.folder.settings.models[tier] not in words


def _is_read_back(seen: Seen) -> None:
    scores = seen.review["answers"]
    assert seen.review["kept"] == len(scores) > REVIEWED
    assert seen.review["count"] == f"{len(scores)} of {len(scores)}"
    assert seen.review["file"] == "review-Ada-L.json"
    text = (SHOTS / "exported.json").read_text(encoding="utf-8")
    assert read_export(seen.folder, text) == len(scores)
    analysed = collect(seen.folder)
    assert analysed.grades.graders(seen.folder.tasks).count("human") == 1
    labels = json.loads((seen.folder.path / "labels.json").read_text())["labels"]
    assert {label["reviewer"] for label in labels} == {"Ada L."}
    assert {label["note"] for label in labels} == {"9, because", "2, because"}
