"""Every metric: its name, its unit, and all the labels it ever has; docs/guides/telemetry.md shows them as a table.

The labels are attributes of names.py. Money is never summed twice: `tierwise.request.cost` is the money of
`tierwise.cost` once more, by task type instead of by call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tierwise_server.telemetry import names


@dataclass(frozen=True, slots=True)
class Metric:
    """An instrument. `buckets` are a histogram's upper bounds; `keys` are all the attributes it ever has."""

    name: str
    instrument: str
    unit: str
    meaning: str
    keys: tuple[str, ...]
    buckets: tuple[float, ...] = ()


METRICS: Final[dict[str, Metric]] = {}
"""Every metric, by name."""


def _metric(
    name: str,
    instrument: str,
    unit: str,
    meaning: str,
    keys: tuple[str, ...],
    buckets: tuple[float, ...] = (),
) -> Metric:
    METRICS[name] = Metric(name, instrument, unit, meaning, keys, buckets)
    return METRICS[name]


# Buckets of gen_ai.* are those of the conventions. Those of rpc.server.call.duration end there at 10 s, too short for
# the stream of an answer, and go on to 600 s here.

_CLIENT_S: Final = tuple(0.01 * 2**i for i in range(14))
_FIRST_TOKEN_S: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1)
_RPC_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_OVERHEAD_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_CALL: Final = (names.OPERATION, names.PROVIDER, names.REQUEST_MODEL, names.TIER, names.KIND)
_REQUEST: Final = (
    names.OPERATION,
    names.PROVIDER,
    names.REQUEST_MODEL,
    names.TASK_TYPE,
    names.TIER,
)

