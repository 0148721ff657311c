"""The listener's certificates, which can be replaced while it listens; both ports take them from here.

Connections that are open keep the certificate they began with; the next handshake gets the new one.
"""

from __future__ import annotations

import ssl
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from tierwise_server.config import LONGEST_PEM_BYTES, read_regular
from tierwise_server.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from tierwise_server.config import TlsSettings


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its key, read and found to fit; and, for mTLS, who signs callers' certificates."""

    key: bytes
    chain: bytes
    authority: bytes | None
    context: ssl.SSLContext

    @classmethod
    def read(cls, tls: TlsSettings) -> Pair | None:
        """Read the files that are configured; None where there are none. Blocks.

        Raises:
            ConfigurationError: they cannot be used.
        """
        if tls.cert_file is None or tls.key_file is None:
            return None
        try:
            # Before the ssl module, which would wait for a pipe.
            key = read_regular(tls.key_file, LONGEST_PEM_BYTES)
            chain = read_regular(tls.cert_file, LONGEST_PEM_BYTES)
            ca_file = tls.client_ca_file
            authority = None if ca_file is None else read_regular(ca_file, LONGEST_PEM_BYTES)
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no file's name"
            fault = Fault("server.tls", f"cannot be read: {cause}")
            raise ConfigurationError((fault,)) from None
        context = _checked(tls.cert_file, tls.key_file, tls.client_ca_file)
        return cls(key, chain, authority, context)

    def asking_like(self, other: Pair) -> Pair:
        """These for a port that asks callers for certificates if it did with `other`, by whoever signs them now.

        Where these name nobody, it goes on by whom `other` names.
        """
        if (self.authority is None) == (other.authority is None):
            return self
        if other.authority is None:
            self.context.verify_mode = ssl.CERT_NONE
        else:
            self.context.load_verify_locations(cadata=other.authority.decode("ascii", "ignore"))
            self.context.verify_mode = ssl.CERT_REQUIRED
        return replace(self, authority=other.authority)

    def for_grpc(self) -> grpc.ServerCertificateConfiguration:
        """The same for grpc."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.authority)


class Certificates:
    """What the ports show from now on.

    Attributes:
        context: for the web port.
    """

    def __init__(self, pair: Pair) -> None:
        # grpc asks in a thread of its own: taking from a deque is one step, so that no change is lost.
        self._fresh: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)
        self._now = pair
        self.context = Changing(ssl.PROTOCOL_TLS_SERVER)
        self.context.now = pair.context

    def for_grpc(self) -> grpc.ServerCredentials:
        """Credentials that ask here at every handshake."""
        # None is for no change, which the types do not say.
        fetch: Any = self._fetch
        return grpc.dynamic_ssl_server_credentials(
            self._now.for_grpc(), fetch, self._now.authority is not None
        )

    def change(self, pair: Pair) -> None:
        """Show this one from now on.

        A port that asks callers for certificates goes on doing so, by the same authority where there is no new one;
        and one that does not never begins.
        """
        pair = self._now = pair.asking_like(self._now)
        self._fresh.append(pair.for_grpc())
        self.context.now = pair.context

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            return self._fresh.popleft()
        except IndexError:
            return None


class Changing(ssl.SSLContext):
    """A context that leaves every new connection to another one, since what a context trusts can only grow."""

    now: ssl.SSLContext

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection with the context of the moment."""
        return self.now.wrap_bio(*args, **named)


def _checked(certificate: Path, key: Path, authority: Path | None) -> ssl.SSLContext:
    """Say what is wrong with certificate files: grpc only says that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    place, wrong = "cert_file", "and key_file are no certificate chain and its unencrypted key"
    try:
        # An encrypted key would be asked for at the terminal.
        context.load_cert_chain(certificate, key, password="")
        place, wrong = "client_ca_file", "holds no certificate of an authority"
        if authority is not None:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError:
        raise ConfigurationError((Fault(f"server.tls.{place}", wrong),)) from None
    return context
