"""What no transcript can say, through every language's client: what is sent, cancellation, deadlines, a server that
dies, retries, and streams that a server of today does not send.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
import pytest
import trustme
from google.protobuf import json_format

from tests.house.tree import ROOT
from tests.interop.driving import Called, Driver
from tests.interop.languages import Language
from tests.messages import check
from tierwise.v1 import accounting_pb2, router_pb2
from tierwise_client import __version__
from tierwise_client.testing import FakeServer, Hold, Script, answered, escalated, failed

REQUEST: Final = {
    "task_type": "answer_faq",
    "messages": [{"role": "ROLE_USER", "content": [{"text": {"text": "Hi"}}]}],
}
UNKNOWN_KIND: Final = b"\xc2\x3e\x02\x08\x01"
"""Field 1000 of GenerateResponse, holding a message: an event that no client knows."""

KIND_OF_TOMORROW: Final = b"\x10\x63"
"""Field 2 of AttemptStarted, its kind, with a value that no client has a name for."""

WAIT_S: Final = 10


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


def generating(server: FakeServer, **words: Any) -> Called:
    return {
        "call": "Generate",
        "read": "events",
        "endpoint": server.endpoint,
        "request": REQUEST,
        **words,
    }


def begun(text: str = "Hello") -> Script:
    """Return the beginning of an answer, up to its first piece of text, and then nothing."""
    return [*answered(text)[:3], Hold()]


def assert_left(server: FakeServer) -> None:
    """The server was told that its caller left."""
    assert server.calls[-1].ended.wait(WAIT_S)
    assert server.calls[-1].cancelled


def test_key_and_user_agent_are_sent(
    language: Language, driver: Driver, server: FakeServer
) -> None:
    assert "answer" in driver.play(generating(server, api_key="tw-1")).end
    sent = server.calls[0].metadata
    assert sent["authorization"] == "Bearer tw-1"
    assert str(sent["user-agent"]).startswith(f"tierwise-{language.name}/{__version__}")


@pytest.mark.usefixtures("driver")  # It builds the program that runs here in another environment.
def test_environment_names_endpoint_and_key(language: Language, server: FakeServer) -> None:
    variables = {"TIERWISE_ENDPOINT": server.endpoint, "TIERWISE_API_KEY": " tw-environment "}
    apart = Driver(language.run, **variables)
    call = {"call": "Generate", "read": "answer", "request": REQUEST}
    try:
        assert "answer" in apart.play(call).end
        assert "answer" in apart.play({**call, "api_key": "tw-argument"}).end
        assert "answer" in apart.play({**call, "api_key": ""}).end
    finally:
        apart.finish()
    keys = [received.metadata.get("authorization") for received in server.calls]
    assert keys == ["Bearer tw-environment", "Bearer tw-argument", None]


def test_no_key_is_no_header(driver: Driver, server: FakeServer) -> None:
    assert "answer" in driver.play(generating(server)).end
    assert "authorization" not in server.calls[0].metadata


def first_sent(listener: socket.socket) -> bytes:
    """Return the first byte that a caller sends; nobody is let in after it."""
    with listener:
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(WAIT_S)
        return connection.recv(1)


@pytest.mark.parametrize(("host", "first"), [("127.0.0.1", b"P"), ("[::ffff:127.0.0.1]", b"\x16")])
def test_tls_is_spoken_to_any_host_but_loopback(driver: Driver, host: str, first: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT_S)
    # An IPv4-mapped address leads here and yet is not loopback, as client/README.md has it.
    call = {
        "call": "Generate",
        "read": "answer",
        "endpoint": f"{host}:{listener.getsockname()[1]}",
        "request": REQUEST,
        "timeout_s": 5,
    }
    with ThreadPoolExecutor() as beside:
        sent = beside.submit(first_sent, listener)
        played = driver.play(call)
    assert sent.result() == first
    assert played.error["started"] is False


def test_certificate_that_nobody_vouches_for_is_refused(driver: Driver) -> None:
    own = trustme.CA().issue_cert("127.0.0.1")
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    with FakeServer(credentials=grpc.ssl_server_credentials([pair])) as server:
        endpoint = server.endpoint.replace("127.0.0.1", "[::ffff:127.0.0.1]")
        played = driver.play(generating(server, endpoint=endpoint, api_key="tw-1"))
        assert not server.calls
    wanted = {"class": "UnavailableError", "status": "UNAVAILABLE", "started": False}
    check(wanted, played.error)


def test_request_is_sent_as_it_was_asked(driver: Driver, server: FakeServer) -> None:
    request = {
        "request_id": "r1",
        "task_type": "sums",
        "system": "Answer with a number.",
        "messages": [
            {"role": "ROLE_USER", "content": [{"text": {"text": "2 + 2?"}}]},
            {"role": "ROLE_ASSISTANT", "content": [{"text": {"text": "4"}}]},
            {"role": "ROLE_USER", "content": [{"text": {"text": "A"}}, {"text": {"text": "B"}}]},
        ],
        "routing": {
            "tier": "frontier",
            "max_tier": "reasoning",
            "escalation": False,
            "confidence_threshold": 0.0,
            "max_cost_nano_usd": "9007199254740993",
        },
        "generation": {
            "max_output_tokens": 5,
            "temperature": 0.0,
            "top_p": 0.5,
            "stop_sequences": ["a", "b"],
        },
        "draft_delivery": "DRAFT_DELIVERY_LIVE",
        "labels": {"team": "search"},
    }
    driver.play(generating(server, request=request))
    sent = server.calls[0].request
    assert isinstance(sent, router_pb2.GenerateRequest)
    assert list(_named(sent, request)) == []


def _named(sent: Any, request: dict[str, Any]) -> Iterator[str]:
    """Yield in which fields what was sent is not what was asked."""
    wanted = json_format.ParseDict(request, type(sent)())
    for field in wanted.DESCRIPTOR.fields:
        if getattr(sent, field.name) != getattr(wanted, field.name):
            yield f"{field.name}: {getattr(sent, field.name)}"


def test_trace_of_the_caller_goes_to_the_server(driver: Driver, server: FakeServer) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    driver.play(generating(server, traceparent=f"00-{trace_id}-b7ad6b7169203331-01"))
    sent = str(server.calls[0].metadata["traceparent"]).split("-")
    assert (sent[1], sent[3]) == (trace_id, "01")


def test_call_without_a_limit_has_the_default(driver: Driver, server: FakeServer) -> None:
    driver.play(generating(server))
    timeout_s = server.calls[0].timeout_s
    assert timeout_s is not None
    # gRPC rounds a deadline up on the wire, to a second or so at this length.
    assert 500 < timeout_s < 606


def test_limit_of_a_call_wins_though_it_is_longer(driver: Driver, server: FakeServer) -> None:
    driver.play(generating(server, timeout_s=3600))
    timeout_s = server.calls[0].timeout_s
    assert timeout_s is not None
    assert timeout_s > 600


def test_deadline_that_passes(driver: Driver, server: FakeServer) -> None:
    server.play(begun())
    played = driver.play(generating(server, timeout_s=1))
    wanted = {
        "class": "DeadlineExceededError",
        "status": "DEADLINE_EXCEEDED",
        "reason": "",
        "started": True,
        "partial_text": "Hell",
        "request_id": "request-1",
        "summary": None,
    }
    check(wanted, played.error)
    assert_left(server)


def test_cancel_after_the_first_delta(driver: Driver, server: FakeServer) -> None:
    server.play(begun())
    played = driver.play(generating(server, cancel_after="text_delta"))
    wanted = {
        "class": "RequestCancelledError",
        "status": "CANCELLED",
        "started": True,
        "partial_text": "Hell",
    }
    check(wanted, played.error)
    assert_left(server)


def test_server_killed_mid_stream(driver: Driver) -> None:
    command = [sys.executable, "-m", "tests.interop.doomed"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as doomed:
        assert doomed.stdout is not None
        call = {
            "call": "Generate",
            "read": "events",
            "endpoint": doomed.stdout.readline().strip(),
            "request": REQUEST,
        }

        def kill_at_text(kind: str) -> None:
            if kind == "text_delta":
                doomed.kill()

        played = driver.play(call, kill_at_text)
    wanted = {
        "class": "UnavailableError",
        "status": "UNAVAILABLE",
        "reason": "",
        "started": True,
        "partial_text": "Hell",
    }
    check(wanted, played.error)


def test_nobody_listens(driver: Driver, server: FakeServer) -> None:
    server.stop()
    played = driver.play(generating(server))
    wanted = {"class": "UnavailableError", "status": "UNAVAILABLE", "started": False}
    check(wanted, played.error)


def test_failure_before_started_is_asked_again(driver: Driver, server: FakeServer) -> None:
    server.play(failed("OVERLOADED", pushback_ms=1))
    server.play(failed("OVERLOADED", pushback_ms=1))
    assert "answer" in driver.play(generating(server)).end
    assert len(server.calls) == 3


def test_failure_is_asked_again_twice_at_most(driver: Driver, server: FakeServer) -> None:
    for _ in range(4):
        server.play(failed("OVERLOADED", pushback_ms=1))
    played = driver.play(generating(server))
    check({"class": "UnavailableError", "reason": "OVERLOADED", "started": False}, played.error)
    assert len(server.calls) == 3


def test_long_prompt_is_asked_again_too(driver: Driver, server: FakeServer) -> None:
    server.play(failed("OVERLOADED", pushback_ms=1))
    text = "All work and no play. " * 100_000
    messages = [{"role": "ROLE_USER", "content": [{"text": {"text": text}}]}]
    assert "answer" in driver.play(generating(server, request={"messages": messages})).end
    assert len(server.calls) == 2


def test_failure_after_started_is_not_asked_again(driver: Driver, server: FakeServer) -> None:
    summary = accounting_pb2.GenerationSummary(cost=accounting_pb2.Cost(total_nano_usd=7))
    server.play([*answered("Hello")[:3], failed("OVERLOADED", summary=summary, pushback_ms=1)])
    played = driver.play(generating(server))
    wanted = {
        "class": "UnavailableError",
        "started": True,
        "partial_text": "Hell",
        "summary": {"cost": {"total_nano_usd": 7}},
    }
    check(wanted, played.error)
    assert len(server.calls) == 1


def test_other_failures_are_not_asked_again(driver: Driver, server: FakeServer) -> None:
    server.play(failed("RATE_LIMITED", retry_after_s=1.5, request_id="r9"))
    played = driver.play(generating(server))
    wanted = {"class": "RateLimitedError", "retry_after_s": 1.5, "request_id": "r9"}
    check(wanted, played.error)
    assert len(server.calls) == 1


def test_reason_from_the_future_goes_by_its_status(driver: Driver, server: FakeServer) -> None:
    server.play(failed("OUT_OF_PATIENCE", status=grpc.StatusCode.RESOURCE_EXHAUSTED))
    played = driver.play(generating(server))
    check({"class": "LimitError", "reason": "OUT_OF_PATIENCE"}, played.error)


def test_events_of_unknown_kinds_are_skipped(driver: Driver, server: FakeServer) -> None:
    story = answered("Hello")
    unknown = [
        router_pb2.GenerateResponse.FromString(
            router_pb2.GenerateResponse(sequence=sequence).SerializeToString() + UNKNOWN_KIND
        )
        for sequence in (1, 3)
    ]
    server.play([story[0], unknown[0], story[1], unknown[1], *story[2:]])
    played = driver.play(generating(server))
    assert played.answer["text"] == "Hello"
    kinds = ["started", "attempt_started", "text_delta", "attempt_finished", "finished"]
    assert [kind for kind, _ in played.told] == kinds


def test_words_and_fields_from_the_future_are_passed_over(
    driver: Driver, server: FakeServer
) -> None:
    story = answered("Hello")
    today = story[1]
    assert isinstance(today, router_pb2.AttemptStarted)
    newer = router_pb2.AttemptStarted.FromString(
        today.SerializeToString() + UNKNOWN_KIND + KIND_OF_TOMORROW
    )
    server.play([story[0], newer, *story[2:]])
    played = driver.play(generating(server))
    assert played.answer["text"] == "Hello"
    check({"kind": "UNSPECIFIED", "model": newer.model}, played.told[1][1])


def test_message_larger_than_the_usual_limit(driver: Driver, server: FakeServer) -> None:
    text = "0123456789abcde\n" * (5 << 16)
    story = answered("")
    delta = router_pb2.TextDelta(attempt=1, text=text)
    server.play([*story[:2], delta, *story[2:]])
    assert driver.play(generating(server, read="answer")).answer["text"] == text


def test_text_cut_between_any_two_characters(driver: Driver, server: FakeServer) -> None:
    text = "e\u0301👩\u200d👩\u200d👧 日本語 \U0001f1e9\U0001f1ea\u0000\ufffd\u2028"
    story = answered("")
    deltas = [router_pb2.TextDelta(attempt=1, text=character) for character in text]
    for read in ("events", "text", "answer"):
        server.play([*story[:2], *deltas, *story[2:]])
        played = driver.play(generating(server, read=read))
        assert played.answer["text"] == text
        assert read != "text" or "".join(played.texts) == text


def test_live_draft_is_withdrawn(driver: Driver, server: FakeServer) -> None:
    server.play(escalated("Perhaps.", "Certainly.", live=True))
    request = {**REQUEST, "draft_delivery": "DRAFT_DELIVERY_LIVE"}
    played = driver.play(generating(server, request=request))
    assert played.answer["text"] == "Certainly."
    texts = [(event["text"], event["provisional"]) for k, event in played.told if k == "text_delta"]
    assert texts == [("Perhaps.", True), ("Certainly.", False)]


def broken_streams() -> dict[str, Script]:
    story = list(answered("Hello"))
    draft = list(escalated("No.", "Yes.", live=True))
    gap = router_pb2.GenerateResponse(sequence=3)
    gap.text_delta.attempt = 1
    return {
        "gap": [*story[:2], gap, *story[3:]],
        "no-started": story[1:],
        "started-twice": [story[0], *story],
        "no-finished": story[:-1],
        "more-after-finished": [*story, story[2]],
        "withdrawn-though-held": draft,
        "final-attempt-unknown": [story[0], story[-1]],
    }


@pytest.mark.parametrize("broken", broken_streams())
def test_stream_that_breaks_the_contract(driver: Driver, server: FakeServer, broken: str) -> None:
    server.play(broken_streams()[broken])
    check({"class": "ProtocolError"}, driver.play(generating(server)).error)


def test_finished_comes_with_a_good_status_only(driver: Driver, server: FakeServer) -> None:
    server.play([*answered("Hello"), failed("INTERNAL")])
    played = driver.play(generating(server))
    check({"class": "ServerError", "partial_text": "Hello"}, played.error)
    assert "finished" not in [kind for kind, _ in played.told]
