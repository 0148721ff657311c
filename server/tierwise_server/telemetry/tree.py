"""Finished spans as a tree of text lines, for people at a terminal."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from tierwise_server.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

_MOST_SPANS: Final = 4096
_MOST_OPEN_TRACES: Final = 256


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """One span that has ended. `parent_id` is empty for a root; `error` holds what went wrong, if anything did."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    start_ns: int
    duration_s: float
    attributes: Mapping[str, object] = field(default_factory=dict)
    events: tuple[str, ...] = ()

    @property
    def error(self) -> str:
        """The error type; empty when it ended well."""
        return str(self.attributes.get(names.ERROR_TYPE, ""))


def finished(span: ReadableSpan) -> FinishedSpan:
    """Copy an ended span of the SDK."""
    context = span.get_span_context()
    start_ns, end_ns = span.start_time or 0, span.end_time or 0
    return FinishedSpan(
        trace_id="" if context is None else format_trace_id(context.trace_id),
        span_id="" if context is None else format_span_id(context.span_id),
        parent_id="" if span.parent is None else format_span_id(span.parent.span_id),
        name=span.name,
        kind=span.kind.name,
        start_ns=start_ns,
        duration_s=(end_ns - start_ns) / 1e9,
        attributes=dict(span.attributes or {}),
        events=tuple(event.name for event in span.events),
    )


class SpanCollector(SpanProcessor):
    """Keeps the newest ended spans in memory, for the demo and for tests. Safe in any thread."""

    def __init__(self, most: int = _MOST_SPANS) -> None:
        self._spans: deque[ReadableSpan] = deque(maxlen=most)
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: spans are kept when they end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        with self._lock:
            self._spans.append(span)

    def spans(self, trace_id: str = "") -> list[FinishedSpan]:
        """The kept spans of one trace, or all, in the order in which they ended."""
        with self._lock:
            kept = list(self._spans)
        spans = [finished(span) for span in kept]
        return [span for span in spans if trace_id in ("", span.trace_id)]

    def shutdown(self) -> None:
        """Nothing: what was kept can still be read."""


class TreeExporter(SpanExporter):
    """Writes each trace as a tree once its local root has ended."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._open: dict[str, list[FinishedSpan]] = {}

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the traces that are whole."""
        for span in spans:
            done = finished(span)
            self._open.setdefault(done.trace_id, []).append(done)
            if span.parent is None or span.parent.is_remote or span.kind is SpanKind.SERVER:
                for line in span_tree(self._open.pop(done.trace_id)):
                    self._out.write(line + "\n")
        while len(self._open) > _MOST_OPEN_TRACES:
            self._open.pop(next(iter(self._open)))
        self._out.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing: the stream belongs to whoever gave it."""


def span_tree(spans: Iterable[FinishedSpan]) -> list[str]:
    """Draw spans as trees, one line each: name, duration, and what matters about it.

    Spans whose parent is not among them are roots; siblings stand in the order in which they started.
    """
    known = sorted(spans, key=lambda span: span.start_ns)
    ids = {span.span_id for span in known}
    children: dict[str, list[FinishedSpan]] = {}
    for span in known:
        children.setdefault(span.parent_id if span.parent_id in ids else "", []).append(span)
    rows: list[tuple[str, FinishedSpan]] = []
    for root in children.get("", ()):
        _add_rows(rows, root, children, "", "")
    width = max((len(text) for text, _ in rows), default=0)
    return [
        f"{text:<{width}}  {_duration(span.duration_s):>8}  {summary_of(span)}".rstrip()
        for text, span in rows
    ]


def _add_rows(
    rows: list[tuple[str, FinishedSpan]],
    span: FinishedSpan,
    children: Mapping[str, list[FinishedSpan]],
    first: str,
    rest: str,
) -> None:
    rows.append((first + span.name, span))
    below = children.get(span.span_id, [])
    for child in below:
        last = child is below[-1]
        branch, trunk = ("└─ ", "   ") if last else ("├─ ", "│  ")
        _add_rows(rows, child, children, rest + branch, rest + trunk)


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def summary_of(span: FinishedSpan) -> str:
    """What matters about a span, in a few words."""
    keys: Iterable[str] = _WORDS
    if span.kind == SpanKind.SERVER.name and names.RULE not in span.attributes:
        # The route span right below says the rest.
        keys = (names.RPC_STATUS,)
    words = [word for key in keys if key in span.attributes and (word := _WORDS[key](span))]
    if span.error:
        words.append(f"error {span.error}")
    return " · ".join(words)


def _chat_tokens(span: FinishedSpan) -> str:
    output = span.attributes.get(names.OUTPUT_TOKENS, 0)
    return f"{span.attributes[names.INPUT_TOKENS]} in {output} out"


def _check_score(span: FinishedSpan) -> str:
    outcome = str(span.attributes.get(names.CHECK_OUTCOME, "")).replace("_", " ")
    return f"confidence {span.attributes[names.SCORE]}/10 {outcome}".rstrip()


def _as_is(key: str) -> Callable[[FinishedSpan], str]:
    return lambda span: str(span.attributes[key])


def _usd(key: str) -> Callable[[FinishedSpan], str]:
    return lambda span: f"${_number(span, key):.6f}"


def _number(span: FinishedSpan, key: str) -> float:
    value = span.attributes[key]
    return float(value) if isinstance(value, (int, float)) else 0.0


_WORDS: Final[Mapping[str, Callable[[FinishedSpan], str]]] = {
    names.RPC_STATUS: lambda span: f"{span.kind.lower()} {span.attributes[names.RPC_STATUS]}",
    names.TASK_TYPE: _as_is(names.TASK_TYPE),
    names.TIER: _as_is(names.TIER),
    names.KIND: _as_is(names.KIND),
    names.OUTCOME: _as_is(names.OUTCOME),
    names.SCORE: _check_score,
    names.INPUT_TOKENS: _chat_tokens,
    names.COST_USD: _usd(names.COST_USD),
    names.TOTAL_USD: _usd(names.TOTAL_USD),
    names.SUPERSEDED: lambda span: "superseded" if span.attributes[names.SUPERSEDED] else "",
}
"""What is said of an attribute, in this order."""
