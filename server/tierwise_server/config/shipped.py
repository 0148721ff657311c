"""What ships with the package: profiles, the models they describe, price books. Read from disk once, never fetched."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final

from tierwise_server.config.layers import ModelSettings, PriceFile, Profile
from tierwise_server.config.pricing import DatedBook, dated_book
from tierwise_server.errors import ConfigurationError, Fault

DEFAULT_PROFILE: Final = "claude-4"
PROFILES: Final = ("claude-4", "claude-5.5")
PRICE_BOOKS: Final = ("anthropic-2026-11-23",)


def data_file(*parts: str) -> Traversable:
    """A file of the package's data folder."""
    return resources.files("tierwise_server").joinpath("data", *parts)


def _read(*parts: str) -> dict[str, Any]:
    return tomllib.loads(data_file(*parts).read_text(encoding="utf-8"))


@functools.cache
def profile(name: str) -> Profile:
    """A shipped profile; `name` must be one of PROFILES."""
    return Profile.model_validate(_read("profiles", f"{name}.toml"))


@functools.cache
def known_models() -> Mapping[str, ModelSettings]:
    """Every model that any shipped profile describes, by id: a file may mix the lines."""
    return MappingProxyType({m.id: m for name in PROFILES for m in profile(name).models})


@functools.cache
def price_book(name: str) -> DatedBook:
    """A shipped price book; `name` must be one of PRICE_BOOKS."""
    book, findings = dated_book(PriceFile.model_validate(_read("prices", f"{name}.toml")))
    if findings:
        raise ConfigurationError(tuple(Fault(f"price book {name}", f.message) for f in findings))
    return book
