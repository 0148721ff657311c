"""The project's own files, as the house tests see them."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = ROOT / "server" / "tierwise_server"
CLIENT = ROOT / "client" / "python" / "tierwise_client"
TESTS = ROOT / "tests"
TOOLS = ROOT / "tools"
GENERATED = ROOT / "generated"

# What a copy without git holds beside the project's files.
_NOT_OURS = {
    ".git",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    ".venv-codegen",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
}


class Function(NamedTuple):
    """One function or method of the source, and how long it is without its docstring."""

    where: str
    lines: int


def name_of(path: Path) -> str:
    """Return the path as the repository knows it."""
    return path.relative_to(ROOT).as_posix()


def pyproject() -> dict[str, Any]:
    """Return the parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def project_files() -> list[Path]:
    """Return the files that git tracks or would track; without git, all but what tools left."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        paths = [
            path
            for path in ROOT.rglob("*")
            if not _NOT_OURS.intersection(path.relative_to(ROOT).parts)
        ]
    return sorted(path for path in paths if path.is_file())


def python_files(*folders: Path) -> list[Path]:
    """Return the Python files of these folders; a folder without any is a mistake of the caller."""
    found: list[Path] = []
    for folder in folders:
        files = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
        if not files:
            message = f"{name_of(folder)} holds no Python file"
            raise FileNotFoundError(message)
        found += files
    return found


def functions(path: Path) -> Iterator[Function]:
    """Yield every function of a file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{name_of(path)}:{node.lineno} {node.name}", _length(node))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count lines from `def` to the end, less those of the docstring: to explain costs nothing."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length
