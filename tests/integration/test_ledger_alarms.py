"""What an operator is woken by when the ledger is away, on its way from a real program to a collector."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.otlp import OtlpReceiver, collector
from tests.programs import running, simulating
from tierwise_client import Client, UnavailableError
from tierwise_server.ledger.sqlite import DATABASE_FILE

SCRIPT = """
[[rules]]
chunks = ["a ", "b ", "c ", "d "]
delta_interval_s = 0.2
"""


@contextmanager
def a_server(folder: Path, receiver: OtlpReceiver) -> Iterator[str]:
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    with simulating("--script", str(script)) as upstream:
        variables = {
            "ANTHROPIC_API_KEY": "sk-ant-of-the-program",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
            "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
            "TIERWISE_LEDGER__DIRECTORY": str(folder / "data"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        }
        with running("serve", **variables) as server:
            yield server.until("serving on ").rpartition(" ")[2]


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the database's lock, as a forgotten shell does."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def until(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_a_ledger_that_is_away_shows_in_the_metrics_and_so_does_its_return(tmp_path: Path) -> None:
    with (
        collector() as receiver,
        a_server(tmp_path, receiver) as endpoint,
        Client(endpoint) as client,
    ):

        def value(metric: str, **labels: str) -> float:
            points = receiver.metrics.get(metric, ())
            wanted = {f"tierwise.{key}": label for key, label in labels.items()}.items()
            return sum(point.value for point in points if wanted <= point.attributes.items())

        until(lambda: value("tierwise.ledger.healthy") == 1)
        with client.stream("Count.", task_type="classify_intent") as stream:
            texts = iter(stream.text)
            next(texts)
            with locked(tmp_path / "data" / DATABASE_FILE):
                assert "".join(texts)
                with pytest.raises(UnavailableError) as caught:
                    client.generate("And again?", task_type="classify_intent", timeout_s=10)
                assert caught.value.reason == "LEDGER_UNAVAILABLE"
                # The call's settlement and the end of its request.
                until(lambda: value("tierwise.ledger.spilled") == 2)
                until(lambda: value("tierwise.ledger.healthy") == 0)
                assert 0 < value("tierwise.ledger.emergency.filled") < 0.001
                until(lambda: value("tierwise.failures", reason="LEDGER_UNAVAILABLE") >= 1)
        until(lambda: value("tierwise.ledger.healthy") == 1)
        assert value("tierwise.ledger.emergency.filled") == 0
        assert value("tierwise.ledger.lost") == 0
