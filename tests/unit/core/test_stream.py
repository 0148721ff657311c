"""The events of a request."""

from __future__ import annotations

import dataclasses
import typing

from tierwise_server.core import stream


def test_every_kind_of_event_is_in_the_union() -> None:
    kinds = {
        value
        for value in vars(stream).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    assert kinds == set(typing.get_args(stream.StreamEvent))
