"""Every name that telemetry uses for spans, their events, and the attributes of all that it tells; see instruments.py.

Names that begin with `rpc.`, `gen_ai.`, `server.`, `network.` and `error.` are OpenTelemetry's, pinned to one snapshot
of its semantic conventions: SEMCONV for the core, GENAI_SEMCONV for `gen_ai.*`, which had no release then. All others
are tierwise's own. docs/guides/telemetry.md is both modules as tables; a test compares them.

Money is never summed twice: `tierwise.cost.*` stands on the spans of model calls and nowhere else. The sum of a request
has another name, `tierwise.total_cost.*`, and stands on `route` (and on the client's own span).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SEMCONV: Final = "1.44.0"
GENAI_SEMCONV: Final = "024a4f944a1291fcb627c9c47da69e79868dd15e"
"""The commit of open-telemetry/semantic-conventions-genai."""

SCOPE: Final = "tierwise"
"""The instrumentation scope of every span and metric."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key, the type of its value, and what it means. `<tier>` in a key stands for a configured tier's name."""

    key: str
    type: str
    meaning: str


ATTRIBUTES: Final[dict[str, Attribute]] = {}
"""Every attribute of spans and events, by key."""


def _attribute(key: str, type_: str, meaning: str) -> str:
    ATTRIBUTES[key] = Attribute(key, type_, meaning)
    return key


# --- attributes: the call over gRPC --------------------------------------------------------------

RPC_SYSTEM = _attribute("rpc.system.name", "string", "`grpc`")
RPC_METHOD = _attribute("rpc.method", "string", "package, service and method; `_OTHER` if unknown")
RPC_STATUS = _attribute("rpc.response.status_code", "string", "name of the gRPC status code")
PEER_ADDRESS = _attribute("network.peer.address", "string", "the caller's address")
PEER_PORT = _attribute("network.peer.port", "int", "the caller's port")
SERVER_ADDRESS = _attribute("server.address", "string", "host of the provider's endpoint")
SERVER_PORT = _attribute("server.port", "int", "port of the provider's endpoint")
ERROR_TYPE = _attribute(
    "error.type", "string", "what went wrong: a status code on the SERVER span, else a reason"
)
REASON = _attribute("tierwise.reason", "string", "the reason sent to the caller (ErrorInfo.reason)")

# --- attributes: the request and its route -------------------------------------------------------

TENANT = _attribute(
    "tierwise.tenant", "string", "whose call it is; absent while the server is open"
)
KEY_ID = _attribute("tierwise.key_id", "string", "the public id of the key; absent without one")
REQUEST_ID = _attribute("tierwise.request.id", "string", "the request's id")
TASK_TYPE = _attribute("tierwise.task_type", "string", "the task type; `other` without a row")
DRAFT_DELIVERY = _attribute("tierwise.draft_delivery", "string", "`held` or `live`")
RULE = _attribute("tierwise.route.rule", "string", "`task_type`, `default` or `pinned`")
WHY = _attribute("tierwise.route.why", "string", "the decision in one sentence")
CASCADE = _attribute("tierwise.route.cascade", "string[]", "the tiers that may be climbed")
ADJUSTMENTS = _attribute("tierwise.route.adjustments", "string[]", "what changed the table's row")
TABLE_VERSION = _attribute("tierwise.route.table_version", "string", "version of the routing table")
TIER = _attribute(
    "tierwise.tier", "string", "a call's tier; of a request, the answer's or last one"
)
MODEL = _attribute("tierwise.model", "string", "the answer's model, or the last one asked")
OUTCOME = _attribute(
    "tierwise.outcome",
    "string",
    "`unchecked`, `accepted`, `accepted_low`, `failed` or `cancelled`",
)
ESCALATED = _attribute("tierwise.escalated", "bool", "whether a second attempt was made")
ATTEMPTS = _attribute("tierwise.attempt.count", "int", "attempts made")
ESCALATION_REASON = _attribute("tierwise.escalation.reason", "string", "why a tier was given up")
TOTAL_NANO_USD = _attribute("tierwise.total_cost.nano_usd", "int", "sum over the request's calls")
TOTAL_USD = _attribute("tierwise.total_cost.usd", "double", "the same in USD")
TOTAL_INPUT = _attribute("tierwise.total_tokens.input", "int", "sum over the request's calls")
TOTAL_OUTPUT = _attribute("tierwise.total_tokens.output", "int", "sum over the request's calls")
COUNTERFACTUAL = _attribute(
    "tierwise.counterfactual.<tier>.nano_usd", "int", "estimate: the answer's cost at that tier"
)
SAVING = _attribute(
    "tierwise.saving.<tier>.nano_usd", "int", "that less the total cost; negative when dearer"
)
FIRST_TEXT = _attribute(
    "tierwise.time_to_first_text", "double", "seconds until text went to the caller"
)

