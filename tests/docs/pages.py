"""The project's pages and the code blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<excuse>\S.+?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block.

    Attributes:
        page: the page it stands on; `line` is where.
        language: the word after the fence.
        code: what it holds.
        excuse: why no test runs it, as a comment above it says to every reader; empty where one does.
    """

    page: str
    line: int
    language: str
    code: str
    excuse: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that users read, in a fixed order."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "client/README.md")]
    return [
        *top,
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "client").glob("*/README.md")),
    ]


def all_blocks() -> list[Block]:
    """Every block on every page."""
    found: list[Block] = []
    for page in pages():
        name = str(page.relative_to(ROOT))
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            excuse = match["excuse"] or ""
            found.append(Block(name, line, match["language"], match["code"], excuse))
    return found


def blocks(language: str, *names: str) -> list[Block]:
    """Every block of a language that is to be run, on all pages or on those named."""
    return [
        block
        for block in all_blocks()
        if block.language == language and not block.excuse and (not names or block.page in names)
    ]
