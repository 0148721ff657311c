"""The seeded bugs are bugs of today's code, and a few are tried each time; `make seeded-bugs` tries all."""

from __future__ import annotations

import pytest

from tests.fault.run_seeded import judge
from tests.fault.seeded import SEEDED_BUGS
from tests.fault.seeded_bug import ROOT, SeededBug

TRIED = ("end_of_stream_taken_for_the_end", "budget_forgets_what_is_committed")


@pytest.mark.parametrize("bug", SEEDED_BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_has_its_place_and_its_test(bug: SeededBug) -> None:
    source = (ROOT / bug.path).read_text(encoding="utf-8")
    compile(bug.put_into(source), bug.file, "exec")
    file, _, test = bug.caught_by.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_bugs_enough_and_each_has_a_name_of_its_own() -> None:
    names = [bug.name for bug in SEEDED_BUGS]
    assert len(set(names)) == len(names) >= 15


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", TRIED)
def test_a_seeded_bug_is_caught(name: str) -> None:
    bug = next(bug for bug in SEEDED_BUGS if bug.name == name)
    assert judge(bug).detail == "caught"


def test_a_change_that_is_no_bug_is_not_caught() -> None:
    first = SEEDED_BUGS[0]
    harmless = SeededBug("harmless", first.file, first.right, first.right, first.caught_by)
    verdict = judge(harmless)
    assert not verdict.caught
    assert "did not catch" in verdict.detail
