"""Arguments win over the environment, which wins over defaults; TLS is on wherever a wire is."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tierwise_client import AsyncClient, Client, __version__
from tierwise_client._settings import read_endpoint, settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from tierwise_client._settings import Settings

DEFAULTS: dict[str, Any] = {
    "api_key": None,
    "timeout_s": 600.0,
    "tls": None,
    "root_certificates": None,
    "client_certificate": None,
    "client_key": None,
    "default_metadata": {},
    "channel_options": (),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIERWISE_ENDPOINT", raising=False)
    monkeypatch.delenv("TIERWISE_API_KEY", raising=False)


def settings(endpoint: str | None = None, **changes: Any) -> Settings:
    return settings_from(endpoint, **(DEFAULTS | changes))


def option(read: Settings, name: str) -> object:
    return dict(read.options)[name]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("127.9.9.9:1", "127.9.9.9", 1),
        ("localhost:50051", "localhost", 50051),
        ("LocalHost.:50051", "LocalHost.", 50051),
        ("[::1]:50051", "::1", 50051),
        ("dns:///localhost:50051", "localhost", 50051),
        ("dns:localhost", "localhost", None),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", "127.0.0.1", 1),
        ("ipv6:[::1]:50051", "::1", 50051),
        ("unix:/run/tierwise.sock", "/run/tierwise.sock", None),
        ("unix:///run/tierwise.sock", "/run/tierwise.sock", None),
    ],
)
def test_tls_is_off_where_no_packet_leaves_the_machine(
    text: str, host: str, port: int | None
) -> None:
    endpoint = read_endpoint(text)
    assert (endpoint.target, endpoint.host, endpoint.port) == (text, host, port)
    assert settings(text).credentials is None


@pytest.mark.parametrize(
    "text",
    [
        "router.internal:50051",
        "localhost.example.com:50051",
        "127.0.0.1.nip.example:50051",
        "10.0.0.7:50051",
        "0.0.0.0:50051",
        "[::ffff:127.0.0.1]:50051",
        "[fe80::1]:50051",
        "dns:///router.internal:50051",
        "dns://127.0.0.1/router.internal:50051",
        "DNS:///router.internal",
        "ipv4:127.0.0.1:1,10.0.0.7:2",
        "xds:///localhost",
    ],
)
def test_tls_is_on_for_every_other_host(text: str) -> None:
    assert settings(text).credentials is not None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("https://router.internal:50051", "URL"),
        ("http://localhost:50051", "URL"),
        ("router.internal", "port"),
        ("::1:50051", "host:port"),
        (":50051", "host:port"),
        ("router.internal:https", "host:port"),
        ("a/b:1", "host:port"),
        ("host:1 ", "host:port"),
    ],
)
def test_an_endpoint_that_is_none_is_refused_at_once(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Client(text)


def test_tls_may_be_chosen_by_hand() -> None:
    assert settings("127.0.0.1:50051", tls=True).credentials is not None
    assert settings("router.internal:50051", tls=False).credentials is None


def test_a_certificate_switches_tls_on(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = authority.cert_pem.bytes()
    file = tmp_path / "ca.pem"
    file.write_bytes(pem)
    assert settings(root_certificates=pem).credentials is not None
    assert settings(root_certificates=file).credentials is not None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tls": False, "root_certificates": b"pem"}, "although tls is False"),
        ({"client_certificate": b"pem"}, "together"),
        ({"client_key": b"pem"}, "together"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": math.nan}, "timeout_s"),
        ({"default_metadata": {"X-Team": "a"}}, "lower-case"),
        ({"default_metadata": {"grpc-timeout": "1S"}}, "grpc-"),
        ({"default_metadata": {"authorization": "Basic x"}, "api_key": "k"}, "not both"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        settings(**changes)


def test_a_certificate_file_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        settings(root_certificates=tmp_path / "none.pem")


def test_the_endpoint_comes_from_argument_then_environment_then_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings().endpoint.target == "127.0.0.1:50051"
    monkeypatch.setenv("TIERWISE_ENDPOINT", "router.internal:1")
    assert settings().endpoint.target == "router.internal:1"
    assert settings("other.internal:2").endpoint.target == "other.internal:2"


def test_the_key_comes_from_argument_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().metadata == ()
    monkeypatch.setenv("TIERWISE_API_KEY", "from-environment\n")
    assert settings().metadata == (("authorization", "Bearer from-environment"),)
    assert settings(api_key="given").metadata == (("authorization", "Bearer given"),)
    assert settings(api_key="").metadata == ()


@pytest.mark.parametrize("key", ["tw-sécret", "tw-secret\nx-other: 1"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as refusal:
        settings(api_key=key)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_does_not_show_its_key(kind: type[Client] | type[AsyncClient]) -> None:
    client = kind("127.0.0.1:50051", api_key="tw-secret")
    assert repr(client) == f"{kind.__name__}('127.0.0.1:50051')"
    assert "secret" not in repr(settings(api_key="tw-secret"))


def test_the_channel_says_who_calls_and_how_much_it_takes() -> None:
    read = settings()
    assert option(read, "grpc.primary_user_agent") == f"tierwise-python/{__version__}"
    assert option(read, "grpc.max_receive_message_length") == 16 * 1024 * 1024
    assert option(read, "grpc.keepalive_time_ms") == 30_000
    assert option(read, "grpc.keepalive_timeout_ms") == 10_000
    assert option(read, "grpc.keepalive_permit_without_calls") == 1


def test_a_caller_s_channel_option_replaces_ours() -> None:
    read = settings(channel_options=[("grpc.keepalive_time_ms", 5), ("grpc.enable_http_proxy", 0)])
    assert option(read, "grpc.keepalive_time_ms") == 5
    assert option(read, "grpc.enable_http_proxy") == 0
    assert len({name for name, _ in read.options}) == len(read.options)


def test_retries_are_for_our_service_and_unavailable_only() -> None:
    config = json.loads(str(option(settings(), "grpc.service_config")))
    [method] = config["methodConfig"]
    assert method["name"] == [{"service": "tierwise.v1.RouterService"}]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert method["retryPolicy"]["maxAttempts"] == 3
    assert "hedgingPolicy" not in method
    assert config["retryThrottling"] == {"maxTokens": 10, "tokenRatio": 0.1}
    assert "loadBalancingConfig" not in config


def test_a_dns_target_spreads_calls_over_all_addresses() -> None:
    read = settings("dns:///router.internal:50051")
    config = json.loads(str(option(read, "grpc.service_config")))
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
