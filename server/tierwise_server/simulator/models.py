"""The models the simulator serves: limits, what each accepts, and the models endpoint's view of them.

Facts are those of the platform's model pages in November 2026; a release date that is not public is the epoch, as the
API itself writes it. A script may add models or change the ones here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
THINKING_TYPES: Final = ("adaptive", "between_tools", "disabled", "enabled")

_EPOCH: Final = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model.

    Attributes:
        id: the id that answers carry.
        display_name: its name for people.
        line: the family, such as `haiku`.
        aliases: other ids that requests may use.
        created_at: release time, RFC 3339.
        lifecycle: `active`, `deprecated` (still answers) or `retired` (404).
        deprecated_at: when it was deprecated, RFC 3339.
        retires_at: when it is due to retire, RFC 3339.
        max_input_tokens: the context window.
        max_tokens: the most output one request may ask for.
        token_percent: tokens for the same text, against 100 for the tokenizer of the 4.5 models.
        cache_minimum_tokens: shorter prefixes are not cached.
        thinking_types: the values of `thinking.type` it accepts.
        thinks_by_default: whether it thinks when a request says nothing.
        shows_thinking: whether thinking text is returned unless a request says otherwise.
        efforts: the effort levels it accepts; none means that the parameter is rejected.
        default_effort: the level when a request says nothing.
        efforts_without_thinking: the levels it accepts while thinking is off.
        takes_sampling: whether it accepts temperature, top_p and top_k other than the defaults.
        takes_prefill: whether a request may end with an assistant message.
        takes_schema: whether `output_config.format` is accepted.
    """

    id: str
    display_name: str
    line: str
    max_input_tokens: int
    max_tokens: int
    aliases: tuple[str, ...] = ()
    created_at: str = _EPOCH
    lifecycle: str = "active"
    deprecated_at: str | None = None
    retires_at: str | None = None
    token_percent: int = 130
    cache_minimum_tokens: int = 512
    thinking_types: tuple[str, ...] = ("adaptive",)
    thinks_by_default: bool = True
    shows_thinking: bool = False
    efforts: tuple[str, ...] = EFFORTS
    default_effort: str = "high"
    efforts_without_thinking: tuple[str, ...] = ("low", "medium", "high")
    takes_sampling: bool = False
    takes_prefill: bool = False
    takes_schema: bool = True


_MILLION: Final = 1_000_000

