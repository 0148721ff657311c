"""How far a run is: a bar with cost so far and time left at a terminal, plain lines where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import measuring
from tests.programs import run, run_at_a_terminal, simulating

COLUMNS = 80
ANSWERS = 3 * 4 * 3
JUDGEMENTS = 3 * 4 * 2 * 2
STEPS = {"answering": ANSWERS, "judging": JUDGEMENTS}
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COST = r"\$(?P<cost>\d+\.\d{6,9})"
LEFT = r" · about (?P<left>\d+:\d\d:\d\d) left"
BAR = re.compile(
    rf"^ *(?P<step>[a-z]+) [━╸╺ ]+ (?P<over>\d+)/(?P<total>\d+) +(?:{COST}(?:{LEFT})?)? *$"
)
LINE = re.compile(
    rf"^tierwise: (?P<step>[a-z]+): (?P<over>\d+) of (?P<total>\d+) · {COST}(?:{LEFT})?$"
)


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    sample = measuring.sample(4, checked=False)
    (tmp_path / "tasks.jsonl").write_text("".join(task.line() + "\n" for task in sample))
    script = tmp_path / "script.json"
    script.write_text(json.dumps(measuring.script(first_token_delay_s=0.1)))
    with simulating("--script", str(script)) as base_url:
        yield {
            "ANTHROPIC_API_KEY": "any",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": base_url,
            "TIERWISE_PROFILE": "claude-4",
        }


def words(folder: Path) -> tuple[str, ...]:
    return ("measure", "run", str(folder / "tasks.jsonl"), "--out", str(folder / "run"))


def shown(pattern: re.Pattern[str], lines: list[str]) -> dict[str, list[re.Match[str]]]:
    """What was shown of each step, in order."""
    found: dict[str, list[re.Match[str]]] = {step: [] for step in STEPS}
    for line in lines:
        match = pattern.match(line)
        if match is not None:
            found[match["step"]].append(match)
    return found


def tells_cost_and_time_left(found: dict[str, list[re.Match[str]]]) -> None:
    costs = []
    for step, matches in found.items():
        assert {int(match["total"]) for match in matches} == {STEPS[step]}
        over = [int(match["over"]) for match in matches]
        assert over == sorted(over)
        assert over[-1] == STEPS[step]
        assert len(set(over)) > 3, "it did not move"
        # Before the first answer there is no pace, and at the end nothing is left.
        for match in matches:
            if match["cost"] is not None:
                assert (match["left"] is not None) is (0 < int(match["over"]) < STEPS[step])
        spent = [float(match["cost"]) for match in matches if match["cost"] is not None]
        assert spent == sorted(spent)
        assert spent[-1] > spent[0]
        costs.append(spent[-1])
    assert costs[1] > costs[0]


def test_at_a_terminal_a_bar_shows_cost_so_far_and_time_left(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    code, sent = run_at_a_terminal(*words(tmp_path), columns=COLUMNS, environ=environ)
    assert code == 0, sent
    assert CONTROLS.search(sent)
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", CONTROLS.sub("", sent))]
    assert max(len(line) for line in lines if BAR.match(line)) <= COLUMNS
    found = shown(BAR, lines)
    tells_cost_and_time_left(found)
    assert not [line for line in lines if LINE.match(line)]
    total = found["judging"][-1]["cost"]
    assert (
        f"{ANSWERS} of {ANSWERS} answers, {JUDGEMENTS} of {JUDGEMENTS} judgements, ${total}"
        in lines
    )


def test_without_a_terminal_plain_lines_tell_the_same(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    done = run(*words(tmp_path), environ=environ)
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, done.stderr):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "━" not in text
    lines = done.stderr.splitlines()
    assert all(line.startswith("tierwise: ") for line in lines)
    found = shown(LINE, lines)
    tells_cost_and_time_left(found)
    assert all(len(matches) <= 11 for matches in found.values())
    # What the command prints stays apart from what it says on the way.
    total = found["judging"][-1]["cost"]
    result, following = done.stdout.splitlines()
    assert (
        result
        == f"{ANSWERS} of {ANSWERS} answers, {JUDGEMENTS} of {JUDGEMENTS} judgements, ${total}"
    )
    assert following.startswith("next: tierwise measure report ")
