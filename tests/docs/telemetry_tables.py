"""The tables of docs/guides/telemetry.md, made from telemetry/names.py."""

from __future__ import annotations

from collections.abc import Iterable

from tierwise_server.telemetry import instruments, names


def tables() -> str:
    """Every span, event, attribute and metric, as the guide shows them."""
    return "\n\n".join([*(_span(span) for span in names.SPANS), _events(), _metrics()])


def _span(span: names.SpanName) -> str:
    events = f" Events: {_codes(span.events)}." if span.events else ""
    head = f"### `{span.name}`\n\n{span.kind}, under {_parent(span)}. {span.meaning}{events}"
    return f"{head}\n\n{_attributes(span.keys)}"


def _parent(span: names.SpanName) -> str:
    if span.parent.startswith("the "):
        return span.parent
    return " or ".join(f"`{name}`" for name in span.parent.split(" or "))


def _events() -> str:
    return "\n\n".join(
        f"### Event `{name}`\n\n{_attributes(keys)}" for name, keys in names.EVENTS.items()
    )


def _attributes(keys: Iterable[str]) -> str:
    rows = [names.ATTRIBUTES[key] for key in keys]
    return _table(
        ("attribute", "type", "meaning"),
        [(f"`{row.key}`", row.type, row.meaning) for row in rows],
    )


def _metrics() -> str:
    rows = [
        (f"`{metric.name}`", metric.instrument, metric.unit, metric.meaning, _codes(metric.keys))
        for metric in instruments.METRICS.values()
    ]
    head = ("metric", "instrument", "unit", "meaning", "attributes")
    return f"## Metrics\n\n{_table(head, rows)}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
