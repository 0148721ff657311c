"""docs/guides/measure.md works as it is written: its tasks are read, and its commands run in their order."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from tests.docs.pages import blocks
from tests.house.tree import ROOT
from tests.programs import simulating
from tierwise_server.cli import command
from tierwise_server.measure.dataset import SampleTask, parse_lines
from tierwise_server.measure.journal import FILE
from tierwise_server.measure.runfolder import LABELS_FILE, SETTINGS_FILE, TASKS_FILE

if TYPE_CHECKING:
    import pytest

NAME = "docs/guides/measure.md"
GUIDE = (ROOT / NAME).read_text(encoding="utf-8")


def test_the_tasks_on_the_page_are_read() -> None:
    (block,) = blocks("jsonl", NAME)
    found = parse_lines([line.encode() for line in block.code.splitlines()])
    assert found.faults == ()
    assert len(found.tasks) == 4


def test_every_key_of_a_task_and_every_file_is_on_the_page() -> None:
    for key in SampleTask.model_fields:
        assert f"`{key}`" in GUIDE
    for name in (FILE, LABELS_FILE, SETTINGS_FILE, TASKS_FILE):
        assert f"| `{name}` |" in GUIDE


def test_the_commands_of_the_page_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("jsonl", NAME)
    (tmp_path / "tasks.jsonl").write_text(block.code)
    with simulating() as url:
        environ = {
            "ANTHROPIC_API_KEY": "none-needed",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": url,
        }
        for line in _commands():
            # In this process: what computes is loaded once, not once per command.
            done = CliRunner().invoke(command, line, env=environ)
            assert done.exit_code == 0, (line, done.output)
    assert (tmp_path / "my-run" / "report" / "report.html").is_file()
    assert (tmp_path / "my-run" / "review.html").is_file()
    assert "[[routing.rows]]" in (tmp_path / "proposed.toml").read_text()


def _commands() -> list[list[str]]:
    lines = [line for block in blocks("sh", NAME) for line in block.code.splitlines()]
    words = [shlex.split(line) for line in lines]
    return [line[1:] for line in words if line[0] == "tierwise"]
