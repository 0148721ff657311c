"""What the OTEL_* variables say, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tierwise_server.errors import ConfigurationError
from tierwise_server.telemetry import TelemetrySettings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def settings(environ: Mapping[str, str]) -> TelemetrySettings:
    return TelemetrySettings.from_environment(environ)


def faults_of(environ: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        settings(environ)
    return {fault.path: fault.message for fault in raised.value.faults}


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, set(), set()),
        ({ENDPOINT: ""}, set(), set()),
        ({ENDPOINT: "http://c:4317"}, {"otlp"}, {"otlp"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, {"otlp"}, set()),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4317"}, set(), {"otlp"}),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, {"otlp"}, set()),
        ({"OTEL_TRACES_EXPORTER": "console"}, {"console"}, set()),
        ({"OTEL_METRICS_EXPORTER": " OTLP , console "}, set(), {"otlp", "console"}),
        ({ENDPOINT: "http://c:4317", "OTEL_TRACES_EXPORTER": "none"}, set(), {"otlp"}),
        ({ENDPOINT: "http://c:4317", "OTEL_SDK_DISABLED": "true"}, set(), set()),
        ({ENDPOINT: "http://c:4317", "OTEL_SDK_DISABLED": "false"}, {"otlp"}, {"otlp"}),
    ],
)
def test_exporting_is_on_only_when_asked_for(
    environ: dict[str, str], traces: set[str], metrics: set[str]
) -> None:
    read = settings(environ)
    assert set(read.trace_exporters) == traces
    assert set(read.metric_exporters) == metrics


def test_a_signals_own_variables_win() -> None:
    read = settings(
        {
            ENDPOINT: "http://all:4317",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://metrics:4317",
            "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=2",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "500",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "false",
        }
    )
    assert (read.traces.endpoint, read.metrics.endpoint) == (
        "http://all:4317",
        "https://metrics:4317",
    )
    assert (read.traces.headers, read.metrics.headers) == ("a=2", "a=1")
    assert (read.traces.timeout_s, read.metrics.timeout_s) == (2.0, 0.5)
    assert (read.traces.insecure, read.metrics.insecure) == (False, True)


def test_the_resource_is_named_by_the_most_specific_variable() -> None:
    attributes = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,team=search%20and%2Fmore, zone = z1 "}
    assert settings({}).resource["service.name"] == "tierwise"
    assert settings(attributes).resource == {
        "service.name": "a",
        "team": "search and/more",
        "zone": "z1",
    }
    both = settings({**attributes, "OTEL_SERVICE_NAME": "b"})
    assert both.resource["service.name"] == "b"


def test_queue_and_intervals_are_read_in_milliseconds() -> None:
    read = settings(
        {
            "OTEL_BSP_MAX_QUEUE_SIZE": "64",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "OTEL_METRIC_EXPORT_INTERVAL": "1500",
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
        }
    )
    assert (read.max_waiting_spans, read.batch_spans) == (64, 16)
    assert (read.export_delay_s, read.metric_interval_s) == (0.25, 1.5)
    assert (read.sampler, read.sample_ratio) == ("traceidratio", 0.25)


def test_every_fault_is_found_at_once() -> None:
    faults = faults_of(
        {
            "OTEL_TRACES_EXPORTER": "zipkin",
            "OTEL_BSP_MAX_QUEUE_SIZE": "0",
            "OTEL_BSP_SCHEDULE_DELAY": "soon",
            "OTEL_METRIC_EXPORT_INTERVAL": "nan",
            "OTEL_TRACES_SAMPLER": "sometimes",
            "OTEL_TRACES_SAMPLER_ARG": "1.5",
            "OTEL_RESOURCE_ATTRIBUTES": "team",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "brotli",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "10",
        }
    )
    assert len(faults) == 10
    assert faults["OTEL_TRACES_EXPORTER"] == "knows console, none, otlp, not zipkin"
    assert faults["OTEL_EXPORTER_OTLP_PROTOCOL"].startswith("only grpc is built in")
    assert faults["OTEL_TRACES_SAMPLER_ARG"] == "is not a number from 0 to 1: '1.5'"


def test_a_timeout_in_seconds_is_named_as_such() -> None:
    name = "OTEL_EXPORTER_OTLP_TIMEOUT"
    assert faults_of({name: "10"}) == {name: "is in milliseconds, at least 100: 10"}


def test_what_is_disabled_need_not_be_right() -> None:
    broken = {"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "zipkin"}
    assert settings(broken) == TelemetrySettings(disabled=True)


def test_headers_are_kept_out_of_what_is_printed() -> None:
    read = settings({ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hush"})
    assert "hush" not in repr(read)
