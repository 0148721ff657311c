"""TLS and mTLS from certificate files, with certificates made for the test."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import grpc
import pytest
import trustme

from tests.serving import a_request, configured, outcome_of, serving
from tests.unit.access.records import a_key
from tests.web_calls import SERVICE, web_serving
from tierwise.v1 import router_pb2_grpc
from tierwise_client import AsyncClient
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.secret import new_key
from tierwise_server.errors import ConfigurationError


def files(folder: Path, authority: trustme.CA) -> dict[str, object]:
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for at, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=at > 0)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}


async def test_tls_answers_who_trusts_its_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = files(tmp_path, authority)
    async with serving(config=configured({"server": {"tls": tls}})) as served:
        root = tmp_path / "ca.pem"
        async with AsyncClient(served.endpoint, tls=True, root_certificates=root) as client:
            assert (await client.generate("Hello")).text
        stranger = trustme.CA().cert_pem.bytes()
        async with AsyncClient(served.endpoint, tls=True, root_certificates=stranger) as client:
            with pytest.raises(Exception, match="UNAVAILABLE"):
                await client.generate("Hello", timeout_s=3)
        plaintext = await outcome_of(served.stub.Generate(a_request(), timeout=3))
        assert plaintext.status == "UNAVAILABLE"


async def test_mtls_answers_certificates_of_its_authority_only(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    tls = {**files(tmp_path, authority), "client_ca_file": str(tmp_path / "ca.pem")}
    async with serving(config=configured({"server": {"tls": tls}})) as served:
        for issuer, status in ((authority, "OK"), (stranger, "UNAVAILABLE"), (None, "UNAVAILABLE")):
            credentials = client_credentials(authority, issuer)
            async with grpc.aio.secure_channel(served.endpoint, credentials) as channel:
                stub = router_pb2_grpc.RouterServiceStub(channel)
                assert (await outcome_of(stub.Generate(a_request(), timeout=3))).status == status


async def test_a_name_in_a_certificate_stands_for_its_tenant(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = {**files(tmp_path, authority), "client_ca_file": str(tmp_path / "ca.pem")}
    secret, key = a_key(tenant="other")
    store = MemoryKeyStore()
    await store.add(key)
    for mapped, status in (
        ({"caller@example.test": "acme"}, "OK"),
        ({"caller@example": "acme", "example.test": "acme"}, "UNAUTHENTICATED"),
    ):
        settings = configured({"server": {"tls": tls}, "auth": {"certificates": mapped}})
        async with serving(config=settings, keys=store) as served:
            credentials = client_credentials(authority, authority)
            async with grpc.aio.secure_channel(served.endpoint, credentials) as channel:
                stub = router_pb2_grpc.RouterServiceStub(channel)
                assert (await outcome_of(stub.Generate(a_request()))).status == status
                shown = (("authorization", f"Bearer {secret}"),)
                assert (await outcome_of(stub.Generate(a_request(), metadata=shown))).status == "OK"
                wrong = (("authorization", f"Bearer {new_key()}"),)
                outcome = await outcome_of(stub.Generate(a_request(), metadata=wrong))
                assert outcome.reason == "INVALID_CREDENTIALS"


async def test_the_web_port_has_the_same_certificates(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    tls = {**files(tmp_path, authority), "client_ca_file": str(tmp_path / "ca.pem")}
    async with web_serving(config=configured({"server": {"tls": tls}})) as (served, session):
        url = str(session._base_url).replace("http:", "https:") + f"{SERVICE}/Route"
        for issuer in (authority, stranger, None):
            context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
            if issuer is not None:
                issuer.issue_cert("caller@example.test").configure_cert(context)
            async with aiohttp.ClientSession() as caller:
                asked = caller.post(url, json={}, ssl=context)
                if issuer is authority:
                    async with asked as response:
                        assert response.status == 200
                else:
                    with pytest.raises(aiohttp.ClientError):
                        await asked
        assert len(served.spans.spans()) == 1


def client_credentials(authority: trustme.CA, issuer: trustme.CA | None) -> grpc.ChannelCredentials:
    root = authority.cert_pem.bytes()
    if issuer is None:
        return grpc.ssl_channel_credentials(root)
    certificate = issuer.issue_cert("caller@example.test")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return grpc.ssl_channel_credentials(root, certificate.private_key_pem.bytes(), chain)


NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"cert_file": "none.pem"}, "server.tls.cert_file"),
        ({"key_file": "none.pem"}, "server.tls.cert_file"),
        ({"key_file": "strangers.pem"}, "server.tls.cert_file"),
        ({"client_ca_file": "none.pem"}, "server.tls.client_ca_file"),
    ],
)
async def test_certificates_that_cannot_be_used_are_named(
    changed: dict[str, str], place: str, tmp_path: Path
) -> None:
    tls = files(tmp_path, trustme.CA())
    (tmp_path / "none.pem").write_text(NO_CERTIFICATE)
    strangers = trustme.CA().issue_cert("localhost")
    strangers.private_key_pem.write_to_path(tmp_path / "strangers.pem")
    wrong = {**tls, **{name: str(tmp_path / file) for name, file in changed.items()}}
    with pytest.raises(ConfigurationError) as refusal:
        async with serving(config=configured({"server": {"tls": wrong}})):
            pass
    assert [fault.path for fault in refusal.value.faults] == [place]