# --- attributes: confidence ----------------------------------------------------------------------

METHOD = _attribute("tierwise.confidence.method", "string", "how confidence is asked")
THRESHOLD = _attribute("tierwise.confidence.threshold", "double", "what accepts a draft, 0 to 1")
SCORE = _attribute("tierwise.confidence.score", "int", "the self-report, 1 to 10")
CONFIDENCE = _attribute("tierwise.confidence.value", "double", "the same as 0 to 1")
CHECK_OUTCOME = _attribute(
    "tierwise.confidence.outcome", "string", "`accepted`, `escalated` or `accepted_low`"
)
EVALUATION_NAME = _attribute("gen_ai.evaluation.name", "string", "`confidence`")
EVALUATION_VALUE = _attribute("gen_ai.evaluation.score.value", "double", "confidence, 0 to 1")
EVALUATION_LABEL = _attribute(
    "gen_ai.evaluation.score.label", "string", "`pass`, `fail`, `unreadable` or `unanswered`"
)

# --- attributes: one call to a model -------------------------------------------------------------

OPERATION = _attribute("gen_ai.operation.name", "string", "`chat`")
PROVIDER = _attribute("gen_ai.provider.name", "string", "the provider, e.g. `anthropic`")
REQUEST_MODEL = _attribute("gen_ai.request.model", "string", "the model asked")
STREAM = _attribute("gen_ai.request.stream", "bool", "`true`")
REASONING_LEVEL = _attribute("gen_ai.request.reasoning.level", "string", "the effort asked for")
RESPONSE_ID = _attribute("gen_ai.response.id", "string", "the provider's id of the answer")
FINISH_REASONS = _attribute("gen_ai.response.finish_reasons", "string[]", "one; `error` if cut off")
FIRST_CHUNK = _attribute(
    "gen_ai.response.time_to_first_chunk", "double", "seconds until the first text"
)
INPUT_TOKENS = _attribute("gen_ai.usage.input_tokens", "int", "all input, cached included")
OUTPUT_TOKENS = _attribute("gen_ai.usage.output_tokens", "int", "all output, thinking included")
CACHE_READ = _attribute("gen_ai.usage.cache_read.input_tokens", "int", "read from the cache")
CACHE_WRITE = _attribute("gen_ai.usage.cache_write.input_tokens", "int", "written to the cache")
REASONING_TOKENS = _attribute("gen_ai.usage.reasoning.output_tokens", "int", "spent on thinking")
MODALITY = _attribute("gen_ai.token.modality", "string", "`text`")
ATTEMPT = _attribute("tierwise.attempt.number", "int", "the attempt it belongs to, from 1")
REPLACEMENT = _attribute("tierwise.attempt.replacement", "int", "the attempt that takes over")
KIND = _attribute("tierwise.call.kind", "string", "`direct`, `draft` or `check`")
STATUS = _attribute("tierwise.call.status", "string", "`completed`, `failed` or `cancelled`")
TRIES = _attribute("tierwise.call.tries", "int", "how often the provider was asked")
IGNORED = _attribute("tierwise.call.ignored_options", "string[]", "options the model does not take")
RAW_FINISH = _attribute("tierwise.call.raw_finish_reason", "string", "the provider's own word")
ESTIMATED = _attribute("tierwise.call.estimated", "bool", "tokens were counted, not reported")
SUPERSEDED = _attribute("tierwise.superseded", "bool", "the attempt's text was withdrawn")
COST_NANO_USD = _attribute("tierwise.cost.nano_usd", "int", "this call; absent without a price")
COST_USD = _attribute("tierwise.cost.usd", "double", "the same in USD")
PRICE_BOOK = _attribute("tierwise.cost.price_book", "string", "version of the price book")
BREAKER_STATE = _attribute("tierwise.breaker.state", "string", "`closed`, `open` or `probing`")


