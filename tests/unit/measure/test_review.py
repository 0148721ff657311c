"""The review page stands alone and is blind; what it exports is read back, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.measuring import NOW
from tests.unit.core.builders import a_table
from tierwise_server.core.model import CallKind
from tierwise_server.measure.dataset import SampleTask, dataset_hash
from tierwise_server.measure.grading import from_score, read_labels
from tierwise_server.measure.journal import Journal
from tierwise_server.measure.review import UnusableReview, read_export, review_page
from tierwise_server.measure.runfolder import RunFolder, settings_for
from tierwise_server.measure.state import answer_key

NASTY = "</pre><script>alert(1)</script> & \"quotes\" 'too'"
ANSWERS = {"efficient": "one", "frontier": NASTY, "reasoning": "one"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    tasks = [SampleTask(id=f"t{n}", task_type="k", prompt=f"Say {n}.") for n in range(3)]
    settings = settings_for(
        a_table(),
        tasks,
        price_book_version="p",
        dataset="d.jsonl",
        whole_hash=dataset_hash(tasks),
        seed=0,
        now=NOW,
    )
    made = RunFolder.make(tmp_path / "run", settings, tasks)
    with Journal(made.path) as journal:
        for task in tasks:
            for tier, text in ANSWERS.items():
                key = str(answer_key(task.id, tier, CallKind.DIRECT))
                journal.write(
                    {
                        "kind": "answered",
                        "call": key,
                        "text": text,
                        "paid_nano_usd": 0,
                        "usage": None,
                    }
                )
    return made


def export(folder: RunFolder, score: int = 7, **changes: Any) -> str:
    page, _ = review_page(folder, 10, seed=0)
    ids = re.findall(r'data-answer="(\w+)"', page)
    labels = [{"answer": name, "score": score, "note": ""} for name in ids]
    content = {
        "format": "tierwise-review/1",
        "run": folder.settings.sample_hash,
        "reviewer": "Ada",
        "labels": labels,
    }
    return json.dumps(content | changes)


def test_the_page_is_one_file_that_loads_nothing_and_runs_only_its_own_script(
    folder: RunFolder,
) -> None:
    page, count = review_page(folder, 10, seed=0)
    assert count == 3
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "alert(1)" not in script
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_tells_neither_tiers_nor_models(folder: RunFolder) -> None:
    page, _ = review_page(folder, 10, seed=0)
    for name in (*ANSWERS, *folder.settings.models.values()):
        assert name not in page


def test_equal_answers_are_shown_once_and_graded_alike(folder: RunFolder) -> None:
    assert read_export(folder, export(folder, 7)) == 6
    labels = read_labels(folder.path)
    assert len(labels) == 9
    assert set(labels.values()) == {from_score(7)}


def test_reading_twice_changes_nothing_and_a_later_word_replaces(folder: RunFolder) -> None:
    read_export(folder, export(folder, 7))
    read_export(folder, export(folder, 7))
    assert set(read_labels(folder.path).values()) == {from_score(7)}
    read_export(folder, export(folder, 3))
    assert set(read_labels(folder.path).values()) == {from_score(3)}


def test_reviewers_are_averaged(folder: RunFolder) -> None:
    read_export(folder, export(folder, 2))
    read_export(folder, export(folder, 8, reviewer="Bob"))
    assert set(read_labels(folder.path).values()) == {from_score(5)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run": "another"}, "another run"),
        ({"format": "else"}, "no review"),
        ({"labels": [{"answer": "0" * 16, "score": 5}]}, "1 answers that this run does not have"),
        ({"labels": [{"answer": "0" * 16, "score": 11}]}, "no review"),
        ({"labels": [{"answer": "0" * 16, "score": "5"}]}, "no review"),
    ],
)
def test_what_is_no_export_of_this_run_is_refused_and_changes_nothing(
    folder: RunFolder, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnusableReview, match=said):
        read_export(folder, export(folder, **changes))
    assert read_labels(folder.path) == {}


def test_rubbish_is_refused(folder: RunFolder) -> None:
    with pytest.raises(UnusableReview):
        read_export(folder, "rubbish")
