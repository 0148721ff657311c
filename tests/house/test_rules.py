"""The rules hold, and an exception to a rule has its reason beside it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.house.tree import CLIENT, ROOT, SERVER, TESTS, TOOLS, name_of, python_files

RULE_CODE = re.compile(r'^\s*"[A-Z]+\d*",')
REASONED_CODE = re.compile(r'^\s*"[A-Z]+\d*",\s+# \S+( \S+)+$')
IGNORE_LIST = re.compile(r'^(?:ignore|"[^"]+") = \[$')
WAIVER = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b(?P<codes>[^#]*)(?P<reason>#.*)?$")
FAKED_ATTRIBUTE = {"setattr", "setitem", "delattr"}


def ignore_list_lines() -> list[str]:
    """Return the lines of pyproject.toml that switch a lint rule off."""
    lines: list[str] = []
    inside = False
    for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines():
        if inside and line.startswith("]"):
            inside = False
        elif inside and RULE_CODE.match(line):
            lines.append(line)
        elif IGNORE_LIST.match(line):
            inside = True
    return lines


def test_every_ignored_lint_rule_has_its_reason_beside_it() -> None:
    lines = ignore_list_lines()
    assert lines
    assert not [line for line in lines if not REASONED_CODE.match(line)]


def waivers_without_reason(path: Path) -> list[str]:
    """Return the lines that silence a tool with no word of why: there, or on the line above."""
    lines = path.read_text(encoding="utf-8").splitlines()
    bare = []
    for number, line in enumerate(lines):
        waiver = WAIVER.search(line)
        if not waiver or line.lstrip().startswith("#"):
            continue
        explained = " - " in waiver["codes"] or waiver["reason"]
        above = lines[number - 1].lstrip() if number else ""
        if not explained and not above.startswith("#"):
            bare.append(f"{name_of(path)}:{number + 1} {line.strip()}")
    return bare


def test_every_waiver_in_the_source_has_its_reason_beside_it() -> None:
    files = [path for path in python_files(SERVER, CLIENT, TESTS, TOOLS) if path != Path(__file__)]
    assert not [bare for path in files for bare in waivers_without_reason(path)]


def patches(path: Path) -> list[str]:
    """Return the calls by which a test would replace a piece of the program under it."""
    return [
        f"{name_of(path)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in FAKED_ATTRIBUTE
        and isinstance(node.value, ast.Name)
        and node.value.id in {"monkeypatch", "mocker"}
    ]


def test_no_test_patches_the_program() -> None:
    assert not [place for path in python_files(TESTS) for place in patches(path)]


def test_imports_keep_to_their_layers() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
