"""F63, played last: what all the other rows told is searched already; here are metrics and traces, and the count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.programs import programs
from tests.fault.wall.tally import BODY, CANARIES, Tally
from tests.otlp import OtlpReceiver
from tests.serving import KEY

_SAID: Final = f"{BODY} {KEY}"
FAULTS: Final[tuple[dict[str, Any], ...]] = (
    *({"kind": "status", "status": code, "message": _SAID} for code in (400, 401, 404, 429, 529)),
    {"kind": "status", "status": 418, "error_type": BODY, "message": KEY},
    {"kind": "error_event", "at_event": 5, "error_type": _SAID, "message": _SAID},
    {"kind": "redirect", "location": f"http://{BODY}.invalid/{KEY}"},
    {"kind": "unknown_stop_reason", "stop_reason": _SAID},
    {"kind": "invalid_json"},
    {"kind": "cut", "at_byte": 700},
)


@scenario(
    "F63", "no canary in any span, metric, log line, status, message or file of the whole run"
)
async def secrets(tally: Tally) -> None:
    witness = tally.witness
    rules = [{"times": 1, "headers": {"request-id": _SAID}, "fault": fault} for fault in FAULTS]
    with OtlpReceiver() as receiver:
        script: list[Mapping[str, Any]] = [*rules, {"answer": BODY}]
        async with programs(script, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint) as run:
            for _ in range(3 * len(FAULTS)):
                witness.search("what the caller got", f"{(await run.ask()).details}")
            with tally.run("the end"):
                assert await run.stopped(witness) == 0
        witness.search("what a collector got", f"{receiver.spans} {receiver.metrics}")
        with tally.run("a collector"):
            assert receiver.spans
            assert receiver.metrics
    for word in (*CANARIES, *witness.words):
        with tally.run(word):
            hits = [hit for hit in witness.hits if hit.startswith(word)]
            assert not hits, f"{len(hits)} times, first in: {hits[0]}"
    count = len(CANARIES) + len(witness.words)
    tally.detail = f"{witness.searched_bytes / 1e6:.1f} MB searched for {count} canaries"
