"""What the client's pages and docstrings show runs, and what their tables say is so."""

from __future__ import annotations

import inspect
import re
import runpy
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import tierwise_client
import tierwise_client.testing
from tests.house.tree import ROOT
from tierwise_client._status import CLASS_OF_REASON, CLASS_OF_STATUS
from tierwise_client.testing import FakeServer

CONTRACT = (ROOT / "client" / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "client" / "python" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
WITH_EXAMPLE = [
    member
    for kind in (tierwise_client.Client, tierwise_client.AsyncClient)
    for member in (kind, kind.route, kind.generate, kind.stream)
] + [tierwise_client.testing]


@pytest.fixture(autouse=True)
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with FakeServer() as fake:
        monkeypatch.setenv("TIERWISE_ENDPOINT", fake.endpoint)
        yield


def run(source: str, folder: Path) -> None:
    """Run a program as if it were started by itself."""
    file = folder / "example.py"
    file.write_text(source, encoding="utf-8")
    runpy.run_path(str(file), run_name="__main__")


def example_of(member: object) -> str:
    """Return the program in a docstring's example, ready to run."""
    _, _, code = (inspect.getdoc(member) or "").partition("Example:\n")
    code = textwrap.dedent(code)
    if "await " in code or "async " in code:
        body = textwrap.indent(code, "    ")
        code = f"import asyncio\nasync def main():\n{body}\nasyncio.run(main())\n"
    return f"from tierwise_client import AsyncClient, Client\n{code}"


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    _, _, section = CONTRACT.partition(f"\n## {heading}\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    return [word.strip() for word in cell.split(",") if word.strip()]


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block{number}" for number in range(len(BLOCKS))])
def test_a_block_of_the_guide_runs(block: str, tmp_path: Path) -> None:
    run(block, tmp_path)


@pytest.mark.parametrize("member", WITH_EXAMPLE, ids=lambda member: member.__name__)
def test_the_example_of_a_docstring_runs(member: object, tmp_path: Path) -> None:
    source = example_of(member)
    assert "with " in source
    run(source, tmp_path)


def test_the_error_table_is_the_one_in_force() -> None:
    reasons: dict[str, str] = {}
    statuses: dict[str, str] = {}
    for cell, with_reasons, with_statuses, _ in rows("Errors"):
        name = cell.split(maxsplit=1)[0]
        kind = getattr(tierwise_client, name)
        base = re.search(r"\(an? (\w+)\)", cell)
        expected = (
            tierwise_client.TierwiseError if base is None else getattr(tierwise_client, base[1])
        )
        assert kind is tierwise_client.TierwiseError or kind.__base__ is expected
        reasons |= dict.fromkeys(words(with_reasons), name)
        if with_statuses != "any other":
            statuses |= dict.fromkeys(words(with_statuses), name)
    in_force = {str(reason): kind.__name__ for reason, kind in CLASS_OF_REASON.items()}
    del in_force["UNSPECIFIED"]
    assert reasons == in_force
    assert statuses == {code.name: kind.__name__ for code, kind in CLASS_OF_STATUS.items()}


def test_the_parity_table_names_what_python_has() -> None:
    table = rows("Parity")
    assert table
    for row in table:
        names = re.findall(r"`([\w.]+)`", row[1])
        assert names, row
        for name in names:
            found: object = tierwise_client
            for part in name.split("."):
                found = getattr(found, part)
                if found is tierwise_client.TierwiseError:
                    found = tierwise_client.TierwiseError("its attributes are an instance's")


def test_the_page_and_the_client_agree_on_defaults() -> None:
    page = CONTRACT.partition("## Calls")[0]
    assert "`TIERWISE_ENDPOINT` | `127.0.0.1:50051`" in page
    signature = inspect.signature(tierwise_client.Client)
    assert signature.parameters["timeout_s"].default == 600
    assert "600 s" in page
