from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.config.reading import config, examined
from tierwise_server.config import bind_faults

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1:0", "127.8.9.1:1", "[::1]:50051", "localhost:1", "unix:/run/tierwise.sock"],
)
def test_a_listener_on_this_machine_may_be_plaintext(listen: str) -> None:
    server = config(f"[server]\nlisten = '{listen}'").server
    assert server.loopback
    assert bind_faults(server) == ()


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "tierwise.example:1"])
def test_a_listener_for_others_must_be_encrypted_or_say_otherwise(listen: str) -> None:
    server = config(f"[server]\nlisten = '{listen}'").server
    (fault,) = bind_faults(server)
    assert fault.path == "server.listen"
    assert "allow_insecure_bind" in fault.message
    said = config(f"[server]\nlisten = '{listen}'\nallow_insecure_bind = true").server
    assert bind_faults(said) == ()


def test_the_web_port_is_held_to_the_same() -> None:
    server = config("[server.web]\nlisten = '0.0.0.0:8080'").server
    (fault,) = bind_faults(server)
    assert fault.path == "server.web.listen"
    assert bind_faults(config("[server.web]\nlisten = '127.0.0.1:0'").server) == ()


@pytest.mark.parametrize(
    "line",
    [
        "listen = 'unix:/run/web.sock'",
        "listen = '8080'",
        "allowed_origins = ['*']",
        "allowed_origins = ['https://app.example/']",
        "allowed_origins = ['app.example']",
    ],
)
def test_a_web_port_that_makes_no_sense_is_refused(line: str) -> None:
    (fault,) = examined(f"[server.web]\n{line}").faults
    assert fault.path.startswith(f"server.web.{line.partition(' ')[0]}")


def test_a_web_port_may_name_its_pages_and_its_hosts() -> None:
    web = config(
        "[server.web]\nlisten = '[::1]:1'\nallowed_origins = ['https://app.example', 'http://[::1]:5173']"
    ).server.web
    assert web.address == ("::1", 1)
    assert web.loopback
    assert web.allowed_origins == ("https://app.example", "http://[::1]:5173")


