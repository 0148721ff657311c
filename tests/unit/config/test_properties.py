"""Whatever the file holds, it is read or refused: nothing else happens."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.reading import TODAY
from tierwise_server.config import Config, load
from tierwise_server.config.environment import variable_names
from tierwise_server.config.examine import Examination, examine_raw
from tierwise_server.config.shape import section_at
from tierwise_server.errors import ConfigurationError

if TYPE_CHECKING:
    import pytest

WORDS = st.sampled_from(
    [
        "efficient",
        "frontier",
        "reasoning",
        "refuse",
        "claude-4",
        "claude-5.5",
        "claude-haiku-4-5",
        "claude-opus-5-5",
        "self_report",
        "adaptive",
        "budget",
        "none",
        "high",
        "anthropic",
        "0.5",
        "127.0.0.1:1",
        "",
        "\x00",
    ]
)


def keys(config: type[Any] = Config, loc: tuple[str, ...] = ()) -> set[str]:
    """Every key of every table."""
    found: set[str] = set()
    section = section_at(config, loc)
    for key in section.model_fields if section else ():
        found |= {key} | keys(config, (*loc, key))
    return found


KEYS = st.sampled_from(sorted(keys())) | st.text(max_size=3)
SCALARS = (
    WORDS
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.dates()
    | st.datetimes()
    | st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)

# Documents that are shaped like a configuration reach further than values without a plan.
TIER = st.fixed_dictionaries(
    {},
    optional={
        "name": WORDS,
        "model": WORDS,
        "thinking": WORDS,
        "effort": WORDS,
        "max_output_tokens": st.integers(-1, 200_000),
        "thinking_budget_tokens": st.integers(-1, 5000),
        "headroom_s": st.floats(),
    },
)
POLICY = st.fixed_dictionaries(
    {},
    optional={
        "tier": WORDS,
        "cascade": st.lists(WORDS, max_size=3),
        "threshold": st.integers(-1, 12),
        "method": WORDS,
        "task_types": st.lists(WORDS, max_size=3),
    },
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "profile": WORDS,
        "routing": st.fixed_dictionaries(
            {},
            optional={
                "default": WORDS | POLICY,
                "tiers": st.lists(WORDS, max_size=4),
                "rows": st.lists(POLICY | SCALARS, max_size=3),
                "escalation": POLICY,
            },
        ),
        "tiers": st.lists(TIER | SCALARS, max_size=3),
        "models": st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=2),
        "prices": VALUES,
        "server": st.dictionaries(KEYS, VALUES, max_size=2),
    },
)


def check(found: Examination) -> None:
    assert (found.config is None) == bool(found.faults)
    for fault in found.faults:
        assert "\n" not in str(fault)
    if found.config is not None:
        found.config.routing_table()
        found.config.price_book()


@given(st.dictionaries(KEYS, VALUES, max_size=5) | SHAPED)
def test_any_document_is_read_or_refused(raw: dict[str, Any]) -> None:
    check(examine_raw(raw, {}, today=TODAY))


@given(SHAPED)
def test_the_same_document_gives_the_same_faults(raw: dict[str, Any]) -> None:
    again = copy.deepcopy(raw)
    first = examine_raw(raw, {}, today=TODAY)
    assert first == examine_raw(again, {}, today=TODAY)


@given(
    st.dictionaries(
        st.sampled_from([*variable_names(Config), "TIERWISE_TIERS__EFFICIENT__MODEL"])
        | st.text("ABCDEFILMNORSTUVW_", max_size=12).map("TIERWISE_".__add__),
        st.text(max_size=8) | WORDS,
        max_size=4,
    ),
    SHAPED,
)
def test_any_variables_are_read_or_refused(environ: dict[str, str], raw: dict[str, Any]) -> None:
    check(examine_raw(raw, environ, today=TODAY))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path: Path = tmp_path_factory.mktemp("toml") / "tierwise.toml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigurationError):
        load(path, {}, today=TODAY)
