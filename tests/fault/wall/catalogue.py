"""The catalogue of faults: every row has a scenario of the wall, or a reason why it has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.fault.wall.tally import Tally

Play = Callable[[Tally], Awaitable[None]]

FAULTS: Final[Mapping[str, str]] = {
    "F1": "429 with a wait that fits the deadline",
    "F2": "429 with a wait longer than the deadline, or of 120 s",
    "F3": "the account's spend limit is reached",
    "F4": "retry-after of nonsense, zero, the past, or a billion seconds",
    "F5": "overloaded: 529, or an event in the stream",
    "F6": "500, 502, 503, 504, 408, 409",
    "F7": "the prompt is too long for the model",
    "F8": "our own key is refused: 401, 403",
    "F9": "the model is not served: 404",
    "F10": "an error event after every event of an answer",
    "F11": "the body breaks off: at every byte, in every way",
    "F12": "the upstream stalls",
    "F13": "pings and nothing else",
    "F14": "an answer that drips",
    "F15": "bytes split anywhere",
    "F16": "what comes is no Messages stream",
    "F17": "a compressed body that nobody asked for",
    "F18": "an empty answer",
    "F19": "every stop reason, and ones nobody knows",
    "F20": "usage that is absent, negative, shrinking or huge",
    "F21": "a model without a price",
    "F22": "the upstream cannot be reached",
    "F23": "all connections to the upstream are in use",
    "F24": "a redirect from the upstream",
    "F25": "the caller leaves, at any point of a request",
    "F26": "the caller's process is killed",
    "F27": "a half-open caller that acknowledges no ping",
    "F28": "a caller that stops reading",
    "F29": "a deadline shorter than the upstream takes",
    "F30": "no deadline at all",
    "F31": "a deadline that has passed already",
    "F32": "messages and metadata at their limits and beyond",
    "F33": "requests that are broken in any way",
    "F34": "a task type that nobody configured",
    "F35": "methods and services that do not exist",
    "F36": "connections that say half of something, or nothing",
    "F37": "HTTP/1, TLS and noise on the port",
    "F38": "floods: rapid reset, pings, settings, empty frames",
    "F39": "many idle connections",
    "F40": "GOAWAY and a restart, seen by a client",
    "F41": "a client that pings eagerly",
    "F42": "answers and prompts that claim a score",
    "F43": "scores that are no plain number",
    "F44": "the check fails or hangs",
    "F45": "escalation forced by an adversary",
    "F46": "streaming and escalation together",
    "F47": "the same request twice",
    "F48": "a race for the last of a budget",
    "F49": "reservations that leak",
    "F50": "the ledger's disk is full, locked or broken",
    "F51": "the ledger's database is down",
    "F52": "a ledger file that is torn or spoiled",
    "F53": "the server is killed at any moment",
    "F54": "the clock jumps",
    "F55": "a bad configuration is loaded while serving",
    "F56": "keys and certificates are rotated",
    "F57": "the store of the rate limits is lost",
    "F58": "SIGTERM during streams; rolling restarts",
    "F59": "the event loop is blocked",
    "F60": "the collector of telemetry is down, deaf or slow",
    "F61": "nobody reads the log",
    "F62": "control characters in everything that is told; label cardinality",
    "F63": "secrets in logs, spans, errors and files",
    "F64": "prompts and answers kept without being asked for",
    "F65": "retries while the upstream is down for good",
    "F66": "a herd when the upstream comes back",
    "F67": "a client that reconnects in a hot loop",
    "F68": "three times more load than can be served",
    "F69": "one noisy tenant among quiet ones",
    "F70": "file descriptors run out",
    "F71": "addresses in requests",
    "F72": "what an anonymous caller can list",
    "F73": "one tenant asks for what another owns",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the wall.

    Attributes:
        name: the row of the catalogue, or a name of its own.
        required: what must hold, in a phrase.
        play: plays all its runs, into a tally.
    """

    name: str
    required: str
    play: Play


SCENARIOS: dict[str, Scenario] = {}
"""By name, in the order in which they were written."""


def scenario(name: str, required: str) -> Callable[[Play], Play]:
    """Put a function on the wall."""

    def put(play: Play) -> Play:
        assert name not in SCENARIOS, f"two scenarios are named {name}"
        SCENARIOS[name] = Scenario(name, required, play)
        return play

    return put
