"""What can hardly be anything but a credential is told from the names that callers give their requests."""

from __future__ import annotations

import base64
import random
import string
import uuid

import pytest

from tierwise_server.access.secret import new_key
from tierwise_server.telemetry.redaction import is_credential

NANOID = string.ascii_letters + string.digits + "_-"
ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.mark.parametrize(
    "secret",
    [
        new_key(),
        "sk-ant-api03-abcdefgh",
        "sk-proj-0123456789abcdef0123456789abcdef",
        "sk-" + "aB3" * 16,
        "order-7_sk-0123456789abcdef0123456789abcdef",
        "AKIA0123456789ABCDEF",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "Bearer 0123456789abcdef",
        "basic dXNlcjpwYXNzd29yZA==",
        "postgresql://user:password@db/app",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_credential_is_one_wherever_it_stands_in_a_name(secret: str) -> None:
    assert is_credential(secret)
    assert is_credential(f"see {secret} there")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "classify_intent",
        "task-0123456789abcdef0123456789abcdef0123",
        "basic plan of the bearer",
        "ssh://git@host.example/repository",
        "https://host.example/a?b=c",
        "tw_0123456789ab",
        "sk-short",
    ],
)
def test_an_innocent_name_is_none(name: str) -> None:
    assert not is_credential(name)


def test_random_ids_are_none() -> None:
    chance = random.Random(7)
    for _ in range(5_000):
        raw = chance.randbytes(16)
        ids = (
            str(uuid.UUID(bytes=raw)),
            raw.hex(),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
            "".join(chance.choices(NANOID, k=21)),
            base64.urlsafe_b64encode(chance.randbytes(32)).decode(),
            "".join(chance.choices(ULID, k=26)),
        )
        assert not [given for given in ids if is_credential(given)]
