"""The command line as users run it: real processes, exit codes, one-line errors, signals."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import Program, run, running, simulating
from tierwise_client import Client, UnavailableError

KEY = "sk-ant-canary-of-the-program"
SCRIPT = """
[[rules]]
contains = "slowly"
chunks = ["a ", "b ", "c ", "d "]
delta_interval_s = 0.3

[[rules]]
answer = "Paris"
"""


@contextmanager
def a_server(tmp_path: Path, **extra: str) -> Iterator[tuple[Program, str]]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    with simulating("--script", str(script)) as upstream:
        variables = {
            "ANTHROPIC_API_KEY": KEY,
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
            "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
            "TIERWISE_SERVER__DRAIN_DELAY_S": "0",
            **extra,
        }
        with running("serve", **variables) as server:
            yield server, server.until("serving on ").rpartition(" ")[2]


def test_a_task_from_the_terminal(tmp_path: Path) -> None:
    with a_server(tmp_path) as (_, endpoint):
        done = run(
            "generate", "The capital of France?", "-t", "answer_faq", TIERWISE_ENDPOINT=endpoint
        )
        assert (done.returncode, done.stdout) == (0, "Paris\n")
        assert "efficient" in done.stderr
        assert "$0.0000" in done.stderr
        routed = run("route", "Hello", "-t", "plan_architecture", TIERWISE_ENDPOINT=endpoint)
        assert routed.returncode == 0
        assert "reasoning (claude-opus-4-8)" in routed.stdout


def test_a_live_draft_from_the_terminal(tmp_path: Path) -> None:
    with a_server(tmp_path) as (_, endpoint):
        words = ("generate", "Hello", "--escalation", "--live", "--threshold", "1")
        done = run(*words, TIERWISE_ENDPOINT=endpoint)
        assert done.returncode == 0
        assert "attempt 1 is withdrawn" in done.stderr


def test_a_drain_lets_a_running_stream_finish(tmp_path: Path) -> None:
    with a_server(tmp_path) as (server, endpoint), Client(endpoint) as client:
        with client.stream("Count slowly.") as stream:
            texts = iter(stream.text)
            assert next(texts) == "a "
            server.process.send_signal(signal.SIGTERM)
            server.until('"draining"')
            assert "".join(texts) == "b c d "
        assert server.ended() == 0
        with pytest.raises(UnavailableError):
            client.generate("Too late?", timeout_s=3)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with a_server(tmp_path, TIERWISE_SERVER__DRAIN_DELAY_S="60") as (server, _):
        server.process.send_signal(signal.SIGTERM)
        server.until('"draining"')
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 0


def test_logs_are_json_with_ids_and_without_texts(tmp_path: Path) -> None:
    with a_server(tmp_path) as (server, endpoint):
        run("generate", "a-canary-in-the-prompt", TIERWISE_ENDPOINT=endpoint)
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 0
    text = "".join(server.said)
    assert "a-canary-in-the-prompt" not in text
    assert "Paris" not in text
    assert KEY not in text
    assert '"status":"OK"' in text


def one_line(text: str) -> str:
    [line] = text.strip().splitlines()
    assert line.startswith("tierwise: ")
    return line


def test_no_server_is_one_clear_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
        done = run("generate", "Hello", TIERWISE_ENDPOINT=endpoint)
    assert done.returncode == 1
    assert "UNAVAILABLE" in one_line(done.stderr)


def test_no_key_is_one_clear_line() -> None:
    done = run("serve", TIERWISE_SERVER__LISTEN="127.0.0.1:0")
    assert done.returncode == 2
    assert "ANTHROPIC_API_KEY" in one_line(done.stderr)


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--listen", address, ANTHROPIC_API_KEY=KEY)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_machines_are_not_served_in_plaintext() -> None:
    done = run("serve", "--listen", "0.0.0.0:0", ANTHROPIC_API_KEY=KEY)
    assert done.returncode == 2
    assert "tls" in one_line(done.stderr).lower()


def test_check_names_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "tierwise.toml"
    file.write_text('nonsense = 1\n[server]\nlisten = "nowhere"\n[check]\ntimeout_s = -1\n')
    done = run("check", str(file))
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3
    assert all(word in done.stdout for word in ("nonsense", "server.listen", "check.timeout_s"))


def test_check_refuses_a_file_that_would_never_end(tmp_path: Path) -> None:
    deep, pipe = tmp_path / "deep.toml", tmp_path / "pipe.toml"
    deep.write_text("a." * 3000 + "b = 1\n")
    os.mkfifo(pipe)
    for file, word in ((deep, "nested too deeply"), (pipe, "no regular file")):
        done = run("check", str(file))
        assert done.returncode == 1
        (error,) = done.stdout.splitlines()
        assert error.startswith("error: ")
        assert word in error
        assert "Traceback" not in done.stderr


def test_check_is_content_with_the_defaults() -> None:
    done = run("check")
    assert done.returncode == 0
    assert "claude-haiku-4-5-20251001" in done.stdout


def test_check_asks_the_provider(tmp_path: Path) -> None:
    with simulating() as upstream:
        variables = {
            "ANTHROPIC_API_KEY": KEY,
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
        }
        assert run("check", "--online", environ=variables).returncode == 0
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(
            '[[tiers]]\nname = "efficient"\nmodel = "claude-gone-1"\n'
            '[[models]]\nid = "claude-gone-1"\nprovider = "anthropic"\ncontext_tokens = 200000\n'
            "max_output_tokens = 64000\n[prices.models.claude-gone-1]\ninput = 1\noutput = 5\n"
        )
        done = run("check", "--online", str(wrong), environ=variables)
    assert done.returncode == 1
    assert "claude-gone-1" in done.stdout


def test_the_demo_plays_to_its_end() -> None:
    done = run("demo")
    assert done.returncode == 0
    assert done.stderr == ""
    for words in ("simulated", "withdrawn", "accepted", "reasoning", "frontier alone"):
        assert words in done.stdout


@pytest.mark.parametrize("name", ["serve", "route", "generate", "check", "simulate", "demo"])
def test_every_command_has_help(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_a_wrong_option_is_no_traceback() -> None:
    done = run("generate", "--nonsense")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
