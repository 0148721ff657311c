"""Rules for the listener, the upstream and the files that they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tierwise_server.config.context import Context
from tierwise_server.config.credentials import read_key
from tierwise_server.config.files import read_regular
from tierwise_server.config.findings import Finding
from tierwise_server.config.sections import ServerSettings
from tierwise_server.errors import Fault

_PEM_MARK: Final = b"-----BEGIN "
LONGEST_PEM_BYTES: Final = 1024 * 1024


def bind_faults(server: ServerSettings) -> tuple[Fault, ...]:
    """What forbids the server to listen: a port that others can reach, in plaintext, and nobody said so.

    For the start of a server; a configuration may be checked on a machine that never serves it.
    """
    if server.tls.enabled or server.allow_insecure_bind:
        return ()
    ports = (
        ("server.listen", server.listen, server.loopback),
        ("server.web.listen", server.web.listen, server.web.loopback),
    )
    return tuple(
        Fault(
            path,
            f"{listen!r} can be reached from other machines and has no TLS; set server.tls.cert_file and"
            " key_file, listen on 127.0.0.1, or set server.allow_insecure_bind = true",
        )
        for path, listen, is_loopback in ports
        if not is_loopback
    )


def certificates_are_whole(ctx: Context) -> Iterator[Finding]:
    """Certificate and key come together, and client certificates need both."""
    tls = ctx.config.server.tls
    if not ctx.intact(("server", "tls")):
        return
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if getattr(tls, key) is not None and getattr(tls, other) is None:
            yield Finding(("server", "tls", key), f"needs {other} beside it")
    if tls.client_ca_file is not None and tls.cert_file is None and tls.key_file is None:
        yield Finding(("server", "tls", "client_ca_file"), "needs cert_file and key_file beside it")


def mapped_certificates_are_asked_for(ctx: Context) -> Iterator[Finding]:
    """Names in client certificates count only where clients must show one."""
    if not ctx.intact(("server", "tls")) or ctx.config.server.tls.client_ca_file is not None:
        return
    for key in ("certificates", "certificate_keys"):
        if getattr(ctx.config.auth, key):
            yield Finding(("auth", key), "needs server.tls.client_ca_file")


def mapped_certificates_stand_for_one(ctx: Context) -> Iterator[Finding]:
    """A name stands for a tenant or for a key."""
    auth = ctx.config.auth
    for name in sorted((auth.certificates or {}).keys() & (auth.certificate_keys or {}).keys()):
        yield Finding(("auth", "certificate_keys", name), "stands in auth.certificates too")


def certificates_can_be_read(ctx: Context) -> Iterator[Finding]:
    """Certificate files are there and hold PEM."""
    tls = ctx.config.server.tls
    for key in ("cert_file", "key_file", "client_ca_file"):
        path: Path | None = getattr(tls, key)
        fault = None if path is None else _pem_fault(path)
        if fault:
            yield Finding(("server", "tls", key), fault)


def _pem_fault(path: Path) -> str:
    try:
        content = read_regular(path, LONGEST_PEM_BYTES)
    except (OSError, ValueError) as error:
        return f"cannot be read: {_reason(error)}"
    return "" if _PEM_MARK in content else "holds no PEM"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not a file's name"


def key_file_can_be_read(ctx: Context) -> Iterator[Finding]:
    """The provider's key file is there and holds a key."""
    path = ctx.config.upstream.anthropic.api_key_file
    if path is None:
        return
    try:
        read_key(path)
    except ValueError as error:
        yield Finding(("upstream", "anthropic", "api_key_file"), str(error))


def delays_are_in_order(ctx: Context) -> Iterator[Finding]:
    """The longest pause between tries, and the longest time of a breaker, are not shorter than the first."""
    retry, breaker = ctx.config.upstream.retry, ctx.config.upstream.breaker
    if ctx.intact(("upstream", "retry")) and retry.base_delay_s > retry.max_delay_s:
        yield Finding(
            ("upstream", "retry", "base_delay_s"),
            f"is {retry.base_delay_s:g}, more than max_delay_s {retry.max_delay_s:g}",
        )
    if ctx.intact(("upstream", "breaker")) and breaker.open_s > breaker.max_open_s:
        yield Finding(
            ("upstream", "breaker", "open_s"),
            f"is {breaker.open_s:g}, more than max_open_s {breaker.max_open_s:g}",
        )


SERVER_RULES: Final = (
    certificates_are_whole,
    certificates_can_be_read,
    mapped_certificates_are_asked_for,
    mapped_certificates_stand_for_one,
    key_file_can_be_read,
    delays_are_in_order,
)
