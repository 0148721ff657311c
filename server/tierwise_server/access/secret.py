"""What a key looks like: `tw_<id>_<secret><checksum>`.

The id is public: it stands in logs and in the ledger. The secret has 256 random bits, so a plain SHA-256 of the whole
key is enough to store: there is nothing to guess. The checksum tells a typing error or a cut from a key that was never
made, without asking anybody, and lets scanners for leaked keys be sure of what they found.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 12
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6

PATTERN: Final = (
    rf"tw_([0-9a-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}"
)
"""What a scanner looks for."""

_KEY: Final = re.compile(PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class Presented:
    """A well-formed key that a caller showed: its id, and the digest of the whole. The key itself is not kept."""

    key_id: str
    digest: str

    def proves(self, digest: str) -> bool:
        """Whether it is the key that `digest` was stored of; takes the same time either way."""
        return hmac.compare_digest(self.digest, digest)


def new_key() -> str:
    """Make a key. It is shown once and stored nowhere."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    body = f"tw_{key_id}_{secret}"
    return body + _checksum(body)


def read_key(text: str) -> Presented | None:
    """Read what a caller showed; None when it cannot be a key."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    return Presented(match[1], hashlib.sha256(text.encode("ascii")).hexdigest())


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
