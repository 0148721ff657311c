from __future__ import annotations

import contextlib

import pytest

from tierwise_server.errors import Reason, RequestError
from tierwise_server.rpc.admission import Admission


def test_a_place_beyond_the_last_is_refused_and_counted() -> None:
    shed: list[None] = []
    admission = Admission(2, shed=lambda: shed.append(None))
    full = contextlib.ExitStack()
    full.enter_context(admission.place())
    full.enter_context(admission.place())
    with full, pytest.raises(RequestError) as refusal, admission.place():
        raise AssertionError
    assert refusal.value.reason is Reason.OVERLOADED
    assert refusal.value.retry_after_s == 1.0
    assert len(shed) == 1
    assert admission.running == 0


def test_a_place_is_given_back_whatever_happens() -> None:
    admission = Admission(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.place():
            raise ZeroDivisionError
    assert admission.running == 0
