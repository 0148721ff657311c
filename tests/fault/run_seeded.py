"""Put every seeded bug into a copy of the server, one at a time, and see that its test catches it.

Run by `make seeded-bugs`; words after it name the bugs. Writes `build/seeded-bugs.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.fault.seeded import SEEDED_BUGS
from tests.fault.seeded_bug import ROOT, SERVER, SeededBug

LONGEST_S: Final = 120
"""A bug may make its test hang; that counts as caught by the test's own timeout, which is shorter."""

ONE_TEST_FAILED: Final = 1
"""What pytest's exit code says; any other but 0 means that the test did not run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one bug. `caught`: its test passed without it and failed with it."""

    bug: str
    test: str
    caught: bool
    detail: str


@contextmanager
def copied_server() -> Iterator[Path]:
    """Copy the server's package to a folder of its own, gone when the context ends."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / SERVER
        shutil.copytree(ROOT / SERVER, copy, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)


def run_test(test: str, copy: Path) -> int:
    """Run a test on the copy of the server; answer pytest's exit code."""
    paths = [str(copy / SERVER.parent), os.environ.get("PYTHONPATH", "")]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LONGEST_S,
        check=False,
    )
    return done.returncode


def judge(bug: SeededBug) -> Verdict:
    """Run a bug's test without it and with it."""
    with copied_server() as copy:
        without = run_test(bug.caught_by, copy)
        target = copy / bug.path
        target.write_text(bug.put_into(target.read_text(encoding="utf-8")), encoding="utf-8")
        with_it = run_test(bug.caught_by, copy)
    if without != 0:
        detail = f"the test fails without the bug (pytest: {without})"
    elif with_it == ONE_TEST_FAILED:
        detail = "caught"
    else:
        detail = f"the test did not catch it (pytest: {with_it})"
    return Verdict(bug.name, bug.caught_by, detail == "caught", detail)


def main(names: Sequence[str]) -> int:
    """Judge the named bugs, or all; print a line each. Answers 1 when one was not caught."""
    unknown = set(names) - {bug.name for bug in SEEDED_BUGS}
    if unknown:
        print(f"no such bug: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    verdicts = []
    began_s = time.monotonic()
    for bug in SEEDED_BUGS:
        if not names or bug.name in names:
            verdicts.append(judge(bug))
            print(f"{verdicts[-1].detail:>8}  {bug.name}  <- {bug.caught_by}", flush=True)
    (ROOT / "build").mkdir(exist_ok=True)
    rows = json.dumps([asdict(verdict) for verdict in verdicts], indent=1)
    (ROOT / "build" / "seeded-bugs.json").write_text(rows + "\n", encoding="utf-8")
    caught = sum(verdict.caught for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} seeded bugs caught in {time.monotonic() - began_s:.0f} s")
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
