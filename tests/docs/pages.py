"""The project's pages and the code blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: where it stands, its language, its code."""

    page: str
    line: int
    language: str
    code: str

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


def blocks(language: str, *names: str) -> list[Block]:
    """Every block of a language, on all pages or on those named."""
    found: list[Block] = []
    for page in pages():
        name = str(page.relative_to(ROOT))
        if names and name not in names:
            continue
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match["language"] == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(name, line, language, match["code"]))
    return found
