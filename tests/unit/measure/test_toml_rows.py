"""A proposal changes the rows it is about in a configuration's text, and nothing else."""

from __future__ import annotations

import json
import tomllib

import pytest

from tierwise_server.config.evidence import row_hash
from tierwise_server.config.layers import RowSettings
from tierwise_server.measure.toml_rows import UneditableFile, diff, render_row, replace_rows

EVIDENCE = {
    "sample_size": 40,
    "quality": 0.9,
    "quality_low": 0.8,
    "quality_high": 1e-5 + 0.95,
    "mean_cost_nano_usd": 1000,
    "judge": 'a "judge" \\ with\ttabs',
    "dataset_hash": "d",
    "price_book_version": "p",
    "measured_at": "2026-11-01T00:00:00Z",
    "expires_at": "2027-05-01T00:00:00+02:00",
    "tiers": {
        "efficient": {
            "model": "claude-x",
            "max_output_tokens": 7,
            "thinking": "none",
            "effort": "default",
            "check": "v number",
        },
        "tier with space": {
            "model": "y",
            "max_output_tokens": 7,
            "thinking": "budget",
            "thinking_budget_tokens": 5,
            "effort": "low",
        },
    },
}


def row(*task_types: str, **more: object) -> RowSettings:
    content = {"task_types": list(task_types), "tier": "efficient", **more}
    return RowSettings.model_validate_json(json.dumps(content))


FILE = """\
# Ours.
profile = "claude-4"  # the old models

[[routing.rows]]
task_types = ["a", "b"]   # two kinds
tier = "frontier"

# About c.
[[routing.rows]]
task_types = [
    "c",
]
cascade = ["efficient", "frontier"]
[routing.rows.evidence]
judge = "nobody"

# The end.
[server]
listen = "127.0.0.1:1"
"""


def test_a_written_row_is_read_as_it_was() -> None:
    calibration = {"efficient": {"model": "m", "intercept": -0.1 / 3, "slope": 1e-7, "labels": 3}}
    content = row(
        "a",
        tier=None,
        cascade=["efficient", "frontier"],
        threshold=1 / 3,
        calibration=calibration,
        measured_output_tokens={"efficient": 20},
        evidence=EVIDENCE,
    )
    (read,) = tomllib.loads(render_row(content))["routing"]["rows"]
    again = RowSettings.model_validate(read)
    assert row_hash(again) == row_hash(content)
    assert again.calibration == content.calibration
    assert again.threshold == 1 / 3


def test_rows_of_other_types_and_everything_else_stay_letter_for_letter() -> None:
    new = replace_rows(FILE, [(row("b"), "why"), (row("d"), "")])
    assert 'profile = "claude-4"  # the old models' in new
    assert "# About c.\n[[routing.rows]]\ntask_types = [\n" in new
    assert '# The end.\n[server]\nlisten = "127.0.0.1:1"\n' in new
    rows = tomllib.loads(new)["routing"]["rows"]
    assert [one["task_types"] for one in rows] == [["a"], ["c"], ["b"], ["d"]]
    assert "# why\n[[routing.rows]]" in new


def test_a_replaced_row_leaves_with_its_comment_and_its_tables() -> None:
    new = replace_rows(FILE, [(row("c"), "")])
    assert "About c" not in new
    assert "nobody" not in new
    assert "# The end." in new


def test_a_shared_row_that_loses_a_type_loses_its_evidence() -> None:
    shared = render_row(row("a", "b", evidence=EVIDENCE))
    rows = tomllib.loads(replace_rows(shared, [(row("a"), "")]))["routing"]["rows"]
    assert rows == [
        {"task_types": ["b"], "tier": "efficient"},
        {"task_types": ["a"], "tier": "efficient"},
    ]


def test_proposing_twice_is_proposing_once() -> None:
    rows = [(row("a"), "why"), (row("b"), "why")]
    once = replace_rows(FILE, rows)
    assert replace_rows(once, rows) == once


def test_an_empty_file_gets_the_rows_alone() -> None:
    assert replace_rows("", [(row("a"), "")]) == render_row(row("a"))


@pytest.mark.parametrize(
    "text",
    [
        'routing = { rows = [{ task_types = ["a"], tier = "frontier" }] }\n',
        '[routing]\nrows = [{ task_types = ["a"], tier = "frontier" }]\n',
        'x = """\n[[routing.rows]]\n"""\n',
    ],
)
def test_a_file_that_cannot_be_edited_is_left_alone(text: str) -> None:
    with pytest.raises((UneditableFile, tomllib.TOMLDecodeError)):
        replace_rows(text, [(row("a"), "")])


def test_the_change_is_shown_as_a_diff() -> None:
    shown = diff("a = 1\n", "a = 2", "old", "new")
    assert shown == "--- old\n+++ new\n@@ -1 +1 @@\n-a = 1\n+a = 2\n"