def test_a_listener_with_a_certificate_may_serve_others(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).write_text(PEM, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    toml = """
        [server]
        listen = "0.0.0.0:50051"
        [server.tls]
        cert_file = "cert.pem"
        key_file = "key.pem"
        client_ca_file = "ca.pem"
    """
    found = examined(toml, folder=tmp_path)
    assert found.config is not None
    assert found.warnings == ()
    assert bind_faults(found.config.server) == ()


def test_a_certificate_file_must_hold_pem(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("not a certificate", encoding="utf-8")
    toml = "[server.tls]\ncert_file = 'cert.pem'\nkey_file = 'key.pem'"
    found = examined(toml, folder=tmp_path)
    assert [fault.message for fault in found.faults] == [
        "holds no PEM (line 2)",
        "holds no PEM (line 3)",
    ]


@pytest.mark.parametrize("place", ["server.tls.cert_file", "server.tls.key_file", "prices.file"])
def test_a_pipe_in_place_of_a_file_is_a_fault_and_is_not_waited_for(
    place: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = examined(f"{place} = 'pipe'", folder=tmp_path).faults
    assert any(
        fault.path == place and fault.message.startswith("cannot be read: it is no regular file")
        for fault in found
    )


def test_a_pipe_in_place_of_a_key_is_a_fault_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (fault,) = examined("upstream.anthropic.api_key_file = 'pipe'", folder=tmp_path).faults
    assert fault.message.startswith("cannot be read: it is no regular file")


def test_a_certificate_path_of_the_wrong_type_is_one_fault() -> None:
    (fault,) = examined("[server.tls]\ncert_file = 5\nkey_file = 6").faults[:1]
    assert fault.message.startswith("must be a file's path, as a string")


def test_a_path_that_cannot_be_one_is_a_fault() -> None:
    (fault, _) = examined('[server.tls]\ncert_file = "a\\u0000b"').faults
    assert "server.tls.cert_file" in fault.path


@pytest.mark.parametrize(
    ("listen", "reflection", "enabled"),
    [
        ("127.0.0.1:1", "", True),
        ("127.0.0.1:1", "reflection = false", False),
        ("0.0.0.0:1", "", False),
        ("0.0.0.0:1", "reflection = true", True),
    ],
)
def test_reflection_is_on_for_this_machine_only_unless_set(
    listen: str, reflection: str, enabled: bool
) -> None:
    server = config(f"[server]\nlisten = '{listen}'\n{reflection}").server
    assert server.reflection_enabled is enabled


def test_the_limits_have_their_documented_defaults() -> None:
    loaded = config()
    server, upstream = loaded.server, loaded.upstream
    assert server.listen == "127.0.0.1:50051"
    assert server.max_message_bytes == 8 * 1024 * 1024
    assert server.max_concurrent_streams == 256
    assert (server.keepalive_time_s, server.keepalive_timeout_s, server.ping_timeout_s) == (
        30,
        10,
        10,
    )
    assert (server.max_connection_age_s, server.max_request_s, server.heartbeat_s) == (
        1800,
        600,
        10,
    )
    assert (server.drain_grace_s, server.handshake_timeout_s, server.reuse_port) == (30, 10, False)
    assert (upstream.connect_timeout_s, upstream.first_event_timeout_s) == (5, 60)
    assert (upstream.idle_timeout_s, upstream.progress_timeout_s) == (30, 300)
    assert (upstream.max_connections, upstream.retry.max_tries) == (1000, 3)
    assert (upstream.retry.base_delay_s, upstream.retry.max_delay_s) == (0.5, 8)
    assert (loaded.check.structured, loaded.check.cache_prompt, loaded.check.timeout_s) == (
        None,
        False,
        30,
    )


def test_names_in_certificates_need_certificates_to_be_asked_for() -> None:
    (fault,) = examined("[auth.certificates]\n'spiffe://a/b' = 'acme'").faults
    assert "needs server.tls.client_ca_file" in fault.message
    (fault,) = examined("[auth.certificate_keys]\n'a' = 'k3y000000000'").faults
    assert "needs server.tls.client_ca_file" in fault.message
    (fault,) = examined("[auth.certificates]\n'two words' = 'acme'").faults
    assert "is no name that a certificate can hold" in fault.message


def test_a_name_in_a_certificate_stands_for_a_tenant_or_for_a_key(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).write_text(PEM, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    tls = '[server.tls]\ncert_file = "cert.pem"\nkey_file = "key.pem"\nclient_ca_file = "ca.pem"\n'
    both = "[auth.certificates]\na = 'acme'\n[auth.certificate_keys]\na = 'k3y000000000'\n"
    (fault,) = examined(tls + both, folder=tmp_path).faults
    assert fault.path == "auth.certificate_keys.a"
    assert fault.message.startswith("stands in auth.certificates too")
    secret = "tw_abcdefghijkl_" + "x" * 49
    found = examined(f"{tls}[auth.certificate_keys]\na = '{secret}'\n", folder=tmp_path)
    assert secret not in str(found.faults)
    (fault,) = examined(tls + "[auth.certificate_keys]\na = 'acme'\n", folder=tmp_path).faults
    assert fault.message.startswith("is no public id of a key")


@pytest.mark.parametrize(
    ("toml", "warned"),
    [
        ("[auth]\nmode = 'open'", ""),
        ("[auth]\nmode = 'required'", ""),
        ("[auth]\nmode = 'required'\n[ledger]\nenabled = false", "there is no place for keys"),
        ("[auth]\nmode = 'required'\n[ledger]\ndirectory = 'data'", ""),
        ("[auth]\nmode = 'required'\n[ledger]\nurl = 'memory:'", "there is no place for keys"),
        (
            "[auth]\nmode = 'open'\n[server]\nlisten = '0.0.0.0:1'\nallow_insecure_bind = true",
            "spend your money",
        ),
    ],
)
def test_what_lets_nobody_or_everybody_in_is_warned_of(toml: str, warned: str) -> None:
    found = examined(toml)
    told = [str(warning) for warning in found.warnings]
    assert not found.faults
    assert any(warned in line for line in told) if warned else not told