RPC_DURATION = _metric(
    "rpc.server.call.duration",
    "histogram",
    "s",
    "How long calls over gRPC took.",
    (names.RPC_SYSTEM, names.RPC_METHOD, names.RPC_STATUS, names.ERROR_TYPE),
    (*_RPC_S, 20.0, 40.0, 80.0, 160.0, 300.0, 600.0),
)
FAILURES = _metric(
    "tierwise.failures",
    "counter",
    "{call}",
    "Calls over gRPC that did not end in OK, by the reason sent to the caller.",
    (names.RPC_METHOD, names.REASON),
)
REQUESTS = _metric(
    "tierwise.requests",
    "counter",
    "{request}",
    "Tasks that reached a model.",
    (names.TASK_TYPE, names.TIER, names.OUTCOME, names.ESCALATED, names.ERROR_TYPE),
)
REQUEST_DURATION = _metric(
    "gen_ai.server.request.duration",
    "histogram",
    "s",
    "How long tasks took from decision to end.",
    (*_REQUEST, names.OUTCOME, names.ERROR_TYPE),
    _CLIENT_S,
)
FIRST_TOKEN = _metric(
    "gen_ai.server.time_to_first_token",
    "histogram",
    "s",
    "How long until the first text went to the caller; held drafts count when they are released.",
    _REQUEST,
    (*_FIRST_TOKEN_S, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
OVERHEAD = _metric(
    "tierwise.request.overhead",
    "histogram",
    "s",
    "Time of a task that was not spent waiting for a model.",
    (names.TIER,),
    _OVERHEAD_S,
)
CALL_DURATION = _metric(
    "gen_ai.client.inference.duration",
    "histogram",
    "s",
    "How long calls to models took.",
    (*_CALL, names.ERROR_TYPE),
    _CLIENT_S,
)
CALL_FIRST_CHUNK = _metric(
    "gen_ai.client.inference.time_to_first_chunk",
    "histogram",
    "s",
    "How long models took to begin their text.",
    _CALL,
    _CLIENT_S,
)


def _tokens(kind: str, meaning: str) -> Metric:
    name = f"gen_ai.client.inference.usage.{kind}"
    return _metric(name, "counter", "{token}", meaning, (*_CALL, names.MODALITY))


USED_INPUT = _tokens("input_tokens", "Input tokens, cached included.")
USED_OUTPUT = _tokens("output_tokens", "Output tokens, thinking included.")
USED_CACHE_READ = _tokens("cache_read.input_tokens", "Input tokens read from the cache.")
USED_CACHE_WRITE = _tokens("cache_write.input_tokens", "Input tokens written to the cache.")
USED_REASONING = _tokens("reasoning.output_tokens", "Output tokens spent on thinking.")
COST = _metric(
    "tierwise.cost",
    "counter",
    "USD",
    "What calls to models cost.",
    (names.REQUEST_MODEL, names.TIER, names.KIND, names.SUPERSEDED),
)
REQUEST_COST = _metric(
    "tierwise.request.cost",
    "counter",
    "USD",
    "What tasks cost in all: the money of `tierwise.cost` by task type; never add the two.",
    (names.TASK_TYPE,),
)
EXPECTED_COST = _metric(
    "tierwise.expected.cost",
    "gauge",
    "USD",
    "What a task costs on average, as the row's evidence has measured it.",
    (names.TASK_TYPE, names.TABLE_VERSION),
)
EXPECTED_ESCALATION = _metric(
    "tierwise.expected.escalation_rate",
    "gauge",
    "1",
    "The share of tasks that escalate, as the row's evidence has measured it.",
    (names.TASK_TYPE, names.TABLE_VERSION),
)
COUNTERFACTUAL_COST = _metric(
    "tierwise.counterfactual.cost",
    "counter",
    "USD",
    "Estimate: what the answers given would have cost at each tier alone.",
    (names.TIER,),
)
UNPRICED = _metric(
    "tierwise.unpriced_calls",
    "counter",
    "{call}",
    "Billed calls to models without a price; their cost is in no sum.",
    (names.REQUEST_MODEL, names.TIER),
)
RETRIES = _metric(
    "tierwise.retries",
    "counter",
    "{retry}",
    "Times a provider was asked again before its first token.",
    (names.REQUEST_MODEL, names.TIER),
)
ESCALATIONS = _metric(
    "tierwise.escalations",
    "counter",
    "{escalation}",
    "Attempts given up for a stronger tier; the tier is the one given up.",
    (names.TASK_TYPE, names.TIER, names.ESCALATION_REASON),
)
CONFIDENCE_SCORE = _metric(
    "tierwise.confidence.score",
    "histogram",
    "1",
    "Readable self-reports, 1 to 10.",
    (names.TASK_TYPE, names.TIER, names.CHECK_OUTCOME),
    tuple(float(score) for score in range(1, 11)),
)
RELOADS = _metric(
    "tierwise.reloads",
    "counter",
    "{reload}",
    "Times the configuration was read again; with an error, what was in force stayed.",
    (names.ERROR_TYPE,),
)
TABLE_AGE = _metric(
    "tierwise.table.age",
    "gauge",
    "s",
    "How long ago the routing table in force was read.",
    (names.TABLE_VERSION,),
)
BREAKER_CHANGES = _metric(
    "tierwise.breaker.changes",
    "counter",
    "{change}",
    "Times a model's circuit breaker came into a state.",
    (names.REQUEST_MODEL, names.BREAKER_STATE),
)
SHED = _metric(
    "tierwise.shed",
    "counter",
    "{request}",
    "Turned away: calls to a provider for want of room, fallbacks for want of answers; without one, whole requests.",
    (names.PROVIDER,),
)
QUEUE_WAIT = _metric(
    "tierwise.queue.wait",
    "histogram",
    "s",
    "How long calls waited for a place at the provider.",
    (names.PROVIDER,),
    _OVERHEAD_S,
)
UNRECORDED = _metric(
    "tierwise.ledger.unrecorded",
    "counter",
    "{call}",
    "Calls made without a row, because the ledger was away and `ledger.on_unavailable` allows it.",
    (),
)
LEDGER_HEALTHY = _metric(
    "tierwise.ledger.healthy",
    "gauge",
    "1",
    "1 while what is handed to the ledger is recorded, else 0.",
    (),
)
LEDGER_WAITING = _metric(
    "tierwise.ledger.waiting",
    "gauge",
    "{entry}",
    "Settlements and ends of requests that are still to be written.",
    (),
)
LEDGER_SPILLED = _metric(
    "tierwise.ledger.spilled",
    "counter",
    "{entry}",
    "Settlements and ends of requests put into the emergency file, because the ledger was away.",
    (),
)
LEDGER_SPILL_FILLED = _metric(
    "tierwise.ledger.emergency.filled",
    "gauge",
    "1",
    "The share of the emergency file that is full; at 1, what comes next is lost.",
    (),
)
LEDGER_LOST = _metric(
    "tierwise.ledger.lost",
    "counter",
    "{entry}",
    "Entries that were refused or had room nowhere; their calls stay charged at their worst case.",
    (),
)
