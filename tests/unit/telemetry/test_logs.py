"""Log lines: JSON, with the ids of the trace, and never a secret, a prompt or an answer."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import a_task
from tests.unit.telemetry.recording import GENERATE, PEER, Recording
from tierwise_server.errors import InvalidRequest, TierwiseError
from tierwise_server.telemetry import configure_logging
from tierwise_server.telemetry.logs import Renderer
from tierwise_server.telemetry.redaction import REDACTED, safe_value, without_credentials

KEY = "sk-ant-" + "api03-CANARY-0123456789abcdef"
PROMPT = "canary: what the customer wrote"


@dataclass
class Log:
    """What was logged."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def logging_to(level: str = "info", *, quote_exceptions: bool = False) -> Iterator[Log]:
    """Collect what is logged; read it after the context has ended."""
    stream = io.StringIO()
    configured = configure_logging(level, stream=stream, quote_exceptions=quote_exceptions)
    try:
        yield Log(stream)
    finally:
        configured.close(10)


def test_a_line_is_json_with_time_level_and_event() -> None:
    with logging_to() as log:
        structlog.get_logger("tierwise.rpc").info("rpc", method="Generate", cost_nano_usd=12)
    (line,) = log.lines
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    assert (line["level"], line["event"], line["logger"]) == ("info", "rpc", "tierwise.rpc")
    assert (line["method"], line["cost_nano_usd"]) == ("Generate", 12)
    assert line["timestamp"].endswith("+00:00")


def test_lines_below_the_level_are_not_written() -> None:
    with logging_to("warning") as log:
        logger = structlog.get_logger()
        logger.info("no")
        logger.warning("yes")
    assert [line["event"] for line in log.lines] == ["yes"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="no log level 'loud'"):
        configure_logging("loud")


async def test_lines_of_a_call_carry_the_ids_of_its_trace() -> None:
    with logging_to() as log:
        span = Recording().telemetry.server_span(GENERATE, (), PEER)
        structlog.get_logger().info("inside")
        logging.getLogger("tierwise.x").warning("inside too")
        span.end("OK")
        structlog.get_logger().info("rpc")
    ids = {(line["trace_id"], line["span_id"]) for line in log.lines}
    assert ids == {(span.trace_id, span.span_id)}
    assert len(log.lines) == 3


