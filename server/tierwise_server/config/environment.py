"""The TIERWISE_* variables: single keys over those of the file.

`TIERWISE_` and the key's path in capitals, tables apart by two underscores: `TIERWISE_SERVER__MAX_REQUEST_S=60`. A tier
is reached by its name: `TIERWISE_TIERS__EFFICIENT__MODEL=claude-haiku-5-5`. Lists are written with commas. An empty
variable counts as not set. Models, rows and single prices have no variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tierwise_server.config.credentials import (
    ANTHROPIC_KEY_VARIABLE,
    looks_like_key,
    names_a_secret,
)
from tierwise_server.config.findings import Finding, Loc, did_you_mean
from tierwise_server.config.sections import Section
from tierwise_server.config.shape import field_at, kinds, section_at, sections_in

PREFIX: Final = "TIERWISE_"
NOT_OURS: Final = frozenset({"TIERWISE_ENDPOINT", "TIERWISE_API_KEY", "TIERWISE_BENCH_DATA"})
"""Names that the clients and the benchmarks read."""

_TIERS: Final = "tiers"
_WITHOUT_VARIABLES: Final = frozenset({"models", "rows"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_TRUTH: Final = {"true": True, "1": True, "yes": True, "on": True}
_FALSEHOOD: Final = {"false": False, "0": False, "no": False, "off": False}


class Overlay:
    """Puts variables over decoded TOML.

    Attributes:
        variables: which variable set which place.
        findings: variables that mean nothing.
    """

    def __init__(self, root: type[Section], raw: dict[str, Any], tiers: Iterable[str]) -> None:
        """`tiers` are the names of the tiers that the profile has."""
        self.variables: dict[Loc, str] = {}
        self.findings: list[Finding] = []
        self._root = root
        self._raw = raw
        self._tiers = dict.fromkeys((*tiers, *_names(raw)))

    def put(self, environ: Mapping[str, str]) -> None:
        """Put every TIERWISE_* variable where it belongs."""
        for name in sorted(environ):
            if name.startswith(PREFIX) and name not in NOT_OURS and environ[name].strip():
                self._put(name, environ[name].strip())

    def _put(self, name: str, text: str) -> None:
        parts = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if names_a_secret(parts[-1]) or looks_like_key(text):
            self._refuse(name, _secret_message())
            return
        if parts[0] == _TIERS and len(parts) == 3:
            self._put_tier(name, parts, text)
            return
        field = None if parts[0] in (_TIERS, "models") else field_at(self._root, parts)
        if field is None or parts[-1] in _WITHOUT_VARIABLES or section_only(field.annotation):
            self._refuse(name, f"is no setting{did_you_mean(name, self._known())}")
            return
        if _set(self._raw, parts, convert(field.annotation, text)):
            self.variables[parts] = name

    def _put_tier(self, name: str, parts: tuple[str, ...], text: str) -> None:
        tier = next((known for known in self._tiers if spelled(known) == parts[1]), None)
        field = field_at(self._root, (_TIERS, parts[2]))
        if tier is None or field is None or parts[2] == "name":
            self._refuse(name, f"is no setting{did_you_mean(name, self._known())}")
            return
        index = self._entry(tier, name)
        if index is not None:
            self._raw[_TIERS][index][parts[2]] = convert(field.annotation, text)
            self.variables[_TIERS, index, parts[2]] = name

    def _entry(self, tier: str, name: str) -> int | None:
        """Find the file's entry of a tier, or add one; None when the file's tiers are no list."""
        entries = self._raw.setdefault(_TIERS, [])
        if not isinstance(entries, list):
            return None
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and entry.get("name") == tier:
                return index
        entries.append({"name": tier})
        self.variables[_TIERS, len(entries) - 1] = name
        return len(entries) - 1

    def _refuse(self, name: str, message: str) -> None:
        self.variables[(name,)] = name
        self.findings.append(Finding((name,), message))

    def _known(self) -> list[str]:
        tier = section_at(self._root, (_TIERS,))
        keys = [] if tier is None else [key for key in tier.model_fields if key != "name"]
        named = [f"{PREFIX}TIERS__{spelled(t)}__{key}".upper() for t in self._tiers for key in keys]
        return [*variable_names(self._root), *named]


def variable_names(root: type[Section], path: tuple[str, ...] = ()) -> list[str]:
    """Every variable there is, but those of tiers."""
    names: list[str] = []
    for key, field in root.model_fields.items():
        if key in _WITHOUT_VARIABLES or (not path and key == _TIERS):
            continue
        inner = next(sections_in(field.annotation), None)
        if inner is not None and section_only(field.annotation):
            if dict not in kinds(field.annotation):
                names += variable_names(inner, (*path, key))
        else:
            names.append(PREFIX + "__".join((*path, key)).upper())
    return names


def section_only(annotation: Any) -> bool:
    """Whether a key can only hold a table, or tables."""
    plain = {str, int, float, bool}
    inner = next(sections_in(annotation), None)
    return inner is not None and not any(kind in plain for kind in kinds(annotation))


def spelled(tier: str) -> str:
    """A tier's name as variables spell it: small letters, and an underscore for everything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "_", tier.lower())


def convert(annotation: Any, text: str) -> Any:
    """Read a variable's text as what the key holds; as text where it does not look like it, for the rules to refuse."""
    allowed = kinds(annotation)
    if tuple in allowed:
        return [item.strip() for item in text.split(",")]
    if bool in allowed:
        return (_TRUTH | _FALSEHOOD).get(text.lower(), text)
    if (int in allowed or float in allowed) and _INTEGER.fullmatch(text):
        return int(text)
    if float in allowed and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _set(raw: dict[str, Any], parts: tuple[str, ...], value: Any) -> bool:
    """Set a key, making tables on the way; False where the file has something else than a table there."""
    table: Any = raw
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    table[parts[-1]] = value
    return True


def _names(raw: Mapping[str, Any]) -> list[str]:
    tiers = raw.get(_TIERS)
    entries = tiers if isinstance(tiers, list) else []
    names = (entry.get("name") for entry in entries if isinstance(entry, dict))
    return [name for name in names if isinstance(name, str)]


def _secret_message() -> str:
    return (
        f"holds a key: the provider's key comes from {ANTHROPIC_KEY_VARIABLE} or from the file that"
        " upstream.anthropic.api_key_file names"
    )
