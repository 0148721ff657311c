"""Builds and runs the drivers; prints the table language x case and writes build/interop.json."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from functools import cache

import pytest

from tests.interop.driving import Driver
from tests.interop.languages import BUILT, LANGUAGES, REQUIRED, Language
from tests.transcripts import Transcript

RESULTS = pytest.StashKey[dict[tuple[str, str], bool | None]]()
"""By language and case: whether it passed; None for skipped."""

MARKS = {True: "ok", False: "FAILED", None: "-"}


@pytest.fixture(scope="session", params=LANGUAGES, ids=lambda language: language.name)
def language(request: pytest.FixtureRequest) -> Language:
    chosen: Language = request.param
    if chosen.missing and REQUIRED:
        pytest.fail(chosen.missing)
    if chosen.missing:
        pytest.skip(chosen.missing)
    return chosen


@cache
def _made(language: Language) -> str:
    """Build a language's driver once; return what went wrong, so that it fails every one of its cases."""
    try:
        language.make()
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def driver(language: Language) -> Iterator[Driver]:
    fault = _made(language)
    if fault:
        pytest.fail(fault)
    running = Driver(language.run)
    yield running
    running.finish()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    language = item.callspec.params.get("language") if hasattr(item, "callspec") else None
    if isinstance(language, Language):
        row = (language.name, _case_of(item))
        results = item.config.stash[RESULTS]
        if report.failed or row not in results or (call.when == "call" and results[row]):
            results[row] = None if report.skipped else report.passed
    return report


def _case_of(item: pytest.Function) -> str:
    """Return the transcript's name, or the test's in the same style."""
    case = item.callspec.params.get("case")
    return (
        case.name
        if isinstance(case, Transcript)
        else item.originalname.removeprefix("test_").replace("_", "-")
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    results = config.stash[RESULTS]
    if not results:
        return
    languages = [language.name for language in LANGUAGES]
    cases = list(dict.fromkeys(case for _, case in results))
    width = max(map(len, cases))
    terminalreporter.section("language x case")
    terminalreporter.line(" ".join([" " * width, *(f"{name:>10}" for name in languages)]))
    for case in cases:
        cells = [MARKS[results.get((name, case))] for name in languages]
        terminalreporter.line(" ".join([f"{case:<{width}}", *(f"{cell:>10}" for cell in cells)]))
    rows = [
        {"language": language, "case": case, "passed": passed}
        for (language, case), passed in sorted(results.items())
        if passed is not None
    ]
    BUILT.parent.mkdir(exist_ok=True)
    path = BUILT.parent / "interop.json"
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    terminalreporter.line(f"{sum(row['passed'] is True for row in rows)} of {len(rows)} in {path}")
