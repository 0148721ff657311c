"""What the pages show works: Python runs, TOML loads, commands and their options exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.contract.test_client_docs import WITH_EXAMPLE, example_of, run
from tests.docs.pages import Block, all_blocks, blocks, pages
from tests.house.tree import ROOT
from tests.programs import running, simulating
from tests.serving import variables
from tierwise_server import config
from tierwise_server.cli import command

CLICK: Any = typer.main.get_command(command)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMANDS = sorted(CLICK.commands)

SHELL = [*blocks("sh"), *blocks("bash")]
PYTHON = blocks("python", "README.md", "client/python/README.md")
TOML = blocks(
    "toml", "docs/guides/configuration.md", "docs/guides/reliability.md", "docs/guides/web.md"
)

JAVA_PAGES = "client/java/src/test/java/dev/tierwise/client/PagesTest.java"
ELSEWHERE = {
    ("docs/guides/simulator.md", "python"): "tests/docs/test_simulator_guide.py",
    ("docs/guides/simulator.md", "toml"): "tests/docs/test_simulator_guide.py",
    **{
        ("docs/guides/raw-clients.md", language): "tests/interop/suite_raw.py"
        for language in ("shell", "python", "go", "toml", "rust")
    },
    ("docs/guides/keys.md", "shell"): "tests/docs/test_keys_guide.py",
    ("docs/guides/keys.md", "toml"): "tests/docs/test_keys_guide.py",
    ("docs/guides/reliability.md", "json"): "tests/docs/test_reliability_guide.py",
    ("docs/guides/web.md", "shell"): "tests/docs/test_web_guide.py",
    ("docs/guides/ledger.md", "python"): "tests/docs/test_ledger_guide.py",
    ("docs/guides/ledger.md", "shell"): "tests/docs/test_ledger_guide.py",
    ("docs/guides/ledger.md", "toml"): "tests/docs/test_ledger_guide.py",
    ("docs/guides/ledger.md", "sql"): "tests/docs/test_ledger_guide.py",
    ("docs/guides/measure.md", "jsonl"): "tests/docs/test_measure_guide.py",
    ("client/go/README.md", "go"): "client/go/pages_test.go",
    ("client/java/README.md", "java"): JAVA_PAGES,
    ("client/java/README.md", "xml"): JAVA_PAGES,
    ("client/typescript/README.md", "ts"): "client/typescript/test/readme.test.ts",
}
"""Blocks that another test runs."""
ONLY_SHOWN = ("text",)
"""Languages that nothing can run."""


def test_every_block_of_the_pages_is_run() -> None:
    here = {(block.page, block.language) for block in (*SHELL, *PYTHON, *TOML)}
    left = [
        str(block)
        for block in all_blocks()
        if (block.page, block.language) not in here | ELSEWHERE.keys()
        and block.language not in ONLY_SHOWN
        and not block.excuse
    ]
    assert not left
    for (page, _), test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server for all of them, with the simulator behind."""
    with simulating() as upstream, running("serve", **variables(upstream)) as server:
        yield server.until("serving on ").rpartition(" ")[2]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_of_the_pages_runs(
    block: Block,
    endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIERWISE_ENDPOINT", endpoint)
    run(block.code, tmp_path)
    assert not re.search(r"UNAVAILABLE|INTERNAL", capsys.readouterr().out)


@pytest.mark.parametrize("member", WITH_EXAMPLE, ids=lambda member: member.__name__)
def test_examples_of_docstrings_run_against_a_real_server(
    member: object, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERWISE_ENDPOINT", endpoint)
    run(example_of(member), tmp_path)


@pytest.mark.parametrize("block", TOML, ids=str)
def test_toml_of_the_guides_loads(block: Block, tmp_path: Path) -> None:
    tomllib.loads(block.code)
    file = tmp_path / "tierwise.toml"
    file.write_text(block.code)
    if block.code.startswith("# prices.toml"):
        (tmp_path / "prices.toml").write_text(block.code)
        file.write_text('[prices]\nfile = "prices.toml"\n')
    # Files that an example names are the reader's; everything else must hold here as well.
    missing = [
        fault
        for fault in config.examine(file, {}).faults
        if not re.search(r"no such file|cannot be read|does not exist", str(fault), re.IGNORECASE)
    ]
    assert not missing, [str(fault) for fault in missing]


def lines_of(block: Block) -> list[list[str]]:
    joined = block.code.replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_of_the_pages_exist(block: Block) -> None:
    for words in lines_of(block):
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words[:1] == ["tierwise"]:
            check_command(words[1:])
        elif words[:1] == ["make"]:
            for verb in words[1:]:
                if "=" not in verb and not verb.startswith("-"):
                    assert re.search(rf"^{re.escape(verb)}:", MAKEFILE, re.MULTILINE), verb


def check_command(words: list[str]) -> None:
    """Fail unless the command exists and knows each option that the words use."""
    node = CLICK
    while words and hasattr(node, "commands") and not words[0].startswith("-"):
        assert words[0] in node.commands, words
        node, words = node.commands[words[0]], words[1:]
    known = {
        name for parameter in node.params for name in (*parameter.opts, *parameter.secondary_opts)
    }
    known |= {"--help"}
    for word in words:
        if word in ("|", "&", "&&", ">", "2>"):
            break
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known, (word, sorted(known))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert any(f"tierwise {name}" in page.read_text(encoding="utf-8") for page in pages())


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
