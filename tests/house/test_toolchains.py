"""A missing toolchain is skipped with a message that says where it comes from; in CI it is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.interop.languages import Language

SCRIPTS = [
    f"{verb}_{name}.sh" for verb in ("generate", "check") for name in ("go", "java", "typescript")
]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH that has a shell and little more."""
    for program in ("bash", "dirname", "env"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    return tmp_path


def ran(script: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        (ROOT / "tools" / script,),
        env={**kept, "PATH": str(path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_missing_toolchain_is_skipped_with_a_message(script: str, bare: Path) -> None:
    done = ran(script, bare)
    assert done.returncode == 0
    assert "skipped, because" in done.stdout
    assert "it comes with" in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_missing_toolchain_fails_in_ci(script: str, bare: Path) -> None:
    done = ran(script, bare, CI="true")
    assert done.returncode == 1
    assert "CI needs it; it comes with" in done.stderr


def test_a_driver_says_which_toolchain_it_misses() -> None:
    language = Language("cobol", run=("x",), needs="no-such-compiler", comes_with="a museum")
    assert language.missing == "cobol: no-such-compiler is missing; it comes with a museum"
