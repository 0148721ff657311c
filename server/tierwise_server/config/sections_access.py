"""The sections of the file that say where records and keys are kept, and who may call."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from tierwise_server.config.sections import FilePath, Name, Section

_LONGEST_SUBJECT: Final = 512
_KEY_ID: Final = re.compile(r"[0-9a-z]{12}", re.ASCII)


def _check_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    if url != "memory:" and not url.startswith(("postgresql://", "postgres://")):
        raise PydanticCustomError("url", "must be postgresql://... or memory:")
    return secret


def _check_subject(subject: str) -> str:
    if not subject.isascii() or not subject.isprintable() or " " in subject or not subject:
        raise PydanticCustomError("subject", "is no name that a certificate can hold")
    if len(subject) > _LONGEST_SUBJECT:
        raise PydanticCustomError("subject", "is longer than 512 characters")
    return subject


def _check_key_id(key_id: str) -> str:
    if not _KEY_ID.fullmatch(key_id):
        raise PydanticCustomError(
            "key_id", "is no public id of a key, which `tierwise keys list` shows"
        )
    return key_id


KeyId = Annotated[str, AfterValidator(_check_key_id)]
Subject = Annotated[str, AfterValidator(_check_subject)]


class LedgerStoreSettings(Section):
    """Where records and keys are kept, and what happens when nothing can be recorded.

    Attributes:
        enabled: whether calls are recorded; without, there are no keys and no budgets.
        directory: the data directory, which the server makes: the embedded store, and what waits to be recorded.
        url: a PostgreSQL URL, for many servers with the same records and keys; `memory:` forgets everything at the end.
        on_unavailable: `refuse` calls while they cannot be recorded first, or `allow` those without a budget and settle
            them later.
        keep_content_days: how long prompts and answers are kept; 0: they are never stored.
        reserve_timeout_s: a call that is not recorded after this long is refused.
        write_timeout_s: a transaction that takes longer is broken off.
    """

    enabled: bool = True
    directory: FilePath | None = None
    url: Annotated[SecretStr, AfterValidator(_check_url)] | None = None
    on_unavailable: Literal["refuse", "allow"] = "refuse"
    keep_content_days: Annotated[int, Field(ge=0, le=3650)] = 0
    reserve_timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    write_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0

    @property
    def fail_open(self) -> bool:
        """Whether calls are made while they cannot be recorded first."""
        return self.on_unavailable == "allow"


class IdempotencySettings(Section):
    """Answers that are remembered by the caller's own request id.

    Attributes:
        keep_hours: how long an answer is remembered, from its end; 0: a request that is sent twice runs twice.
        max_tenant_bytes: what the answers of one tenant may take, compressed; beyond it its oldest are forgotten.
    """

    keep_hours: Annotated[float, Field(ge=0, le=720)] = 24.0
    max_tenant_bytes: Annotated[int, Field(ge=33_554_432, le=1_099_511_627_776)] = 256 * 1024 * 1024


class AuthSettings(Section):
    """Who may call.

    Attributes:
        mode: `required` asks every call for a key or a known certificate, `open` asks none; `auto` is open on loopback
            until the first key is made.
        certificates: names in client certificates (DNS, URI such as SPIFFE, e-mail), each with its tenant, whose
            budgets are their only limit; needs `server.tls.client_ca_file`.
        certificate_keys: the same names, each with the public id of a key, whose rights and limits they have.
    """

    mode: Literal["auto", "required", "open"] = "auto"
    certificates: dict[Subject, Name] | None = None
    certificate_keys: dict[Subject, KeyId] | None = None
