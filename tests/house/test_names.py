"""Names say what a thing is; a public name is public on purpose."""

from __future__ import annotations

import types

import tierwise_client
from tests.house.tree import CLIENT, ROOT, SERVER, TESTS, TOOLS, name_of, python_files

EMPTY_WORDS = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def test_no_module_has_an_empty_name() -> None:
    empty = [
        name_of(path)
        for path in python_files(SERVER, CLIENT, TESTS, TOOLS)
        for part in path.relative_to(ROOT).with_suffix("").parts
        if EMPTY_WORDS.intersection(part.split("_"))
    ]
    assert not empty


def test_the_client_exports_its_public_names_and_no_others() -> None:
    public = {
        name
        for name, value in vars(tierwise_client).items()
        if not name.startswith("_")
        and name != "annotations"
        and not isinstance(value, types.ModuleType)
    }
    assert set(tierwise_client.__all__) == public
    assert list(tierwise_client.__all__) == sorted(tierwise_client.__all__)