def test_libraries_log_the_same_way_and_only_warnings() -> None:
    with logging_to("debug") as log:
        for name in ("grpc._cython.cygrpc", "aiohttp.server", "httpx2", "anthropic"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.debug("Request options: %s", PROMPT)
            logger.info("POST %s", PROMPT)
            logger.warning("trouble in %s", name)
            logger.setLevel(logging.NOTSET)
    assert [line["event"] for line in log.lines] == [
        "trouble in grpc._cython.cygrpc",
        "trouble in aiohttp.server",
        "trouble in httpx2",
        "trouble in anthropic",
    ]


def test_a_record_that_cannot_be_formatted_is_still_a_line() -> None:
    with logging_to() as log:
        logging.getLogger("aiohttp").error("%d of %s", "x")
    assert log.lines[0]["event"] == "%d of %s"


def test_a_complaint_of_the_exporter_is_written_once_a_minute() -> None:
    with logging_to() as log:
        for at in range(100):
            logging.getLogger("opentelemetry.exporter.x").error("Failed to export to %s", at)
    assert [line["event"] for line in log.lines] == ["Failed to export to 0"]


def test_a_trace_context_that_is_not_valid_logs_nothing() -> None:
    with logging_to() as log:
        metadata = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"), ("tracestate", "\x1b=;;\n")]
        Recording().telemetry.server_span(GENERATE, metadata, PEER).end("OK")
    assert log.lines == []


def test_control_characters_are_escaped() -> None:
    nasty = "a\nb\r\x00\x1b[31m\x7f\x9b\u2028\u202e\ud800"
    with logging_to() as log:
        structlog.get_logger().info(nasty, task_type=nasty)
    assert log.text.count("\n") == 1
    assert log.text.strip().isascii()
    assert log.text.strip().isprintable()
    assert log.lines[0]["task_type"] == nasty


@pytest.mark.parametrize(
    "key",
    [
        *("authorization", "Authorization", "x-api-key", "api_key", "password", "headers"),
        *("metadata", "prompt", "messages", "text", "answer", "system", "content"),
    ],
)
def test_values_under_closed_keys_are_not_written(key: str) -> None:
    with logging_to() as log:
        structlog.get_logger().info("x", **{key: PROMPT})
        structlog.get_logger().info("x", nested={"deeper": [{key: PROMPT}]})
    assert PROMPT not in log.text
    assert log.lines[0][key] == REDACTED


def test_credentials_are_not_written_wherever_they_stand() -> None:
    basic = "Basic " + "dXNlcjpodXNo"
    jwt = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiJodXNoIn0.c2lnbmF0dXJl"
    texts = [
        f"upstream said {KEY}",
        f"sent authorization: Bearer {KEY[7:]}",
        f"sent x-api-key: {KEY[7:]}",
        f"{basic} was refused",
        f"token {jwt}",
        "at https://user:hush@host/path",
        "GET /v1?api_key=hush&x=1",
        "AKIA" + "ABCDEFGHIJKLMNOP",
    ]
    with logging_to() as log:
        for text in texts:
            structlog.get_logger().info(text, reason=text, deep={"a": [text]})
            logging.getLogger("grpc").error("failed: %s", text)
    for secret in (KEY, KEY[7:], "dXNlcjpodXNo", jwt, "user:hush", "api_key=hush", "AKIAABC"):
        assert secret not in log.text
    assert len(log.lines) == 2 * len(texts)


def test_ordinary_text_is_left_as_it_is() -> None:
    for text in ("task sk-1", "ask-me-anything-about-this-here", "Bearer", "https://host/a@b"):
        assert without_credentials(text) == text


def test_exceptions_are_named_and_placed_but_not_quoted() -> None:
    with logging_to() as log:
        try:
            json.loads(f'{{"messages": "{PROMPT}')
        except ValueError:
            structlog.get_logger().exception("internal_error", method="Generate")
            logging.getLogger("grpc").exception("Unexpected")
    assert PROMPT not in log.text
    for line in log.lines:
        assert line["exception"]["type"] == "json.decoder.JSONDecodeError"
        assert "test_logs.py" in line["exception"]["at"][0]
        assert "text" not in line["exception"]


def test_exceptions_known_to_quote_nobody_are_quoted() -> None:
    with logging_to() as log:
        structlog.get_logger().error("x", exc_info=TierwiseError("two tiers are alike"))
        structlog.get_logger().error("x", exc_info=OSError(98, "address in use"))
    assert [line["exception"]["text"] for line in log.lines] == [
        "two tiers are alike",
        "[Errno 98] address in use",
    ]


def test_exceptions_are_quoted_when_asked_for() -> None:
    with logging_to(quote_exceptions=True) as log:
        structlog.get_logger().error("x", exc_info=ValueError(PROMPT))
    assert log.lines[0]["exception"]["text"] == PROMPT


def test_groups_and_causes_are_told() -> None:
    with logging_to() as log:
        try:
            try:
                raise KeyError(PROMPT)
            except KeyError as error:
                group = ExceptionGroup(PROMPT, [ValueError(PROMPT), TimeoutError()])
                raise group from error
        except ExceptionGroup:
            structlog.get_logger().exception("x")
    told = log.lines[0]["exception"]
    assert [member["type"] for member in told["group"]] == [
        "builtins.ValueError",
        "builtins.TimeoutError",
    ]
    assert told["cause"]["type"] == "builtins.KeyError"
    assert PROMPT not in log.text


def test_objects_are_named_and_never_shown() -> None:
    with logging_to() as log:
        structlog.get_logger().info("x", task=a_task(text=PROMPT), error=InvalidRequest(()))
    assert log.lines[0]["task"] == "<Task>"
    assert PROMPT not in log.text


def test_long_values_are_cut() -> None:
    assert len(str(safe_value("x", "a" * 10_000))) < 2100
    assert safe_value("x", [[[[[[1]]]]]]) == [[[["<list>"]]]]


def test_logging_is_put_back_as_it_was() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    with logging_to():
        assert root.handlers != before[0]
    assert (root.handlers, root.level) == before
    assert not structlog.is_configured()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text(), st.dictionaries(st.text(min_size=1), json_values))
def test_whatever_is_logged_is_one_line_of_printable_json(
    event: str, fields: Mapping[str, object]
) -> None:
    line = Renderer().line("info", "x", event, fields, None)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line, parse_constant=pytest.fail)["level"] == "info"
