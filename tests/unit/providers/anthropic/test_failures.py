"""Advice to wait is read with care: it decides how long a caller is kept."""

from __future__ import annotations

import httpx2
import pytest

from tierwise_server.providers.anthropic.failures import MAX_RETRY_AFTER_S, retry_after_s

NOW = "Tue, 24 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "advice_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "abc"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT", "date": NOW}, 30.0),
        ({"retry-after": "Tue, 24 Nov 2026 11:59:30 GMT", "date": NOW}, None),
        ({"retry-after": "Tue, 24 Nov 2099 12:00:00 GMT", "date": NOW}, MAX_RETRY_AFTER_S),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}, None),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT", "date": "today"}, None),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30", "date": NOW}, None),
        ({"retry-after": "Tue, 99 Nov 99999999999999 12:00:30 GMT", "date": NOW}, None),
    ],
)
def test_advice_is_taken_only_if_it_makes_sense(
    headers: dict[str, str], advice_s: float | None
) -> None:
    assert retry_after_s(httpx2.Headers(headers)) == advice_s
