"""With what tools/buf_breaking.sh compares the contract, in repositories of its own; echo stands in for buf."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.com")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository whose main branch has two commits of a contract, and a branch one more."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "buf_breaking.sh", tmp_path / "tools")
    (tmp_path / "proto").mkdir()
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for name in ("first", "second"):
        committed(tmp_path, name)
    git(tmp_path, "switch", "--quiet", "--create", "change")
    committed(tmp_path, "third")
    return tmp_path


def git(clone: Path, *words: str) -> str:
    command = ("git", *IDENTITY, *words)
    done = subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(clone: Path, name: str) -> None:
    (clone / "proto" / "a.proto").write_text(f"// {name}\n", encoding="utf-8")
    git(clone, "add", "proto", "tools")
    git(clone, "commit", "--quiet", "--message", name)


def compared_with(clone: Path, *against: str) -> list[str]:
    """Return the commits that buf was told to compare with."""
    done = subprocess.run(
        ("bash", "tools/buf_breaking.sh", "echo", *against),
        cwd=clone,
        check=True,
        capture_output=True,
        text=True,
    )
    head = "breaking --against .git#ref="
    return [line.removeprefix(head) for line in done.stdout.splitlines() if line.startswith(head)]


def test_before_a_release_the_contract_is_compared_with_the_main_branch(clone: Path) -> None:
    assert compared_with(clone) == [git(clone, "rev-parse", "main")]


def test_on_the_main_branch_it_is_compared_with_the_commit_before(clone: Path) -> None:
    git(clone, "switch", "--quiet", "main")
    assert compared_with(clone) == [git(clone, "rev-parse", "main~1")]


def test_the_last_release_counts_too(clone: Path) -> None:
    for tag, commit in (("v0.1.0", "main~1"), ("v0.2.0", "main"), ("client/go/v0.3.0", "change")):
        git(clone, "tag", tag, commit)
    committed(clone, "fourth")
    git(clone, "switch", "--quiet", "main")
    committed(clone, "fifth")
    assert compared_with(clone) == [git(clone, "rev-parse", name) for name in ("v0.2.0", "main~1")]


def test_the_other_side_can_be_chosen(clone: Path) -> None:
    assert compared_with(clone, "main~1") == [git(clone, "rev-parse", "main~1")]
