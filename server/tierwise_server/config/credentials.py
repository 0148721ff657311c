"""Keys: read from a file or the environment, shown to nobody."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from tierwise_server.config.files import read_regular
from tierwise_server.config.findings import Loc
from tierwise_server.config.sections import UpstreamSettings
from tierwise_server.errors import ConfigurationError, Fault

ANTHROPIC_KEY_VARIABLE: Final = "ANTHROPIC_API_KEY"

_KEY: Final = re.compile(r"[!-~]{1,512}", re.ASCII)
_KEY_LOOKING: Final = re.compile(
    r"\bsk-[A-Za-z0-9_-]{8,}|\bBearer\s+\S{8,}|-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[A-Z0-9]{12,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\."
)
_SECRET_WORD: Final = re.compile(
    r"(?:^|_)(?:api_?key|secret|password|passwd|token|bearer)$", re.IGNORECASE
)
_LONGEST_KEY_FILE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys a server needs. Their text is only shown by `get_secret_value()`."""

    anthropic_api_key: SecretStr


def read_secrets(upstream: UpstreamSettings, environ: Mapping[str, str]) -> Secrets:
    """Read the keys: from the file that is configured, else from the environment.

    Raises:
        ConfigurationError: there is no key, or it cannot be one.
    """
    path = upstream.anthropic.api_key_file
    try:
        key = read_key(path) if path is not None else _from_environment(environ)
    except ValueError as error:
        place = ANTHROPIC_KEY_VARIABLE if path is None else "upstream.anthropic.api_key_file"
        raise ConfigurationError((Fault(place, str(error)),)) from None
    return Secrets(anthropic_api_key=SecretStr(key))


def _from_environment(environ: Mapping[str, str]) -> str:
    text = environ.get(ANTHROPIC_KEY_VARIABLE, "").strip()
    if not text:
        raise ValueError(
            "is not set, and neither is upstream.anthropic.api_key_file: there is no key"
        )
    if not _KEY.fullmatch(text):
        raise ValueError("does not hold a key: it must be printable, without spaces")
    return text


def read_key(path: Path) -> str:
    """Read a file that holds one key and nothing else.

    Raises:
        ValueError: it cannot be read or holds no key; the message never repeats what it holds.
    """
    try:
        content = read_regular(path, _LONGEST_KEY_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("is not a file's name") from None
    text = content.decode("utf-8", "replace").strip()
    if not text:
        raise ValueError("is empty")
    if not _KEY.fullmatch(text):
        raise ValueError("does not hold one key on one line")
    return text


def world_readable(path: Path) -> bool:
    """Whether every user of the machine can read the file."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def take_out_keys(raw: dict[str, Any]) -> tuple[Loc, ...]:
    """Remove everything from decoded TOML that looks like a key, so that no message can repeat it; say where it was."""
    places = tuple(_key_places(raw, ()))
    for loc in reversed(places):
        holder: Any = raw
        for part in loc[:-1]:
            holder = holder[part]
        if isinstance(holder, dict):
            del holder[loc[-1]]
        else:
            holder[loc[-1]] = ""
    return places


def _key_places(value: Any, loc: Loc) -> Iterator[Loc]:
    if isinstance(value, dict):
        for key, item in value.items():
            if looks_like_key(key) or (isinstance(item, str) and names_a_secret(key)):
                yield (*loc, key)
            else:
                yield from _key_places(item, (*loc, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _key_places(item, (*loc, index))
    elif isinstance(value, str) and looks_like_key(value):
        yield loc


def looks_like_key(text: str) -> bool:
    """Whether a text holds something shaped like a credential."""
    return _KEY_LOOKING.search(text) is not None


def names_a_secret(key: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return _SECRET_WORD.search(key) is not None
