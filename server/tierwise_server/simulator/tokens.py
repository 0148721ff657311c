"""Counting tokens, and remembering which prompt prefixes were seen.

The count is an estimate that a test can do by hand: every text is worth its UTF-8 length divided by four, rounded up,
and 30% more on the newer tokenizer. Nothing here looks at a clock, so a cached prefix never expires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BYTES_PER_TOKEN: Final = 4
MESSAGE_TOKENS: Final = 4
"""Added once per message, for its role and frame."""
ATTACHMENT_TOKENS: Final = 1600
"""An image or a document, whatever its size."""

_LOOKBACK_BLOCKS: Final = 20
"""How far before a breakpoint the API searches for a cached prefix
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching)."""


def estimate_tokens(text: str, token_percent: int = 100) -> int:
    """Tokens in `text`: UTF-8 bytes / 4, times `token_percent` / 100, rounded up."""
    return tokens_of_bytes(len(text.encode()), token_percent)


def tokens_of_bytes(length: int, token_percent: int) -> int:
    """Tokens in `length` bytes of text."""
    return -(-length * token_percent // (100 * BYTES_PER_TOKEN))


def bytes_of_tokens(tokens: int, token_percent: int) -> int:
    """The most bytes of text that `tokens` tokens can hold."""
    return tokens * 100 * BYTES_PER_TOKEN // token_percent


@dataclass(frozen=True, slots=True)
class PromptBlock:
    """One piece of a prompt: what it says, what it counts, and the cache marker on it ("" for none)."""

    content: bytes
    tokens: int
    ttl: str = ""


@dataclass(frozen=True, slots=True)
class InputBill:
    """Input tokens as the API reports them: `input_tokens` leaves out what was read from or written to the cache."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the cache, whatever their lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens


NOTHING: Final = InputBill()
"""The bill of a request that was refused."""


class PromptCache:
    """Prefixes that ended at a cache marker in an earlier request."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def bill(self, model: str, blocks: Sequence[PromptBlock], minimum_tokens: int) -> InputBill:
        """Bill one prompt, and remember its marked prefixes for the next."""
        total = sum(block.tokens for block in blocks)
        marks = [index for index, block in enumerate(blocks) if block.ttl]
        if not marks:
            return InputBill(input_tokens=total)
        prefixes = _prefixes(model, blocks[: marks[-1] + 1])
        read = self._longest_known(prefixes)
        write_5m = write_1h = 0
        billed_to = read
        for mark in marks:
            digest, tokens = prefixes[mark]
            if tokens < minimum_tokens or tokens <= billed_to:
                continue
            if blocks[mark].ttl == "1h":
                write_1h += tokens - billed_to
            else:
                write_5m += tokens - billed_to
            billed_to = tokens
            self._seen.add(digest)
        return InputBill(total - billed_to, read, write_5m, write_1h)

    def _longest_known(self, prefixes: Sequence[tuple[bytes, int]]) -> int:
        for digest, tokens in reversed(prefixes[-1 - _LOOKBACK_BLOCKS :]):
            if digest in self._seen:
                return tokens
        return 0


def _prefixes(model: str, blocks: Sequence[PromptBlock]) -> list[tuple[bytes, int]]:
    running = hashlib.blake2b(model.encode(), digest_size=16)
    tokens = 0
    prefixes = []
    for block in blocks:
        running.update(len(block.content).to_bytes(8, "big"))
        running.update(block.content)
        tokens += block.tokens
        prefixes.append((running.digest(), tokens))
    return prefixes
