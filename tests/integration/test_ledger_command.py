"""`tierwise ledger` beside a running server: every call of every request is there, and the sums agree."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import Program, run, running, simulating
from tests.serving import variables
from tierwise_server.config import shipped

DEMO = str(shipped.data_file("demo.toml"))


@contextmanager
def served(data: Path, journal: Path) -> Iterator[tuple[dict[str, str], Program]]:
    with simulating("--script", DEMO, "--journal", str(journal)) as upstream:
        environ = {**variables(upstream), "TIERWISE_LEDGER__DIRECTORY": str(data)}
        with running("serve", **environ) as server:
            endpoint = server.until("serving on ").rpartition(" ")[2]
            yield {**environ, "TIERWISE_ENDPOINT": endpoint}, server


def test_what_was_spent_is_told_while_the_server_runs(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with served(tmp_path / "data", journal) as (environ, _):
        for words in (("-t", "classify_intent", "Hello"), ("--escalation", "Why does it hang?")):
            assert run("generate", *words, environ=environ).returncode == 0
        spent = run("ledger", "spend", "--by", "tier", "--json", environ=environ)
        rows = json.loads(spent.stdout)
        uses = [name for name in rows[0] if name.startswith(("useful", "check", "superseded"))]
        table = run("ledger", "spend", environ=environ).stdout
        audited = run("ledger", "audit", environ=environ)
        told = run("ledger", "spend", "--by", "task_type", "--csv", environ=environ).stdout
    assert sum(row["requests"] for row in rows) == 2
    assert sum(row["calls"] for row in rows) == len(journal.read_text().splitlines())
    for row in rows:
        assert sum(row[use] for use in uses) == row["cost_nano_usd"] > 0
    assert "baseline only" in table
    assert audited.returncode == 0
    assert {row["task_type"] for row in csv.DictReader(io.StringIO(told))} == {
        "",
        "classify_intent",
    }


def test_a_killed_server_leaves_its_calls_to_the_next(tmp_path: Path) -> None:
    with served(tmp_path / "data", tmp_path / "journal.jsonl") as (environ, server):
        assert run("generate", "Hello", environ=environ).returncode == 0
        server.process.kill()
        server.process.wait()
        with running("serve", **environ) as again:
            again.until("serving on ")
            rows = json.loads(run("ledger", "spend", "--json", environ=environ).stdout)
    assert [(row["requests"], row["open_calls"]) for row in rows] == [(1, 0)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("spend", "--by", "label"), "goes together with"),
        (("spend", "--since", "yesterday"), "is no day such as"),
        (("spend", "--json", "--csv"), "cannot go together"),
        (("spend",), "there is no ledger here yet"),
        (("audit",), "there is no ledger here yet"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_line(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    done = run("ledger", *words, environ={"TIERWISE_LEDGER__DIRECTORY": str(tmp_path)})
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_ledger_that_keeps_nothing_cannot_be_asked(tmp_path: Path) -> None:
    for variable, value in (("URL", "memory:"), ("ENABLED", "false")):
        done = run("ledger", "audit", environ={f"TIERWISE_LEDGER__{variable}": value})
        assert done.returncode == 2
        assert "keeps nothing" in done.stderr


def test_a_request_of_nobody_is_not_found(tmp_path: Path) -> None:
    with served(tmp_path / "data", tmp_path / "journal.jsonl") as (environ, _):
        done = run("ledger", "show", "r-1", environ=environ)
    assert done.returncode == 1
    assert "there is no request with that id" in done.stderr
