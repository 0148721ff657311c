"""One version covers everything that a release holds."""

from __future__ import annotations

import re

import pytest

import tierwise_client
import tierwise_server
from tests.house.tree import ROOT, pyproject

NPM_LOCK = r'"name": "@tierwise/client",\n +"version": "(.*)",$'
# Where a file of another language names our own version.
ELSEWHERE = {
    "client/go/version.go": r'^const Version = "(.*)"$',
    "client/go/go.mod": r"^\ttierwise\.dev/proto v(\S+)$",
    "tests/interop/drivers/go/go.mod": r"^\ttierwise\.dev/\w+ v(\S+)$",
    "client/java/pom.xml": r"^    <version>(.*)</version>$",
    "client/java/src/main/java/dev/tierwise/client/Client.java": r' VERSION = "(.*)";$',
    "client/java/README.md": r"^    <version>(.*)</version>$",
    "tests/interop/drivers/java/pom.xml": r"tierwise-\S+</artifactId>\n +<version>(.*)</version>$",
    "client/typescript/package.json": r'^  "version": "(.*)",$',
    "client/typescript/package-lock.json": NPM_LOCK,
    "tests/interop/browser/package-lock.json": NPM_LOCK,
    "tests/interop/drivers/typescript/package-lock.json": NPM_LOCK,
    "client/typescript/src/version.ts": r'^export const VERSION = "(.*)";$',
    "go.work": r"^\ttierwise\.dev/\w+ v(\S+) =>",
}
HEADING = re.compile(r"^## \[(\d+\.\d+\.\d+\S*)\] - (?:Unreleased|\d{4}-\d\d-\d\d)$", re.MULTILINE)


def newest_in_changelog() -> str:
    """Return the version in the first heading of the changelog that has one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = HEADING.search(text)
    assert heading, "CHANGELOG.md has no heading of the form '## [1.2.3] - 2026-01-31'"
    return heading[1]


def test_every_place_names_the_same_version() -> None:
    version = pyproject()["project"]["version"]
    assert newest_in_changelog() == version
    assert tierwise_client.__version__ == version
    assert tierwise_server.__version__ == version


@pytest.mark.parametrize(("name", "pattern"), ELSEWHERE.items())
def test_every_language_names_the_same_version(name: str, pattern: str) -> None:
    named = re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) == {pyproject()["project"]["version"]}


def test_java_runs_on_what_its_generated_code_was_made_for() -> None:
    files = ("tools/java/pom.xml", "client/java/pom.xml")
    pins = [
        # Of several the first: a profile of the client names newer ones.
        [
            re.search(rf"<{name}.version>(.*)</{name}.version>", text)
            for name in ("protobuf", "grpc")
        ]
        for text in ((ROOT / file).read_text(encoding="utf-8") for file in files)
    ]
    made_for, ships = ([pin and pin[1] for pin in found] for found in pins)
    assert made_for == ships
    driver = (ROOT / "tests/interop/drivers/java/pom.xml").read_text(encoding="utf-8")
    assert f"<version>{ships[0]}</version>" in driver
