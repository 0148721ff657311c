"""The table of names: complete, free of clashes, and all that the code ever uses."""

from __future__ import annotations

import re

from tests.unit.core.builders import FRONTIER, a_plan
from tests.unit.telemetry.recording import (
    GENERATE,
    PEER,
    Recording,
    Story,
    accepted,
    cancelled,
    cut_in_a_check,
    escalated,
    failed,
)
from tierwise.v1 import router_pb2
from tierwise_server.core.model import DraftDelivery, Usage
from tierwise_server.telemetry import instruments, names
from tierwise_server.telemetry.telemetry import METHODS


def recorded() -> Recording:
    """Play requests in which everything there is to tell happens."""
    recording = Recording()
    usage = Usage(100, cache_write_tokens=50, output_tokens=20, reasoning_tokens=10)
    for events in (escalated(), accepted(), failed(), cancelled(), cut_in_a_check()):
        recording.play(events, status="UNAVAILABLE", reason="UPSTREAM_INTERRUPTED")
    rare = Story(a_plan(FRONTIER)).ask(tier=FRONTIER).answer(usage=usage)
    span = recording.telemetry.server_span(GENERATE, (), PEER)
    observer = span.observer(draft_delivery=DraftDelivery.LIVE)
    for event in rare.finish():
        observer.observe(event)
    span.end("OK")
    return recording


def key_in_table(key: str) -> str:
    """Put the placeholder back where a tier's name stands in a key."""
    return re.sub(r"(counterfactual|saving)\.\w+\.", r"\1.<tier>.", key)


def test_every_span_event_and_attribute_is_in_the_table() -> None:
    by_name = {span.name.split(" ")[0]: span for span in names.SPANS}
    for span in recorded().spans():
        known = by_name.get(span.name.split(" ")[0], by_name["<rpc.method>"])
        assert span.kind.name == known.kind
        assert {key_in_table(key) for key in span.attributes or {}} <= set(known.keys), span.name
        for event in span.events:
            assert event.name in known.events
            assert set(event.attributes or {}) <= set(names.EVENTS[event.name])


def test_every_row_of_the_table_is_used() -> None:
    """All but what only special requests have, which other tests ask for by name."""
    spans = recorded().spans()
    seen = {key_in_table(key) for span in spans for key in span.attributes or {}}
    seen |= {key for span in spans for event in span.events for key in event.attributes or {}}
    only_metrics = {names.MODALITY, names.BREAKER_STATE}
    special = {names.ADJUSTMENTS, names.IGNORED, names.REASONING_LEVEL}
    special |= {names.TENANT, names.KEY_ID}
    assert seen == set(names.ATTRIBUTES) - only_metrics - special


def test_every_key_of_a_span_event_or_metric_is_described() -> None:
    used = {key for span in names.SPANS for key in span.keys}
    used |= {key for keys in names.EVENTS.values() for key in keys}
    used |= {key for metric in instruments.METRICS.values() for key in metric.keys}
    assert used == set(names.ATTRIBUTES)


def test_no_key_is_the_namespace_of_another() -> None:
    """Stores that nest attributes cannot hold both `a.b` and `a.b.c`."""
    keys = sorted(names.ATTRIBUTES)
    assert not [(a, b) for a in keys for b in keys if b.startswith(f"{a}.")]


def test_no_key_stands_twice_on_a_span() -> None:
    assert not [span.name for span in names.SPANS if len(set(span.keys)) != len(span.keys)]


def test_buckets_ascend() -> None:
    for metric in instruments.METRICS.values():
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) is (metric.instrument == "histogram")


def test_streams_of_ten_minutes_have_a_bucket() -> None:
    assert instruments.RPC_DURATION.buckets[-1] == 600


def test_every_method_of_the_service_has_its_name_on_spans() -> None:
    service = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
    assert {f"{service.full_name}/{method.name}" for method in service.methods} == METHODS
