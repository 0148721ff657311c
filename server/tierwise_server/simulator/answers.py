"""What the model says: text, thinking, stop reason and token counts, from the request, the rule and the seed."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from tierwise_server.simulator.prose import digest, pick, sentences, words
from tierwise_server.simulator.requests import MessagesRequest
from tierwise_server.simulator.schema import CONFIDENCE, InstanceWriter, asks_for_confidence
from tierwise_server.simulator.script import Defaults, Rule
from tierwise_server.simulator.tokens import bytes_of_tokens, estimate_tokens

THINKING_SENTENCES: Final = {"": 5, "low": 2, "medium": 5, "high": 9, "xhigh": 16, "max": 24}
"""Sentences of thinking per effort level, so that more effort costs more; "" is for models without levels."""

_FEWEST_SENTENCES: Final = 2
_SENTENCES_SPREAD: Final = 4
_WORD_WITH_SPACE: Final = re.compile(r"\s*\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Content:
    """The content blocks of an answer, delta by delta. `thinking` None means no thinking block, () a hidden one."""

    text: tuple[str, ...]
    thinking: tuple[str, ...] | None = None
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        content: what it says.
        stop_reason: why it ends.
        stop_sequence: the stop sequence that ended it, if one did.
        output_tokens: all tokens written, thinking included.
        thinking_tokens: those written while thinking.
    """

    content: Content
    stop_reason: str
    stop_sequence: str | None
    output_tokens: int
    thinking_tokens: int


def write_answer(
    request: MessagesRequest, rule: Rule, defaults: Defaults, seed: int, input_tokens: int
) -> Answer:
    """The answer to `request` under `rule`. The same arguments always give the same answer."""
    pieces = _pieces(request, rule, defaults, seed)
    thinking, thinking_tokens = _thinking(request, rule, seed)
    percent = request.model.token_percent
    stop_sequence = None
    if rule.stop_reason is not None:
        stop_reason = rule.stop_reason
    else:
        pieces, stop_sequence = _stopped(pieces, request.stop_sequences)
        stop_reason = "end_turn" if stop_sequence is None else "stop_sequence"
        room = min(request.max_tokens, max(request.model.max_input_tokens - input_tokens, 0))
        thinking_tokens = min(thinking_tokens, room)
        fitting = _fitting(pieces, bytes_of_tokens(room - thinking_tokens, percent))
        if fitting != pieces or room == 0:
            whole_window = room < request.max_tokens
            stop_reason = "model_context_window_exceeded" if whole_window else "max_tokens"
            pieces, stop_sequence = fitting, None
    signature = "" if thinking is None else _signature(thinking)
    shown = thinking if request.shows_thinking or thinking is None else ()
    written = thinking_tokens + estimate_tokens("".join(pieces), percent)
    # The API bills a token or more for an empty answer too; only a cache warm-up writes none.
    written = max(written, min(request.max_tokens, 1))
    return Answer(
        Content(pieces, shown, signature), stop_reason, stop_sequence, written, thinking_tokens
    )


def _pieces(request: MessagesRequest, rule: Rule, defaults: Defaults, seed: int) -> tuple[str, ...]:
    if rule.chunks is not None and request.kind == "answer":
        return tuple(rule.chunks)
    if request.kind == "check":
        text = _check_text(request, rule, defaults, seed)
    elif rule.answer is not None:
        text = rule.answer
    else:
        text = _generated(request, rule, defaults, seed)
    deltas = defaults.deltas if rule.deltas is None else rule.deltas
    return _by_word(text) if deltas is None else _in_parts(text, deltas)


def _check_text(request: MessagesRequest, rule: Rule, defaults: Defaults, seed: int) -> str:
    confidence = defaults.confidence if rule.confidence is None else rule.confidence
    if isinstance(confidence, str):
        return confidence
    if request.schema is None:
        return str(confidence)
    instance = InstanceWriter(request.schema, seed, request.model.id).instance()
    if asks_for_confidence(request.schema):
        instance[CONFIDENCE] = confidence
    return _json(instance)


def _generated(request: MessagesRequest, rule: Rule, defaults: Defaults, seed: int) -> str:
    prompt = request.task_text
    if request.schema is not None:
        key = f"{request.model.id}\n{prompt}"
        return _json(InstanceWriter(request.schema, seed, key).instance())
    count = defaults.words if rule.words is None else rule.words
    if count is not None:
        return words(seed, request.model.id, prompt, count)
    count = _FEWEST_SENTENCES + pick(_SENTENCES_SPREAD, seed, request.model.id, prompt)
    return sentences(seed, request.model.id, prompt, count)


def _thinking(
    request: MessagesRequest, rule: Rule, seed: int
) -> tuple[tuple[str, ...] | None, int]:
    if not request.thinking:
        return None, 0
    count = THINKING_SENTENCES[request.effort]
    text = sentences(seed, f"thinking {request.model.id}", request.task_text, count)
    tokens = rule.thinking_tokens
    if tokens is None:
        tokens = estimate_tokens(text, request.model.token_percent)
        if request.thinking_budget is not None:
            tokens = min(tokens, request.thinking_budget)
    return _sentences(text), tokens


def _signature(thinking: tuple[str, ...]) -> str:
    return base64.b64encode(digest("signature", *thinking)).decode()


@lru_cache(maxsize=256)
def _by_word(text: str) -> tuple[str, ...]:
    return tuple(_WORD_WITH_SPACE.findall(text))


@lru_cache(maxsize=256)
def _in_parts(text: str, parts: int) -> tuple[str, ...]:
    """The text in `parts` parts of nearly equal length; fewer if it has fewer characters."""
    parts = min(parts, len(text))
    edges = [len(text) * edge // parts for edge in range(parts + 1)] if parts else [0]
    return tuple(text[start:stop] for start, stop in pairwise(edges))


@lru_cache(maxsize=256)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^.]+\.\s*", text))


def _stopped(pieces: tuple[str, ...], stops: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    if not stops:
        return pieces, None
    text = "".join(pieces)
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    if not found:
        return pieces, None
    at, stop = min(found)
    return _first_characters(pieces, at), stop


def _fitting(pieces: tuple[str, ...], most_bytes: int) -> tuple[str, ...]:
    text = "".join(pieces)
    # Four bytes is the longest a character can be, so most answers need no encoding to be seen to fit.
    if len(text) * 4 <= most_bytes:
        return pieces
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return pieces
    return _first_characters(pieces, len(encoded[:most_bytes].decode(errors="ignore")))


def _first_characters(pieces: tuple[str, ...], count: int) -> tuple[str, ...]:
    kept: list[str] = []
    for piece in pieces:
        if count <= 0:
            break
        kept.append(piece[:count])
        count -= len(piece)
    return tuple(kept)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
