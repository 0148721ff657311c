"""The languages that have a client: what builds each one's driver, and what runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.house.tree import ROOT

BUILT: Final = ROOT / "build" / "interop"
DRIVERS: Final = ROOT / "tests" / "interop" / "drivers"


@dataclass(frozen=True, slots=True)
class Language:
    """One row.

    Attributes:
        name: as in the client's folder and its user agent.
        run: the command that runs the driver; its first word is a program on PATH or a path.
        build: the commands that make it, one after the other, in the repository's root.
        needs: the program that must be on PATH.
        comes_with: where that program comes from.
    """

    name: str
    run: tuple[str | Path, ...]
    build: tuple[tuple[str | Path, ...], ...] = ()
    needs: str = sys.executable
    comes_with: str = ""

    @property
    def missing(self) -> str:
        """What to say when the toolchain is missing; empty when it is there."""
        if shutil.which(self.needs):
            return ""
        return f"{self.name}: {self.needs} is missing; it comes with {self.comes_with}"

    def make(self) -> None:
        """Build the driver.

        Raises:
            RuntimeError: it cannot be built; says what the build said.
        """
        BUILT.mkdir(parents=True, exist_ok=True)
        for command in self.build:
            done = subprocess.run(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{self.name}: {command} said\n{done.stdout}{done.stderr}")


LANGUAGES: Final = (
    Language("python", run=(sys.executable, DRIVERS / "python" / "driver.py")),
    Language(
        "go",
        run=(BUILT / "go",),
        build=(("go", "build", "-C", DRIVERS / "go", "-buildvcs=false", "-o", BUILT / "go", "."),),
        needs="go",
        comes_with="Go 1.26 or newer (Debian: golang-go)",
    ),
    Language(
        "typescript",
        run=("node", DRIVERS / "typescript" / "driver.js"),
        build=(
            ("tools/npm_install.sh", "client/typescript"),
            ("npm", "--prefix", "client/typescript", "run", "build"),
            ("tools/npm_install.sh", "tests/interop/drivers/typescript"),
        ),
        needs="npm",
        comes_with="Node.js 20 or newer (Debian: nodejs, npm)",
    ),
    Language(
        "java",
        # One JVM plays all cases; it lives too short to be optimised.
        run=(
            "java",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-cp",
            DRIVERS / "java" / "target" / "lib" / "*",
            "dev.tierwise.interop.Driver",
        ),
        build=(("mvn", "-q", "-B", "-Dmaven.test.skip", "package"),),
        needs="mvn",
        comes_with="Maven 3.8 or newer and Java 17 (Debian: maven, openjdk-17-jdk-headless)",
    ),
)

REQUIRED: Final = os.environ.get("CI") == "true"
"""Whether a missing toolchain is a failure."""
