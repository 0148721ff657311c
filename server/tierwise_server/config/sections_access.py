"""The sections of the file that say where records and keys are kept, and who may call."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from tierwise_server.config.sections import FilePath, Name, Section

_LONGEST_SUBJECT: Final = 512


def _check_url(url: str) -> str:
    if url != "memory:" and not url.startswith(("postgresql://", "postgres://")):
        raise PydanticCustomError("url", "must be postgresql://... or memory:")
    return url


def _check_subject(subject: str) -> str:
    if not subject.isascii() or not subject.isprintable() or " " in subject or not subject:
        raise PydanticCustomError("subject", "is no name that a certificate can hold")
    if len(subject) > _LONGEST_SUBJECT:
        raise PydanticCustomError("subject", "is longer than 512 characters")
    return subject


Subject = Annotated[str, AfterValidator(_check_subject)]


class LedgerStoreSettings(Section):
    """Where records and keys are kept. Without either key nothing is kept.

    Attributes:
        directory: the data directory, which the server makes: the embedded store, and what waits to be recorded.
        url: a PostgreSQL URL, for many servers with the same records and keys; `memory:` keeps nothing.
    """

    directory: FilePath | None = None
    url: Annotated[str, AfterValidator(_check_url)] | None = None


class AuthSettings(Section):
    """Who may call.

    Attributes:
        mode: `required` asks every call for a key or a known certificate, `open` asks none; `auto` is open on loopback
            until the first key is made.
        certificates: names in client certificates (DNS, URI such as SPIFFE, e-mail), each with its tenant; needs
            `server.tls.client_ca_file`.
    """

    mode: Literal["auto", "required", "open"] = "auto"
    certificates: dict[Subject, Name] | None = None
