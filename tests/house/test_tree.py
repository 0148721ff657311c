"""What is in the tree belongs there, and the map names it."""

from __future__ import annotations

import re

from tests.house.tree import GENERATED, ROOT, SERVER, name_of, project_files

# Put together here, so that this file does not hold what it forbids.
REGISTRY_HOSTS = re.compile(
    "|".join(
        [
            r"pypi\." + "org",
            r"files\.python" + r"hosted\.",
            r"registry\.npm" + r"js\.",
            r"registry\.yarn" + r"pkg\.",
            r"(?:static|index)\.crates" + r"\.io",
            r"(?:proxy|sum)\.golang" + r"\.",
            r"repo1?\.maven" + r"\.",
            r"deb\.deb" + r"ian\.",
        ]
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.$}~-])/(?:home|root|work|Users|opt/wheels)/[\w.]")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


def matching_lines(pattern: re.Pattern[str]) -> list[str]:
    """Return every line of a text file of the project in which the pattern is found."""
    found = []
    for path in project_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name_of(path)}:{number} {line.strip()[:120]}"
            for number, line in enumerate(lines, 1)
            if pattern.search(line)
        ]
    return found


def test_no_file_names_a_package_registry() -> None:
    assert not matching_lines(REGISTRY_HOSTS)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert not matching_lines(MACHINE_PATHS)


def test_nothing_is_left_unfinished() -> None:
    assert not matching_lines(UNFINISHED)


def test_every_folder_of_the_server_is_on_the_map() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [path.parent for path in SERVER.rglob("__init__.py") if path.parent != SERVER]
    assert folders
    assert not [name_of(folder) for folder in folders if f"{folder.name}/" not in page]


def test_every_package_says_that_it_is_typed() -> None:
    packages = [SERVER, ROOT / "client/python/tierwise_client", GENERATED / "python/tierwise"]
    assert not [name_of(package) for package in packages if not (package / "py.typed").is_file()]
