"""Where the server is and how to reach it: arguments, environment and defaults, checked once."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import grpc

from tierwise_client._options import checked_timeout_s
from tierwise_client._version import __version__

DEFAULT_ENDPOINT = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S = 600.0
ENDPOINT_VARIABLE = "TIERWISE_ENDPOINT"
API_KEY_VARIABLE = "TIERWISE_API_KEY"
SERVICE = "tierwise.v1.RouterService"

Pem: TypeAlias = bytes | Path
ChannelOption: TypeAlias = tuple[str, int | str]
Metadatum: TypeAlias = tuple[str, str | bytes]

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_KEEPALIVE_MS = 30_000
_KEEPALIVE_TIMEOUT_MS = 10_000

# gRPC's own target schemes (its naming document); what follows a scheme's colon is not a port.
_SCHEME = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|passthrough):", re.IGNORECASE)
_LOCAL_SCHEMES = {"unix", "unix-abstract"}
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]/]+))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A gRPC target, read.

    Attributes:
        target: what gRPC is given.
        host: the host's name or address (of several, the first), or a socket's path.
        port: None when the target has none.
        loopback: no packet to it leaves this machine.
    """

    target: str
    host: str
    port: int | None
    loopback: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a channel and its calls need.

    Attributes:
        endpoint: the server.
        credentials: for TLS; None sends in the clear.
        options: channel options.
        metadata: sent with every call; holds the key.
        timeout_s: default deadline of a call; `math.inf` for none.
    """

    endpoint: Endpoint
    credentials: grpc.ChannelCredentials | None
    options: tuple[ChannelOption, ...]
    metadata: tuple[Metadatum, ...] = field(repr=False)
    timeout_s: float


def settings_from(
    endpoint: str | None,
    *,
    api_key: str | None,
    timeout_s: float,
    tls: bool | None,
    root_certificates: Pem | None,
    client_certificate: Pem | None,
    client_key: Pem | None,
    default_metadata: Mapping[str, str | bytes],
    channel_options: Sequence[ChannelOption],
) -> Settings:
    """Return the settings that arguments, environment and defaults amount to, in this order.

    Raises:
        ValueError: an argument or a variable makes no sense; a key's text is never in the message.
        OSError: a certificate file cannot be read.
    """
    server = read_endpoint(endpoint or os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT)
    key = os.environ.get(API_KEY_VARIABLE, "") if api_key is None else api_key
    certificates = (root_certificates, client_certificate, client_key)
    return Settings(
        endpoint=server,
        credentials=_credentials(server, tls, certificates),
        options=_options(server, channel_options),
        metadata=_metadata(key, default_metadata),
        timeout_s=checked_timeout_s(timeout_s),
    )


def read_endpoint(text: str) -> Endpoint:
    """Return the endpoint that `host:port` or a gRPC target means.

    Raises:
        ValueError: it is neither.
    """
    if "://" in text and not _SCHEME.match(text):
        raise ValueError(f"endpoint {text!r} is a URL; write host:port (TLS is an argument: tls=)")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _host_endpoint(text)
    name = scheme[1].lower()
    address = text[scheme.end() :]
    if name in _LOCAL_SCHEMES:
        return Endpoint(text, address.removeprefix("//"), None, loopback=True)
    # dns://resolver/host:port: what is dialled comes last.
    hosts = [_host_and_port(part) for part in address.rpartition("/")[2].split(",")]
    is_local = name != "xds" and all(_is_loopback(host) for host, _ in hosts)
    return Endpoint(text, *hosts[0], loopback=is_local)


def _host_endpoint(text: str) -> Endpoint:
    host, port = _host_and_port(text)
    if port is None:
        raise ValueError(f"endpoint {text!r} has no port; write host:port")
    return Endpoint(text, host, port, _is_loopback(host))


def _host_and_port(text: str) -> tuple[str, int | None]:
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise ValueError(f"endpoint {text!r} is not host:port; an IPv6 address stands in brackets")
    return match["v6"] or match["host"], int(match["port"]) if match["port"] else None


def _is_loopback(host: str) -> bool:
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(
    server: Endpoint, tls: bool | None, certificates: tuple[Pem | None, Pem | None, Pem | None]
) -> grpc.ChannelCredentials | None:
    """Return TLS credentials, or None where the call may go in the clear."""
    has_certificates = any(certificates)
    if tls is None:
        tls = has_certificates or not server.loopback
    if not tls:
        if has_certificates:
            raise ValueError("certificates were given although tls is False")
        return None
    root, chain, key = (_pem(part) for part in certificates)
    if (chain is None) is not (key is None):
        raise ValueError("client_certificate and client_key are given together or not at all")
    return grpc.ssl_channel_credentials(root, key, chain)


def _pem(part: Pem | None) -> bytes | None:
    return part.read_bytes() if isinstance(part, Path) else part


def _options(server: Endpoint, extra: Sequence[ChannelOption]) -> tuple[ChannelOption, ...]:
    """Return the channel's options: the caller's replace ours of the same name."""
    ours: dict[str, int | str] = {
        "grpc.primary_user_agent": f"tierwise-python/{__version__}",
        "grpc.max_receive_message_length": _MAX_MESSAGE_BYTES,
        "grpc.max_send_message_length": _MAX_MESSAGE_BYTES,
        # A request that does not fit here is not retried; gRPC's own 256 KiB is less than a long prompt.
        "grpc.per_rpc_retry_buffer_size": _MAX_MESSAGE_BYTES,
        "grpc.keepalive_time_ms": _KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": _KEEPALIVE_TIMEOUT_MS,
        "grpc.keepalive_permit_without_calls": 1,
        # A model may think for minutes without a byte; gRPC's own limit is two pings without data.
        "grpc.http2.max_pings_without_data": 0,
        "grpc.http2.ping_timeout_ms": _KEEPALIVE_TIMEOUT_MS,
        "grpc.service_config": json.dumps(service_config(server)),
    }
    return tuple((ours | dict(extra)).items())


def service_config(server: Endpoint) -> dict[str, object]:
    """Return gRPC's service config: retry before the first message only, and never storm."""
    config: dict[str, object] = {
        "methodConfig": [
            {
                "name": [{"service": SERVICE}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        # gRFC A6: no retries once half of these tokens are spent; a success gives a tenth back.
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
    if server.target.lower().startswith("dns:"):
        config["loadBalancingConfig"] = [{"round_robin": {}}]
    return config


def _metadata(api_key: str, default: Mapping[str, str | bytes]) -> tuple[Metadatum, ...]:
    for name in default:
        if name != name.lower() or name.startswith("grpc-"):
            raise ValueError(
                f"metadata name {name!r} must be lower-case and not begin with 'grpc-'"
            )
    key = api_key.strip()
    if not key:
        return tuple(default.items())
    if "authorization" in default:
        raise ValueError("give api_key or an authorization entry in default_metadata, not both")
    if not (key.isascii() and key.isprintable()):
        raise ValueError("api_key has characters that cannot be sent in a header")
    return (*default.items(), ("authorization", f"Bearer {key}"))
