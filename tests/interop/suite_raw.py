"""docs/guides/raw-clients.md works as it is written: grpcurl, and programs without our clients."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import Block, blocks
from tests.house.tree import ROOT
from tests.interop.languages import BUILT, REQUIRED
from tests.programs import environment, running, simulating
from tests.serving import variables

GUIDE: Final = "docs/guides/raw-clients.md"
TOOLS: Final = BUILT / "bin"
ANSWER: Final = re.compile(r"\S.*\n-- (?:Some\()?\d+\)? nano-USD\n", re.DOTALL)

# A first build downloads and compiles.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with simulating() as upstream, running("serve", **variables(upstream)) as server:
        yield server.until("serving on ").rpartition(" ")[2]


def need(program: str, comes_with: str) -> None:
    if shutil.which(program):
        return
    text = f"{program} is missing; it comes with {comes_with}"
    if REQUIRED:
        pytest.fail(text)
    pytest.skip(text)


def ran(*command: str | Path, cwd: Path = ROOT, **extra: str) -> str:
    """Run a program to its good end; return what it wrote."""
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment({"PATH": path, **extra}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(block: Block, folder: Path) -> None:
    """Write a block to the file that its first line names."""
    head, _, code = block.code.partition("\n")
    file = folder / head.lstrip("/# ")
    file.parent.mkdir(exist_ok=True)
    file.write_text(code, encoding="utf-8")


def test_grpcurl_over_reflection(endpoint: str) -> None:
    need("go", "Go 1.26 or newer (Debian: golang-go)")
    install, describe, route, generate = (block.code for block in blocks("shell", GUIDE))
    ran("bash", "-ec", install, GOBIN=str(TOOLS), GOWORK="off")
    described = ran("bash", "-ec", describe, TIERWISE_ENDPOINT=endpoint)
    assert "rpc Generate ( .tierwise.v1.GenerateRequest )" in described
    routed = json.loads(ran("bash", "-ec", route, TIERWISE_ENDPOINT=endpoint))
    assert routed["decision"]["tier"] == "reasoning"
    events = ran("bash", "-ec", generate, TIERWISE_ENDPOINT=endpoint)
    assert events.index('"started"') < events.index('"textDelta"') < events.index('"finished"')


def test_python_from_generated_stubs(endpoint: str) -> None:
    [block] = blocks("python", GUIDE)
    assert ANSWER.fullmatch(ran(sys.executable, "-c", block.code, TIERWISE_ENDPOINT=endpoint))


def test_go_from_generated_stubs(endpoint: str, tmp_path: Path) -> None:
    need("go", "Go 1.26 or newer (Debian: golang-go)")
    [block] = blocks("go", GUIDE)
    (tmp_path / "main.go").write_text(block.code, encoding="utf-8")
    # In the module of the generated code, whose requirements are all that it may have.
    program = ("go", "run", "-C", ROOT / "generated" / "go", tmp_path / "main.go")
    assert ANSWER.fullmatch(ran(*program, TIERWISE_ENDPOINT=endpoint, GOWORK="off"))


def test_rust_from_the_contract(endpoint: str, tmp_path: Path) -> None:
    need("cargo", "Rust 1.85 or newer (Debian: cargo)")
    for block in (*blocks("toml", GUIDE), *blocks("rust", GUIDE)):
        written(block, tmp_path)
    said = ran(
        *("cargo", "run", "--quiet"),
        cwd=tmp_path,
        CARGO_TARGET_DIR=str(BUILT / "rust"),
        TIERWISE_ENDPOINT=endpoint,
        TIERWISE_PROTO=str(ROOT / "proto"),
    )
    assert ANSWER.fullmatch(said)
