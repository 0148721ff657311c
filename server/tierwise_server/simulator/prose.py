"""Plausible text from a seed: the same key always gives the same words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

_CLAUSES: Final = (
    "The short answer on {topic} depends on what it has to do next",
    "Start with the part of {topic} that changes least",
    "Most cases of {topic} follow the same three steps",
    "There are two readings of {topic}, and the plainer one fits better here",
    "What matters first about {topic} is who relies on it",
    "Keep the inputs small and name each of them",
    "Compare the result with a case whose outcome is already known",
    "If a step fails, stop there and say which one it was",
    "The cost grows with the number of parts, so count them before starting",
    "A second look usually finds the one assumption that does not hold",
    "Write down what was decided and the reason beside it",
    "Nothing in the request rules out the simpler option",
    "The exception is rare enough to be handled by hand",
    "Once that is settled, the rest of {topic} follows",
    "It is safe to repeat, because each step can be checked on its own",
    "That leaves one open question, which a small trial would answer",
)
_SHORTEST_CLAUSE_WORDS: Final = min(len(clause.split()) for clause in _CLAUSES)
_WORD: Final = re.compile(r"[^\W\d_]{4,24}")
_TOPIC_SEARCH_CHARACTERS: Final = 400


def digest(*parts: str | int) -> bytes:
    """Thirty-two bytes that depend on every part and on nothing else."""
    running = hashlib.blake2b(digest_size=32)
    for part in parts:
        encoded = str(part).encode()
        running.update(len(encoded).to_bytes(8, "big"))
        running.update(encoded)
    return running.digest()


def pick(size: int, *parts: str | int) -> int:
    """A number below `size` that depends only on the parts."""
    return int.from_bytes(digest(*parts)[:8], "big") % size


def sentences(seed: int, key: str, prompt: str, count: int) -> str:
    """`count` sentences about something in `prompt`."""
    head, rest = prompt[:_TOPIC_SEARCH_CHARACTERS], prompt[_TOPIC_SEARCH_CHARACTERS:]
    # A digest stands for a long prompt, so that remembering the text does not remember the prompt.
    return _sentences(seed, key, head, digest(rest) if rest else b"", count)


@lru_cache(maxsize=512)
def _sentences(seed: int, key: str, head: str, rest: bytes, count: int) -> str:
    topic = _topic(head)
    clauses = islice(_clauses(digest(seed, key, head, rest.hex())), count)
    return " ".join(f"{clause.format(topic=topic)}." for clause in clauses)


def words(seed: int, key: str, prompt: str, count: int) -> str:
    """Exactly `count` words about something in `prompt`; "" for none. The last sentence may be cut."""
    enough = sentences(seed, key, prompt, -(-count // _SHORTEST_CLAUSE_WORDS))
    return " ".join(enough.split()[:count])


def _clauses(key: bytes) -> Iterator[str]:
    """Every clause once, in an order the key decides; then every clause again in another."""
    block = key
    while True:
        order = sorted(range(len(_CLAUSES)), key=lambda index: (block[index], index))
        yield from (_CLAUSES[index] for index in order)
        block = hashlib.blake2b(block, digest_size=32).digest()


def _topic(head: str) -> str:
    found = _WORD.findall(head)
    return max(found, key=len).lower() if found else "this"
