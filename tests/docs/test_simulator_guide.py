"""The guide to the simulator says what the code does, and its examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import fields
from typing import get_args

import pytest

from tests.house.tree import ROOT
from tierwise_server.simulator import Entry, Script
from tierwise_server.simulator.models import MODELS
from tierwise_server.simulator.script import Defaults, ModelEntry, Rule, UsageOverride
from tierwise_server.simulator.switches import Instead, OnBytes, OnEvents, SlowFirstToken

GUIDE = (ROOT / "docs" / "guides" / "simulator.md").read_text(encoding="utf-8")
SWITCHES = [
    *get_args(Instead),
    *get_args(OnEvents),
    *get_args(OnBytes),
    SlowFirstToken,
]


def blocks(language: str) -> list[str]:
    """The guide's code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def rows(head: str) -> list[list[str]]:
    """The rows of every table whose first column has that head, cell by cell."""
    found = []
    inside = False
    for line in GUIDE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == head:
            inside = True
        elif inside and not set(cells[0]) <= {"-"}:
            found.append(cells)
    return found


def codes(cells: Iterable[str]) -> list[str]:
    """The words in back quotes."""
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


def first_column(head: str) -> list[str]:
    return codes(row[0] for row in rows(head))


def test_every_fault_is_there_with_its_fields() -> None:
    told = {codes(row[:1])[0]: set(codes(row[1:2])) for row in rows("kind")}
    expected = {
        get_args(switch.model_fields["kind"].annotation)[0]: set(switch.model_fields) - {"kind"}
        for switch in SWITCHES
    }
    assert told == expected


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("field of a rule", set(Rule.model_fields)),
        ("field of a model", set(ModelEntry.model_fields)),
    ],
)
def test_every_field_has_its_row(head: str, names: set[str]) -> None:
    told = first_column(head)
    assert len(told) == len(set(told))
    assert set(told) == names


def test_the_remaining_names_are_there() -> None:
    top = [code for row in rows("field") for code in codes(row[:1])]
    assert set(Script.model_fields) <= set(top)
    assert {field.name for field in fields(Entry)} <= set(top)
    names = [*Defaults.model_fields, *UsageOverride.model_fields, *(m.id for m in MODELS)]
    assert not [name for name in names if f"`{name}`" not in GUIDE]


def test_the_scripts_are_scripts() -> None:
    assert blocks("toml")
    for block in blocks("toml"):
        Script.from_toml(block)


def test_the_python_examples_run() -> None:
    assert blocks("python")
    for block in blocks("python"):
        subprocess.run([sys.executable, "-c", block], cwd=ROOT, check=True, timeout=60)
