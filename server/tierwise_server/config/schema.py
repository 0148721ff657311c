"""The JSON Schema of the file, for editors."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tierwise_server.config.sections import Section
from tierwise_server.config.settings import Config
from tierwise_server.config.shape import sections_in

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.+)$")
_CONTINUED: Final = re.compile(r"^        (\S.*)$")


def config_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, with every key described."""
    schema = Config.model_json_schema()
    for section in _all_sections(Config):
        table = schema if section is Config else schema["$defs"].get(section.__name__, {})
        described = descriptions(section)
        table["description"] = described.pop("", "")
        for key, text in described.items():
            if key in table.get("properties", {}):
                table["properties"][key]["description"] = text
    return {"$schema": _DIALECT, "title": "tierwise configuration", **_tidy(schema)}


def schema_text() -> str:
    """The schema as it is written to `data/config.schema.json`."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def descriptions(section: type[Section]) -> dict[str, str]:
    """What a section's docstring says of its keys; under the empty key, of itself."""
    lines = inspect.cleandoc(section.__doc__ or "").splitlines()
    found, key = {"": lines[0]}, ""
    for line in lines[1:]:
        if attribute := _ATTRIBUTE.match(line):
            key = attribute[1]
            found[key] = attribute[2]
        elif key and (more := _CONTINUED.match(line)):
            found[key] += f" {more[1]}"
        else:
            key = ""
    return found


def _all_sections(root: type[Section]) -> Iterator[type[Section]]:
    yield root
    for field in root.model_fields.values():
        for section in sections_in(field.annotation):
            yield from _all_sections(section)


def _tidy(value: Any) -> Any:
    """Drop what a TOML file cannot say (null), and titles and empty defaults, which tell an editor nothing."""
    if isinstance(value, list):
        return [_tidy(item) for item in value if item != {"type": "null"}]
    if not isinstance(value, dict):
        return value
    left = {key: _tidy(item) for key, item in value.items() if not _says_nothing(key, item, value)}
    choices = left.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        del left["anyOf"]
        left = {**choices[0], **left}
    return left


def _says_nothing(key: str, item: Any, table: dict[str, Any]) -> bool:
    if key == "title":
        return isinstance(item, str)
    return key == "default" and (item is None or item == [] or "$ref" in table)
