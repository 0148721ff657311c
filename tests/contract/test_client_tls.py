"""TLS and mTLS against real certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

import tierwise_client as client
from tests.contract.client_forms import ClientForm, both_clients
from tierwise_client.testing import FakeServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root_file(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.fixture(params=[False, True], ids=["tls", "mtls"])
def server(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    own = authority.issue_cert("127.0.0.1")
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials(
        [pair], authority.cert_pem.bytes(), require_client_auth=request.param
    )
    with FakeServer(credentials=credentials) as fake:
        yield fake


@both_clients
async def test_trust_and_identity_are_arguments(
    form: ClientForm, server: FakeServer, authority: trustme.CA, root_file: Path
) -> None:
    own = authority.issue_cert("caller.example")
    async with form(
        server.endpoint,
        api_key="tw-key",
        root_certificates=root_file,
        client_certificate=own.cert_chain_pems[0].bytes(),
        client_key=own.private_key_pem.bytes(),
    ) as caller:
        assert (await caller.generate("Hi")).text
    assert server.calls[0].metadata["authorization"] == "Bearer tw-key"


@both_clients
async def test_a_server_of_another_authority_is_not_trusted(
    form: ClientForm, server: FakeServer
) -> None:
    stranger = trustme.CA().cert_pem.bytes()
    async with form(server.endpoint, root_certificates=stranger) as caller:
        with pytest.raises(client.UnavailableError):
            await caller.route()
    assert not server.calls


@both_clients
async def test_a_plain_call_to_a_tls_port_is_unavailable(
    form: ClientForm, server: FakeServer
) -> None:
    async with form(server.endpoint, tls=False, api_key="tw-key") as caller:
        with pytest.raises(client.UnavailableError):
            await caller.route()
    assert not server.calls