MODELS: Final = (
    ModelSpec(
        id="claude-haiku-5-5",
        display_name="Claude Haiku 5.5",
        line="haiku",
        max_input_tokens=_MILLION,
        max_tokens=128_000,
        created_at="2026-10-07T00:00:00Z",
        thinking_types=("adaptive", "disabled"),
        default_effort="medium",
    ),
    ModelSpec(
        id="claude-sonnet-5-5",
        display_name="Claude Sonnet 5.5",
        line="sonnet",
        max_input_tokens=_MILLION,
        max_tokens=128_000,
        created_at="2026-09-28T00:00:00Z",
        thinking_types=("adaptive", "between_tools"),
    ),
    ModelSpec(
        id="claude-opus-5-5",
        display_name="Claude Opus 5.5",
        line="opus",
        max_input_tokens=_MILLION,
        max_tokens=128_000,
        created_at="2026-09-22T00:00:00Z",
        default_effort="medium",
    ),
    ModelSpec(
        id="claude-fable-5-1",
        display_name="Claude Fable 5.1",
        line="fable",
        max_input_tokens=_MILLION,
        max_tokens=128_000,
    ),
    ModelSpec(
        id="claude-opus-4-8",
        display_name="Claude Opus 4.8",
        line="opus",
        max_input_tokens=_MILLION,
        max_tokens=128_000,
        cache_minimum_tokens=1024,
        thinking_types=("adaptive", "disabled"),
        thinks_by_default=False,
        efforts_without_thinking=EFFORTS,
    ),
    ModelSpec(
        id="claude-sonnet-4-6",
        display_name="Claude Sonnet 4.6",
        line="sonnet",
        max_input_tokens=_MILLION,
        max_tokens=128_000,
        token_percent=100,
        cache_minimum_tokens=1024,
        thinking_types=("adaptive", "disabled", "enabled"),
        thinks_by_default=False,
        shows_thinking=True,
        efforts=("low", "medium", "high", "max"),
        efforts_without_thinking=("low", "medium", "high", "max"),
        takes_sampling=True,
    ),
    ModelSpec(
        id="claude-haiku-4-5-20251001",
        display_name="Claude Haiku 4.5",
        line="haiku",
        max_input_tokens=200_000,
        max_tokens=64_000,
        aliases=("claude-haiku-4-5",),
        created_at="2025-10-15T00:00:00Z",
        token_percent=100,
        cache_minimum_tokens=4096,
        thinking_types=("disabled", "enabled"),
        thinks_by_default=False,
        shows_thinking=True,
        efforts=(),
        efforts_without_thinking=(),
        takes_sampling=True,
        takes_prefill=True,
    ),
    ModelSpec(
        id="claude-sonnet-4-5-20250929",
        display_name="Claude Sonnet 4.5",
        line="sonnet",
        max_input_tokens=200_000,
        max_tokens=64_000,
        aliases=("claude-sonnet-4-5",),
        created_at="2025-09-29T00:00:00Z",
        lifecycle="deprecated",
        deprecated_at="2026-09-28T00:00:00Z",
        retires_at="2026-11-30T00:00:00Z",
        token_percent=100,
        cache_minimum_tokens=1024,
        thinking_types=("disabled", "enabled"),
        thinks_by_default=False,
        shows_thinking=True,
        efforts=(),
        efforts_without_thinking=(),
        takes_sampling=True,
        takes_prefill=True,
    ),
    ModelSpec(
        id="claude-sonnet-4-20250514",
        display_name="Claude Sonnet 4",
        line="sonnet",
        max_input_tokens=200_000,
        max_tokens=64_000,
        aliases=("claude-sonnet-4-0",),
        created_at="2025-05-22T00:00:00Z",
        lifecycle="retired",
        deprecated_at="2026-04-14T00:00:00Z",
        retires_at="2026-06-15T00:00:00Z",
        token_percent=100,
        cache_minimum_tokens=1024,
        thinking_types=("disabled", "enabled"),
        thinks_by_default=False,
        shows_thinking=True,
        efforts=(),
        efforts_without_thinking=(),
        takes_sampling=True,
        takes_prefill=True,
        takes_schema=False,
    ),
)
"""Newest first, as the models endpoint lists them."""


class Catalogue:
    """The models one simulator serves, found by id or alias."""

    def __init__(self, models: Iterable[ModelSpec]) -> None:
        self._models = tuple(models)
        self._by_name = {name: m for m in self._models for name in (m.id, *m.aliases)}

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._models)

    def find(self, name: str) -> ModelSpec | None:
        """The model of that id or alias, retired ones included."""
        return self._by_name.get(name)

    def serving(self, name: str) -> ModelSpec | None:
        """The model of that id or alias if it answers requests."""
        model = self._by_name.get(name)
        return None if model is None or model.lifecycle == "retired" else model


def _supports(supported: bool) -> dict[str, object]:
    return {"supported": supported}


def model_info(model: ModelSpec) -> dict[str, object]:
    """The models endpoint's object for `model` (anthropic SDK type ModelInfo)."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "line": model.line,
        "created_at": model.created_at,
        "lifecycle": model.lifecycle,
        "deprecated_at": model.deprecated_at,
        "retires_at": model.retires_at,
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
        "capabilities": _capabilities(model),
    }


def _capabilities(model: ModelSpec) -> dict[str, object]:
    types: dict[str, object] = {t: _supports(t in model.thinking_types) for t in THINKING_TYPES}
    efforts: dict[str, object] = {e: _supports(e in model.efforts) for e in EFFORTS}
    nothing = dict.fromkeys(
        ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112"),
        _supports(False),
    )
    return {
        "batch": _supports(True),
        "citations": _supports(False),
        "code_execution": _supports(False),
        "context_management": {"supported": False, **nothing},
        "effort": {"supported": bool(model.efforts), **efforts},
        "image_input": _supports(True),
        "pdf_input": _supports(True),
        "server_tools": {
            "supported": False,
            "code_execution": _supports(False),
            "web_search": _supports(False),
        },
        "structured_outputs": _supports(model.takes_schema),
        "thinking": {"supported": model.thinking_types != ("disabled",), "types": types},
    }
