"""Writes measured rows into a configuration file's text, touching nothing else, and shows the change. Pure."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tierwise_server.config.layers import RowSettings

_ROW: Final = re.compile(r"\s*\[\[\s*routing\s*\.\s*rows\s*\]\]\s*(?:#.*)?")
_TABLE: Final = re.compile(r"\s*\[{1,2}[^\[\]]+\]{1,2}\s*(?:#.*)?")
_INSIDE_ROW: Final = re.compile(r"\s*\[\s*routing\s*\.\s*rows\s*\..*\]\s*(?:#.*)?")


class UneditableFile(ValueError):
    """The file holds its rows in a form that cannot be edited line by line."""


def render_row(row: RowSettings, comment: str = "") -> str:
    """A row as TOML, under a comment."""
    content = row.model_dump(mode="python", exclude_none=True)
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += ["[[routing.rows]]", *_table(content, "routing.rows")]
    return "\n".join(lines) + "\n"


def replace_rows(text: str, rows: Sequence[tuple[RowSettings, str]]) -> str:
    """Put rows (each with a comment) into a file's text, in place of what it says of their task types.

    Rows for other task types stay as they are; one that names both keeps its other task types, without its evidence.

    Raises:
        UneditableFile: the file's rows are not written as `[[routing.rows]]`.
    """
    measured = {task_type for row, _ in rows for task_type in row.task_types}
    kept = [part if block is None else _without(part, measured) for part, block in _blocks(text)]
    head = "".join(kept).rstrip()
    written = [render_row(row, comment) for row, comment in rows]
    result = "\n\n".join(part for part in (head, "\n".join(written)) if part)
    _verify(text, result, measured)
    return result


def diff(old: str, new: str, old_name: str, new_name: str) -> str:
    """The change as a unified diff."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), old_name, new_name
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _table(content: Mapping[str, Any], path: str) -> Iterator[str]:
    tables = {k: v for k, v in content.items() if isinstance(v, Mapping)}
    for key, value in content.items():
        if key not in tables:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        inner = f"{path}.{_key(key)}"
        if key != "tiers" and all(isinstance(one, Mapping) for one in value.values()):
            for name, one in value.items():
                yield from ("", f"[{inner}.{_key(name)}]", *_table(one, ""))
        else:
            # What tiers were is read by nobody but the server: one line each.
            lines = (
                [f"{_key(k)} = {_value(v)}" for k, v in value.items()] if key == "tiers" else None
            )
            yield from ("", f"[{inner}]", *(lines or _table(value, inner)))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name, re.ASCII) else _string(name)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            inner = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
            return f"{{ {inner} }}"
        case list() | tuple():
            return f"[{', '.join(_value(one) for one in value)}]"
        case _:
            return repr(value)


def _blocks(text: str) -> Iterator[tuple[str, bool | None]]:
    """Cut the text into rows (True) and what lies between them (None); together they are the text."""
    lines = text.splitlines(keepends=True)
    start, inside = 0, False
    for place, line in enumerate(lines):
        opens = _ROW.fullmatch(line.rstrip("\n")) is not None
        closes = inside and not opens and _closes(line)
        if opens or closes:
            # Comments right above a table belong to it.
            cut = place
            while cut > start and lines[cut - 1].lstrip().startswith("#"):
                cut -= 1
            yield "".join(lines[start:cut]), True if inside else None
            start, inside = cut, opens
    yield "".join(lines[start:]), True if inside else None


def _closes(line: str) -> bool:
    bare = line.rstrip("\n")
    return _TABLE.fullmatch(bare) is not None and _INSIDE_ROW.fullmatch(bare) is None


def _without(block: str, measured: set[str]) -> str:
    """A row's text without the measured task types; empty when no other is left."""
    try:
        (row,) = tomllib.loads(block)["routing"]["rows"]
        types = row["task_types"]
    except (ValueError, KeyError, TypeError):
        raise UneditableFile(_UNEDITABLE) from None
    others = [name for name in types if name not in measured]
    if others == types:
        return block
    if not others:
        return ""
    row["task_types"] = others
    row.pop("evidence", None)
    return render_row(RowSettings.model_validate(row)) + "\n"


def _verify(old: str, new: str, measured: set[str]) -> None:
    """See that nothing but the measured task types has changed."""
    before, after = tomllib.loads(old), tomllib.loads(new)
    if _rest(before) != _rest(after) or _types(before, measured) != _types(after, measured):
        raise UneditableFile(_UNEDITABLE)


def _rest(content: dict[str, Any]) -> dict[str, Any]:
    routing = {key: value for key, value in content.get("routing", {}).items() if key != "rows"}
    return {**content, "routing": routing}


def _types(content: dict[str, Any], measured: set[str]) -> list[str]:
    rows = content.get("routing", {}).get("rows", [])
    return [name for row in rows for name in row["task_types"] if name not in measured]


_UNEDITABLE: Final = (
    "the file's rows cannot be edited: write each as a table of its own, [[routing.rows]]"
)
