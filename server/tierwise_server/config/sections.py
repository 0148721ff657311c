"""The sections of the file that say how the server runs: listener, upstream, checks, telemetry.

A section checks its own values as far as they need no other section and no disk. Times are in seconds.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_DAY_S: Final = 86_400
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_PRINTABLE: Final = re.compile(r"[!-~]+", re.ASCII)
_LONGEST_NAME: Final = 64
_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Section(BaseModel):
    """A table of the file: frozen, without unknown keys, and never guessing a type."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def check_name(name: str) -> str:
    """Refuse names that people could not tell apart, or that would garble a log line."""
    if not name:
        raise PydanticCustomError("name", "is empty")
    if len(name) > _LONGEST_NAME:
        raise PydanticCustomError("name", "is longer than 64 characters")
    if any(unicodedata.category(character) in _UNSEEN_CATEGORIES for character in name):
        raise PydanticCustomError("name", "holds a control or invisible character")
    if name != name.strip():
        raise PydanticCustomError("name", "begins or ends with white space")
    return name


def split_address(address: str) -> tuple[str, int] | None:
    """Split `host:port` into its parts; None for `unix:path`.

    Raises:
        ValueError: it is neither; the message says why.
    """
    if address.startswith("unix:") and len(address) > len("unix:"):
        return None
    host, colon, port = address.rpartition(":")
    if not colon or not _HOST.fullmatch(host):
        raise ValueError(
            "is not an address such as '127.0.0.1:50051', '[::1]:50051' or 'unix:PATH'"
        )
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError("has a port that is not a number from 0 to 65535")
    return host.strip("[]"), int(port)


def _check_address(address: str) -> str:
    try:
        split_address(address)
    except ValueError as error:
        raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None
    return address


def is_loopback(host: str) -> bool:
    """Whether a host can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and _PRINTABLE.fullmatch(url) is not None
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable:
        raise PydanticCustomError("base_url", "is not an http or https address")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise PydanticCustomError("base_url", "must hold no user, password, query or fragment")
    return url


def _check_host_and_port(address: str) -> str:
    if _check_address(address).startswith("unix:"):
        raise PydanticCustomError("address", "must be host:port; browsers know no sockets")
    return address


def _check_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin):
        raise PydanticCustomError(
            "origin", "is not an origin: scheme, host and port alone, such as https://app.example"
        )
    return origin


Name = Annotated[
    str,
    AfterValidator(check_name),
    Field(json_schema_extra={"minLength": 1, "maxLength": _LONGEST_NAME}),
]
Seconds = Annotated[float, Field(gt=0, le=_DAY_S)]
Pause = Annotated[float, Field(ge=0, le=_DAY_S)]
Origin = Annotated[str, AfterValidator(_check_origin)]
FilePath = Annotated[Path, Field(strict=False)]


class TlsSettings(Section):
    """Encryption of the listener. Without a certificate the port is plaintext.

    Attributes:
        cert_file: the server's certificate chain, PEM.
        key_file: the certificate's private key, PEM.
        client_ca_file: with it, every client must show a certificate that this authority signed, PEM.
    """

    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    client_ca_file: FilePath | None = None

    @property
    def enabled(self) -> bool:
        """Whether the port is encrypted."""
        return self.cert_file is not None


class WebSettings(Section):
    """A second port for browsers and curl, with the listener's certificates. It needs the extra `web`.

    Attributes:
        listen: `host:port` (port 0: the system picks one) or `[ipv6]:port`; without it there is no such port.
        allowed_origins: pages of these origins (`https://app.example`) may call it; without any, only its own.
        hosts: names it answers to; without any, a loopback port answers to loopback names, another to every name.
    """

    listen: Annotated[str, AfterValidator(_check_host_and_port)] | None = None
    allowed_origins: Annotated[tuple[Origin, ...], Field(strict=False)] = ()
    hosts: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`, which is there."""
        return split_address(self.listen or "") or ("", 0)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.listen is None or is_loopback(self.address[0])


