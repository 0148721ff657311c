"""`tierwise measure` at the terminal: what it prints, how it fails, and what the other commands need not load."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import measuring
from tests.programs import environment, run, simulating

COMPUTING = ("jinja2", "jsonschema", "matplotlib", "numpy", "scipy")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.jsonl"
    lines = [task.line() for task in measuring.sample(3)]
    path.write_text("\n".join([*lines, '{"id": "broken"}']) + "\n")
    return path


@pytest.mark.parametrize("words", [("serve", "--help"), ("measure", "run", "--help"), ("check",)])
def test_no_other_command_loads_what_computes_and_draws(words: tuple[str, ...]) -> None:
    code = f"""
import sys
from tierwise_server.__main__ import main
sys.argv = ["tierwise", *{words!r}]
try:
    main()
except SystemExit:
    pass
print([name for name in {COMPUTING!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_client_and_the_server_load_without_what_computes() -> None:
    code = (
        "import sys, tierwise_client, tierwise_server.app;"
        f"print([name for name in {COMPUTING!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_and_its_table_at_the_terminal(tmp_path: Path, tasks: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(measuring.script()))
    folder = tmp_path / "run"
    with simulating("--script", str(script)) as url:
        environ = {
            "ANTHROPIC_API_KEY": "any",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": url,
            "TIERWISE_PROFILE": "claude-4",
        }
        done = run("measure", "run", str(tasks), "--out", str(folder), environ=environ)
        assert done.returncode == 0, done.stderr
        assert "line 10: task_type: Field required; the line is left out" in done.stderr
        assert "27 of 27 answers" in done.stdout
        table = run("measure", "table", str(folder), environ=environ)
        assert table.returncode == 0, table.stderr
        assert "cannot certify 2 pp with n=3, about" in table.stdout
        assert "+[[routing.rows]]" in table.stdout
        priced = run("measure", "table", str(folder), "--price", "10", environ=environ)
        assert priced.returncode == 0, priced.stderr
        assert "the most quality less 0.1 x cost" in priced.stdout
        _reports_what_the_table_proposes(folder, environ)


def _reports_what_the_table_proposes(folder: Path, environ: dict[str, str]) -> None:
    """The report takes the table's options, and shows the rows that the table then proposes."""
    for options in (("--tolerance", "5"), ("--fallback", "current"), ("--price", "10")):
        report = run("measure", "report", str(folder), *options, environ=environ)
        table = run("measure", "table", str(folder), *options, environ=environ)
        assert report.returncode == table.returncode == 0, report.stderr + table.stderr
        said = report.stdout.splitlines()[:-1]
        assert said
        assert table.stderr.splitlines() == said
        page = (folder / "report" / "report.html").read_text(encoding="utf-8")
        assert all(html.escape(line.partition(": ")[2], quote=False) in page for line in said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nowhere.jsonl"), "nowhere.jsonl"),
        (("report", "nowhere"), "nowhere is no run"),
        (("run", "nowhere.jsonl", "--max-cost", "much"), "is no amount in USD"),
        (("table", "nowhere", "--guard", "95"), "needs --price"),
        (("report", "nowhere", "--guard", "95"), "needs --price"),
        (("report", "nowhere", "--price", "10", "--fallback", "current"), "not with --price"),
        (("table", "nowhere", "--price", "10", "--fallback", "current"), "not with --price"),
    ],
)
def test_a_failure_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run("measure", *words, ANTHROPIC_API_KEY="any")
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
