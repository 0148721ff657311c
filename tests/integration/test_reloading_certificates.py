"""Certificates taken over while the server runs: shown by both ports from the next handshake on."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
import trustme

from tests.integration.test_reloading import HALT_S, reloadable
from tests.integration.test_tls import client_credentials
from tests.serving import a_request, outcome_of
from tierwise.v1 import router_pb2_grpc


def certificate(folder: Path, authority: trustme.CA, name: str) -> None:
    issued = authority.issue_cert("127.0.0.1", "localhost", common_name=name)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for at, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=at > 0)


def shown_by(port: int, authority: trustme.CA) -> str:
    """The common name of the certificate that a port shows."""
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), HALT_S) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as encrypted,
    ):
        subject = encrypted.getpeercert()
    assert subject is not None
    parts: Any = subject["subject"]
    return str(dict(pair for (pair,) in parts)["commonName"])


def answers_without_certificate(port: int, authority: trustme.CA) -> bool:
    """Whether the web port answers a caller that shows no certificate."""
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", port, timeout=HALT_S, context=context)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/")
            return bool(connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            return False


TLS = '[server.tls]\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'


async def test_a_new_certificate_is_shown_by_both_ports_and_open_connections_stay(
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    path = tmp_path / "tierwise.toml"
    path.write_text(TLS)
    certificate(tmp_path, authority, "first")
    async with reloadable(path, web=True) as (served, reloader):
        assert served.app.web is not None
        ports = [int(served.endpoint.rpartition(":")[2]), served.app.web.port]
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with grpc.aio.secure_channel(served.endpoint, credentials) as channel:
            stub = router_pb2_grpc.RouterServiceStub(channel)
            assert (await outcome_of(stub.Generate(a_request()))).status == "OK"
            for name in ("second", "third"):
                certificate(tmp_path, authority, name)
                assert await reloader.reload()
                for port in ports:
                    assert await asyncio.to_thread(shown_by, port, authority) == name
            (tmp_path / "key.pem").write_text("half a key")
            assert not await reloader.reload()
            for port in ports:
                assert await asyncio.to_thread(shown_by, port, authority) == "third"
            assert (await outcome_of(stub.Generate(a_request()))).status == "OK"


@pytest.mark.parametrize("asks", [True, False], ids=["asks", "does not ask"])
async def test_whether_a_port_asks_for_certificates_waits_for_a_restart_and_its_own_does_not(
    asks: bool, tmp_path: Path
) -> None:
    authority = trustme.CA()
    path = tmp_path / "tierwise.toml"
    certificate(tmp_path, authority, "first")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    asking = f'{TLS}client_ca_file = "ca.pem"\n'
    path.write_text(asking if asks else TLS)
    async with reloadable(path, web=True) as (served, reloader):
        assert served.app.web is not None
        ports = [int(served.endpoint.rpartition(":")[2]), served.app.web.port]
        for turn, text in enumerate((TLS, asking, TLS)):
            certificate(tmp_path, authority, f"turn {turn}")
            path.write_text(text)
            with structlog.testing.capture_logs() as logs:
                assert await reloader.reload()
            (told,) = logs
            waits = "server.tls.client_ca_file" in told["needs_restart"]
            assert waits == ((text == asking) != asks)
            for port in ports:
                assert await asyncio.to_thread(shown_by, port, authority) == f"turn {turn}"
            for own, status in ((True, "OK"), (False, "UNAVAILABLE" if asks else "OK")):
                async with grpc.aio.secure_channel(
                    served.endpoint, client_credentials(authority, authority if own else None)
                ) as channel:
                    stub = router_pb2_grpc.RouterServiceStub(channel)
                    outcome = await outcome_of(stub.Generate(a_request(), timeout=3))
                    assert outcome.status == status
            assert await asyncio.to_thread(answers_without_certificate, ports[1], authority) != asks
