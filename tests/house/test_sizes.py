"""Files and functions stay small enough to be read whole."""

from __future__ import annotations

import statistics

from tests.house.tree import CLIENT, SERVER, TESTS, TOOLS, functions, name_of, python_files

FILE_LINES = 400
FUNCTION_LINES = 50
MEDIAN_FUNCTION_LINES = 12


def test_files_are_short() -> None:
    long = {
        name_of(path): lines
        for path in python_files(SERVER, CLIENT, TESTS, TOOLS)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    }
    assert not long


def test_functions_are_short() -> None:
    long = [
        function
        for path in python_files(SERVER, CLIENT, TOOLS)
        for function in functions(path)
        if function.lines > FUNCTION_LINES
    ]
    assert not long


def test_the_usual_function_is_very_short() -> None:
    lines = [
        function.lines for path in python_files(SERVER, CLIENT) for function in functions(path)
    ]
    assert statistics.median(lines) <= MEDIAN_FUNCTION_LINES