# --- spans and events ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpanName:
    """A span: its name, its kind, the span it hangs under, its attributes and its events."""

    name: str
    kind: str
    parent: str
    meaning: str
    keys: tuple[str, ...]
    events: tuple[str, ...] = ()


ROUTE_SPAN: Final = "route"
CHECK_SPAN: Final = "confidence_check"
CHAT: Final = "chat"

CHECKED_EVENT: Final = "confidence_checked"
SUPERSEDED_EVENT: Final = "attempt_superseded"
EVALUATION_EVENT: Final = "gen_ai.evaluation.result"

PLAN_KEYS: Final = (TASK_TYPE, RULE, WHY, CASCADE, ADJUSTMENTS, TABLE_VERSION, METHOD, THRESHOLD)
_RPC_KEYS: Final = (RPC_SYSTEM, RPC_METHOD, RPC_STATUS, PEER_ADDRESS, PEER_PORT, ERROR_TYPE, REASON)
_END_KEYS: Final = (TIER, MODEL, OUTCOME, ESCALATED, ATTEMPTS, ESCALATION_REASON, FIRST_TEXT)
_CHECK_KEYS: Final = (SCORE, CONFIDENCE, CHECK_OUTCOME)
_TOTAL_KEYS: Final = (TOTAL_NANO_USD, TOTAL_USD, TOTAL_INPUT, TOTAL_OUTPUT, COUNTERFACTUAL, SAVING)
_ASKED_KEYS: Final = (OPERATION, PROVIDER, REQUEST_MODEL, STREAM, REASONING_LEVEL, IGNORED)
_CALL_KEYS: Final = (
    SERVER_ADDRESS,
    SERVER_PORT,
    TIER,
    ATTEMPT,
    KIND,
    ESCALATION_REASON,
    SUPERSEDED,
)
_ENDED_KEYS: Final = (STATUS, ERROR_TYPE, TRIES, RESPONSE_ID, FINISH_REASONS, RAW_FINISH)
_USAGE_KEYS: Final = (FIRST_CHUNK, INPUT_TOKENS, OUTPUT_TOKENS, CACHE_READ, CACHE_WRITE)
_COST_KEYS: Final = (REASONING_TOKENS, ESTIMATED, COST_NANO_USD, COST_USD, PRICE_BOOK)

EVENTS: Final[dict[str, tuple[str, ...]]] = {
    CHECKED_EVENT: (ATTEMPT, SCORE, CONFIDENCE, THRESHOLD, CHECK_OUTCOME),
    SUPERSEDED_EVENT: (ATTEMPT, REPLACEMENT, ESCALATION_REASON),
    EVALUATION_EVENT: (EVALUATION_NAME, EVALUATION_VALUE, EVALUATION_LABEL),
}

SPANS: Final = (
    SpanName(
        "<rpc.method>",
        "SERVER",
        "the caller's span",
        "One call over gRPC. `Route` has its decision here.",
        (*_RPC_KEYS, TENANT, KEY_ID, REQUEST_ID, TIER, MODEL, ESCALATED, *PLAN_KEYS),
    ),
    SpanName(
        ROUTE_SPAN,
        "INTERNAL",
        "<rpc.method>",
        "One task from its decision to its end, with the totals.",
        (
            REQUEST_ID,
            DRAFT_DELIVERY,
            ERROR_TYPE,
            *PLAN_KEYS,
            *_CHECK_KEYS,
            *_END_KEYS,
            *_TOTAL_KEYS,
        ),
        (CHECKED_EVENT, SUPERSEDED_EVENT),
    ),
    SpanName(
        CHECK_SPAN,
        "INTERNAL",
        ROUTE_SPAN,
        "The check of one draft.",
        (ATTEMPT, METHOD, THRESHOLD, SCORE, CONFIDENCE, ERROR_TYPE),
        (EVALUATION_EVENT,),
    ),
    SpanName(
        f"{CHAT} <gen_ai.request.model>",
        "CLIENT",
        f"{ROUTE_SPAN} or {CHECK_SPAN}",
        "One call to a model, with what it used and cost.",
        (*_ASKED_KEYS, *_CALL_KEYS, *_ENDED_KEYS, *_USAGE_KEYS, *_COST_KEYS),
    ),
)
