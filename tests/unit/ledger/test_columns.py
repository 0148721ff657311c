"""What is flattened for a table or a file is read back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.rows import NOON_S, an_origin
from tierwise_server.core.account import CallStatus
from tierwise_server.core.cascade import Acceptance
from tierwise_server.core.model import CallKind, Usage
from tierwise_server.core.prices import Cost
from tierwise_server.errors import Reason
from tierwise_server.ledger.columns import entry_columns, entry_of
from tierwise_server.ledger.entries import (
    Content,
    Origin,
    RequestRow,
    Reservation,
    RowState,
    Settlement,
)

TEXTS = st.text(max_size=20)
AMOUNTS = st.integers(0, 2**60)
TIMES = st.floats(0, 4e9)
ORIGINS = st.builds(
    Origin,
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    TIMES,
    TEXTS,
    TEXTS,
    st.dictionaries(TEXTS, TEXTS, max_size=3),
)
RESERVATIONS = st.builds(
    Reservation,
    ORIGINS,
    st.integers(1, 9),
    st.sampled_from(CallKind),
    TEXTS,
    TEXTS,
    st.none() | AMOUNTS,
    TEXTS,
    TIMES,
)
USAGES = st.builds(Usage, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
COSTS = st.builds(Cost, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, TEXTS)
SETTLEMENTS = st.builds(
    Settlement,
    RESERVATIONS,
    st.sampled_from([RowState.SETTLED, RowState.ESTIMATED, RowState.FAILED_UNBILLED]),
    st.sampled_from(CallStatus),
    st.none() | USAGES,
    st.none() | COSTS,
    TIMES,
    st.integers(0, 3),
    st.none() | st.sampled_from(Reason),
    TEXTS,
    TEXTS,
    TIMES,
    st.none() | TIMES,
)
ENDS = st.builds(
    RequestRow,
    ORIGINS,
    TIMES,
    TIMES,
    st.none() | st.sampled_from(Reason),
    TEXTS,
    TEXTS,
    st.none() | st.sampled_from(Acceptance),
    st.none() | st.floats(0, 1),
    st.booleans(),
    st.none() | AMOUNTS,
    st.lists(st.integers(1, 9), max_size=3).map(tuple),
    st.booleans(),
)


@given(SETTLEMENTS | ENDS)
def test_an_entry_survives_json(entry: Settlement | RequestRow) -> None:
    assert entry_of(json.loads(json.dumps(entry_columns(entry)))) == entry


def test_prompts_and_answers_are_never_flattened() -> None:
    with pytest.raises(TypeError):
        entry_columns(Content(an_origin(), "a prompt", "an answer", NOON_S))