class ServerSettings(Section):
    """The listener and its limits.

    Attributes:
        listen: `host:port` (port 0: the system picks one), `[ipv6]:port` or `unix:PATH`.
        tls: certificate files.
        web: a port for browsers and curl beside it.
        allow_insecure_bind: lets the server listen beyond this machine without TLS.
        reflection: whether the port lists its own services; without a value, only on loopback.
        max_message_bytes: the longest request or response.
        max_concurrent_streams: requests at once on one connection.
        keepalive_time_s: a silent connection is pinged after this long.
        keepalive_timeout_s: a ping unanswered for this long closes the connection.
        ping_timeout_s: the same for the pings that the transport sends of its own accord.
        handshake_timeout_s: a connection that has not finished its handshake by then is closed.
        max_connection_age_s: a connection is asked to reconnect after this long, so that load spreads.
        max_connection_age_grace_s: how long its running requests may take after that.
        reuse_port: lets several processes share the port.
        drain_delay_s: at shutdown, how long to report NOT_SERVING before new connections are refused.
        drain_grace_s: at shutdown, how long running requests may take to finish.
        max_request_s: a request is ended after this long, whatever deadline its caller set.
        max_concurrent_requests: tasks that run at once; one more is turned away at once, as UNAVAILABLE.
        heartbeat_s: a stream that has been silent this long sends a heartbeat.
        watch_files_s: how often the files are looked at for changes to take over; with 0, only SIGHUP does that.
    """

    listen: Annotated[str, AfterValidator(_check_address)] = "127.0.0.1:50051"
    tls: TlsSettings = TlsSettings()
    web: WebSettings = WebSettings()
    allow_insecure_bind: bool = False
    reflection: bool | None = None
    max_message_bytes: Annotated[int, Field(ge=65_536, le=1_073_741_824)] = 8 * 1024 * 1024
    max_concurrent_streams: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    keepalive_time_s: Seconds = 30.0
    keepalive_timeout_s: Seconds = 10.0
    ping_timeout_s: Seconds = 10.0
    handshake_timeout_s: Seconds = 10.0
    max_connection_age_s: Seconds = 1800.0
    max_connection_age_grace_s: Seconds = 600.0
    reuse_port: bool = False
    drain_delay_s: Pause = 2.0
    drain_grace_s: Pause = 30.0
    max_request_s: Seconds = 600.0
    max_concurrent_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    heartbeat_s: Seconds = 10.0
    watch_files_s: Pause = 2.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the listener."""
        address = split_address(self.listen)
        return address is None or is_loopback(address[0])

    @property
    def private(self) -> bool:
        """Whether only this machine can reach any of its ports."""
        return self.loopback and self.web.loopback

    @property
    def reflection_enabled(self) -> bool:
        """Whether reflection is on, once the default is worked out."""
        return self.loopback if self.reflection is None else self.reflection


class AnthropicSettings(Section):
    """Where Anthropic's API is and which key opens it.

    Attributes:
        base_url: the API's address; callers can never set it.
        api_key_file: a file that holds the key alone; without it, the variable ANTHROPIC_API_KEY is read.
    """

    base_url: Annotated[str, AfterValidator(_check_base_url)] = "https://api.anthropic.com"
    api_key_file: FilePath | None = None


class RetrySettings(Section):
    """Repeating a call whose answer has not begun.

    Attributes:
        max_tries: how often one call is sent at most, the first time included; a request's calls share the retries.
        base_delay_s: the longest pause before the second try; it doubles with every further one.
        max_delay_s: the longest pause of all.
        budget_ratio: how many retries all calls together may have, per call, on top of the reserve; none while nobody
            answers.
        budget_reserve: retries that may be made at once before that.
    """

    max_tries: Annotated[int, Field(ge=1, le=10)] = 3
    base_delay_s: Seconds = 0.5
    max_delay_s: Seconds = 8.0
    budget_ratio: Annotated[float, Field(ge=0, le=10)] = 0.1
    budget_reserve: Annotated[int, Field(ge=0, le=1_000_000)] = 100


class BreakerSettings(Section):
    """Leaving a model alone that fails too often. Each model has a breaker of its own.

    Attributes:
        enabled: whether there are breakers.
        min_failures: a breaker opens after so many failures at least.
        failure_share: and when they are at least this share of the model's calls.
        window_s: how long a call counts.
        open_s: how long a breaker is open at first, on average, before one call probes the model.
        max_open_s: it doubles with every failed probe, up to this.
    """

    enabled: bool = True
    min_failures: Annotated[int, Field(ge=1, le=1000)] = 10
    failure_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    window_s: Seconds = 30.0
    open_s: Seconds = 5.0
    max_open_s: Seconds = 60.0


class UpstreamSettings(Section):
    """Calls to model providers and their watchdogs.

    Attributes:
        anthropic: the Anthropic provider.
        connect_timeout_s: to open a connection.
        first_event_timeout_s: from sending a call to the first sign that the answer has begun.
        idle_timeout_s: without a single byte.
        progress_timeout_s: without any content, though the connection shows signs of life.
        max_connections: connections, and so calls, at once to each provider.
        max_queue: calls that wait for one; one more is turned away at once.
        queue_timeout_s: a call that has waited this long for one is turned away; one that would have to, at once.
        retry: repeating calls that failed before their answer began.
        breaker: leaving a model alone that fails too often.
    """

    anthropic: AnthropicSettings = AnthropicSettings()
    connect_timeout_s: Seconds = 5.0
    first_event_timeout_s: Seconds = 60.0
    idle_timeout_s: Seconds = 30.0
    progress_timeout_s: Seconds = 300.0
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_queue: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    queue_timeout_s: Seconds = 5.0
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()


class CheckSettings(Section):
    """The confidence check.

    Attributes:
        structured: whether checks are held to a JSON schema; without a value, where the model can be.
        cache_prompt: whether a draft's prompt is cached upstream, so that its check reads it at the cached price.
        timeout_s: a check that takes longer counts as failed.
    """

    structured: bool | None = None
    cache_prompt: bool = False
    timeout_s: Seconds = 30.0


class TelemetrySettings(Section):
    """Logs and spans. Exporters are set by the standard OTEL_* variables.

    Attributes:
        log_level: the least severe log line that is written.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"
