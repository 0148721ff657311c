"""What the API is sent: bodies that each model takes, headers that it needs, and nothing to anyone else."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trustme
import yarl

from tests.contract.anthropic_calls import CANARY, ask, failure_of, provider_at, text_of
from tests.contract.raw_upstream import raw_upstream, response
from tests.unit.providers.anthropic import message_streams as streams
from tests.unit.providers.calls import (
    CALL,
    HAIKU_4_5,
    HAIKU_5_5,
    OPUS_4_8,
    OPUS_5_5,
    QUESTION,
    SONNET_4_6,
)
from tierwise_server.core.confidence import SCORE_SCHEMA, Score, check_prompt, read_score
from tierwise_server.core.model import CallKind, FinishReason, Model, ThinkingForm
from tierwise_server.core.model_facts import Lifecycle, ModelFacts
from tierwise_server.errors import Reason
from tierwise_server.providers.anthropic import Connections, Proxy
from tierwise_server.providers.base import Completed, ModelCall
from tierwise_server.simulator import Simulator

THINKING = replace(CALL, thinking=ThinkingForm.ADAPTIVE, effort="high")


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


@pytest.mark.parametrize(
    "call",
    [
        CALL,
        replace(CALL, temperature=0.0, stop_sequences=("END",)),
        replace(
            CALL,
            max_output_tokens=4096,
            thinking=ThinkingForm.BUDGET,
            thinking_budget_tokens=1024,
        ),
        replace(THINKING, model=SONNET_4_6),
        replace(THINKING, model=OPUS_4_8, temperature=0.5, top_p=0.5),
        replace(CALL, model=OPUS_4_8),
        replace(THINKING, model=HAIKU_5_5),
        replace(CALL, model=HAIKU_5_5),
        replace(CALL, model=OPUS_5_5),
    ],
    ids=lambda call: f"{call.model.id} {call.thinking.value}",
)
async def test_every_models_call_is_accepted(call: ModelCall) -> None:
    script = {"rules": [{"answer": "Yes.", "stream": True}]}
    async with Simulator(script) as simulator, provider_at(simulator.base_url) as provider:
        heard = await ask(provider, call)
        assert text_of(heard) == "Yes."
        last = heard[-1]
        assert isinstance(last, Completed)
        assert last.usage is not None
        assert (last.usage.reasoning_tokens > 0) == (
            call.thinking is not ThinkingForm.NONE or call.model.always_thinks
        )
        assert simulator.journal.messages[0].model == call.model.id


@pytest.mark.parametrize("model", [HAIKU_4_5, SONNET_4_6, OPUS_4_8, HAIKU_5_5])
@pytest.mark.parametrize("structured", [True, False])
async def test_a_check_is_seen_as_one_and_its_score_is_readable(
    model: Model, structured: bool
) -> None:
    call = ModelCall(
        CallKind.CHECK,
        model,
        check_prompt(QUESTION, "A class of models.", structured=structured),
        max_output_tokens=64,
        schema=SCORE_SCHEMA if structured else None,
    )
    script = {"defaults": {"confidence": 7}}
    async with Simulator(script) as simulator, provider_at(simulator.base_url) as provider:
        text = text_of(await ask(provider, call))
        assert simulator.journal.messages[0].kind == "check"
    assert read_score(text, structured=structured) == Score(7)


async def test_a_stop_sequence_is_told() -> None:
    call = replace(CALL, stop_sequences=("three",))
    script = {"rules": [{"answer": "one two three four"}]}
    async with Simulator(script) as simulator, provider_at(simulator.base_url) as provider:
        heard = await ask(provider, call)
    assert text_of(heard) == "one two "
    assert isinstance(heard[-1], Completed)
    assert heard[-1].finish_reason is FinishReason.STOP_SEQUENCE


async def test_the_headers_say_what_they_must_and_one_try_is_all() -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with Simulator() as simulator, provider_at(simulator.base_url) as provider:
        await ask(provider, replace(CALL, headers=trace))
        (entry,) = simulator.journal.messages
    assert entry.headers["traceparent"] == trace["traceparent"]
    assert entry.headers["accept-encoding"] == "identity"
    assert entry.headers["anthropic-version"] >= "2026-10-21"
    assert entry.headers["x-stainless-retry-count"] == "0"
    assert "idempotency-key" not in entry.headers


async def test_sampling_options_go_to_the_api_version_that_has_them() -> None:
    async with Simulator() as simulator, provider_at(simulator.base_url) as provider:
        await ask(provider, replace(CALL, temperature=0.5))
        (entry,) = simulator.journal.messages
    assert entry.headers["anthropic-version"] == "2023-06-01"


async def test_a_prompt_of_megabytes_is_sent_whole() -> None:
    call = replace(CALL, model=SONNET_4_6, prompt=replace(QUESTION, system="word " * 400_000))
    async with Simulator() as simulator, provider_at(simulator.base_url) as provider:
        await ask(provider, call)
        assert simulator.journal.messages[0].input_tokens > 300_000


async def test_a_cookie_is_not_kept() -> None:
    raw = response(streams.SHORT, more="set-cookie: a=b; path=/\r\n")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        await ask(provider)
        await ask(provider)
    assert not any(b"cookie" in head.lower() for head in upstream.requests)


async def test_a_proxy_gets_its_own_credentials_and_never_the_key() -> None:
    async with raw_upstream(b"HTTP/1.1 200 OK\r\n\r\n", b"no TLS") as server:
        proxy = Proxy(yarl.URL(server.base_url), {"Proxy-Authorization": "Basic eDp5"})
        connections = Connections(proxy=proxy)
        async with provider_at("https://api.example", connections=connections) as provider:
            assert (await failure_of(provider)).reason is Reason.UPSTREAM_UNAVAILABLE
    (head,) = server.requests
    assert head.startswith(b"CONNECT api.example:443 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic edp5" in head.lower()
    assert CANARY.encode() not in head


def test_the_environments_proxy_is_used_but_not_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass@proxy.example:3128")
    proxy = Connections.from_environment("https://api.anthropic.com").proxy
    assert proxy is not None
    assert str(proxy.url) == "http://proxy.example:3128"
    assert proxy.headers == {"Proxy-Authorization": "Basic dXNlcjpwYXNz"}
    assert "dXNlc" not in repr(proxy)
    assert Connections.from_environment("https://localhost:8443").proxy is None
    assert Connections.from_environment("http://api.example").proxy is None
    monkeypatch.setenv("NO_PROXY", "api.anthropic.com")
    assert Connections.from_environment("https://api.anthropic.com").proxy is None


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("name", "trusted", "served"),
    [("localhost", True, True), ("elsewhere.example", True, False), ("localhost", False, False)],
)
async def test_only_a_server_that_proves_its_name_gets_the_key(
    name: str, trusted: bool, served: bool
) -> None:
    authority = trustme.CA()
    client_tls = ssl.create_default_context()
    if trusted:
        authority.configure_trust(client_tls)
    connections = Connections(tls=client_tls)
    async with raw_upstream(response(streams.SHORT), tls=server_tls(authority, name)) as server:
        url = f"https://localhost:{server.port}"
        async with provider_at(url, connections=connections) as provider:
            if served:
                assert text_of(await ask(provider)) == streams.SHORT_TEXT
            else:
                assert (await failure_of(provider)).reason is Reason.UPSTREAM_UNAVAILABLE
    assert any(CANARY.encode() in head for head in server.requests) == served


async def test_models_are_described_by_the_name_they_were_asked_for() -> None:
    names = ("claude-haiku-4-5", "claude-sonnet-4-20250514", "no-such-model", "claude-opus-4-8")
    async with Simulator() as simulator, provider_at(simulator.base_url) as provider:
        alias, retired, opus = await provider.model_facts(*names)
        assert simulator.journal.messages == ()
    assert alias.id == "claude-haiku-4-5"
    assert alias.lifecycle is Lifecycle.ACTIVE
    assert (alias.context_tokens, alias.max_output_tokens) == (200_000, 64_000)
    assert alias.thinking_types == frozenset({"disabled", "enabled"})
    assert alias.efforts == frozenset()
    assert retired.lifecycle is Lifecycle.RETIRED
    assert retired.retires_at_s == 1_781_481_600
    assert retired.takes_structured_output is False
    assert opus.takes_structured_output is True
    assert opus.efforts == frozenset({"low", "medium", "high", "xhigh", "max"})


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"<html>", "200 OK", Reason.UPSTREAM_PROTOCOL),
        (b"{}", "401 Unauthorized", Reason.UPSTREAM_AUTH),
    ],
)
async def test_models_that_cannot_be_described_are_a_failure(
    body: bytes, status: str, reason: Reason
) -> None:
    raw = response(body, status=status, content_type="application/json")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        with pytest.raises(Exception, match="provider") as caught:
            await provider.model_facts("claude-opus-4-8")
    assert getattr(caught.value, "reason", None) is reason


async def test_facts_that_make_no_sense_are_no_facts() -> None:
    body = json.dumps({"lifecycle": 7, "max_tokens": -1, "retires_at": "soon", "capabilities": []})
    raw = response(body.encode(), content_type="application/json")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        (facts,) = await provider.model_facts("claude-opus-4-8")
    assert facts == ModelFacts("claude-opus-4-8")
