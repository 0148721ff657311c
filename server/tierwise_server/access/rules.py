"""The rules of limits, as pure functions of one clock; every store keeps them.

A rate is a bucket of N requests that refills evenly over a minute (the generic cell rate algorithm, GCRA; ITU-T I.371):
one number per subject, the time at which its bucket is full again. Within any t seconds at most N + N·t/60 are let in.
"""

from __future__ import annotations

import math

from tierwise_server.errors import LimitExceeded

MINUTE_S = 60.0

STREAM_RETRY_S = 1.0
"""When a caller whose streams are all held may come back; nobody knows when one ends."""

LEASE_S = 30.0
"""How long a stream is held on whose server nothing has been heard of."""


def interval_s(per_minute: int) -> float:
    """How long one request takes to refill."""
    return MINUTE_S / per_minute


def bucket_s(per_minute: int) -> float:
    """By how much the time of the full bucket may lie ahead, before a request is taken."""
    return MINUTE_S - interval_s(per_minute)


def rate_refusal(per_minute: int, full_at_s: float, now_s: float) -> LimitExceeded:
    """Refuse a request whose bucket is empty."""
    wait_s = math.ceil((full_at_s - now_s - bucket_s(per_minute)) * 1000) / 1000
    text = f"the key has made its {per_minute} requests per minute"
    return LimitExceeded("key.requests_per_minute", text, retry_after_s=max(wait_s, 0.001))


def stream_refusal(streams: int) -> LimitExceeded:
    """Refuse a stream when all are held."""
    text = f"the key runs {streams} requests, as many as it may at once"
    return LimitExceeded("key.streams", text, retry_after_s=STREAM_RETRY_S)
