"""The nouns: what a task is, what a call to a model is, and what it used.

Every value is frozen and valid by construction where a type can say so. Text lengths are in characters, money in whole
nano-USD, time in seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


class Role(enum.Enum):
    """Who speaks a message."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: its text blocks, in order."""

    role: Role
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: a system prompt (may be empty) and a conversation."""

    system: str
    messages: tuple[Message, ...]


class DraftDelivery(enum.Enum):
    """Whether draft text is held back until it is accepted (HELD) or sent as it comes (LIVE)."""

    HELD = enum.auto()
    LIVE = enum.auto()


@dataclass(frozen=True, slots=True)
class RoutingOptions:
    """What a caller asks of routing; the defaults leave everything to the table. See the contract."""

    tier: str = ""
    max_tier: str = ""
    escalation: bool | None = None
    confidence_threshold: float | None = None
    max_cost_nano_usd: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How a caller wants the model to be called; None leaves it to the tier."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One request, as the core sees it.

    Attributes:
        allowed_tiers: the tiers that its caller may use; None: every tier.
    """

    task_type: str
    prompt: Prompt
    routing: RoutingOptions = RoutingOptions()
    generation: GenerationOptions = GenerationOptions()
    draft_delivery: DraftDelivery = DraftDelivery.HELD
    request_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    allowed_tiers: frozenset[str] | None = None


class ThinkingForm(enum.Enum):
    """How a model is told to think before it answers."""

    NONE = "none"
    """Thinking is off, by saying nothing or "disabled", as the model wants it."""
    BUDGET = "budget"
    """`enabled` with budget_tokens."""
    ADAPTIVE = "adaptive"
    """`adaptive`: the model decides, guided by effort."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as configured, with what it can and cannot do.

    Attributes:
        id: the provider's name of the model.
        provider: the name of the provider that serves it.
        context_tokens: input and output tokens that fit together.
        max_output_tokens: the most it can write in one answer, thinking included.
        takes_sampling: whether it accepts temperature and top_p.
        takes_structured_output: whether it can be held to a JSON schema.
        takes_effort: whether it accepts an effort level.
        thinking_forms: the ways it may be told to think.
        thinks_by_default: whether silence means thinking, so that NONE must say "disabled".
        always_thinks: whether thinking cannot be switched off.
        token_scale: how many tokens it makes of a text, relative to the 4.x models.
    """

    id: str
    provider: str
    context_tokens: int
    max_output_tokens: int
    takes_sampling: bool = True
    takes_structured_output: bool = True
    takes_effort: bool = False
    thinking_forms: frozenset[ThinkingForm] = frozenset({ThinkingForm.NONE})
    thinks_by_default: bool = False
    always_thinks: bool = False
    token_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Tier:
    """A named class of models.

    Attributes:
        name: what callers and the table call it.
        model: the model that fills it.
        max_output_tokens: the answer's limit where the caller sets none.
        thinking: how its attempts think.
        thinking_budget_tokens: with BUDGET, how many tokens; 0 otherwise.
        effort: the effort level sent with attempts; empty sends none.
        headroom_s: an attempt is not started with less time than this left before the deadline.
        fallbacks: the models that take over, in this order, while `model` is not available.
    """

    name: str
    model: Model
    max_output_tokens: int
    thinking: ThinkingForm = ThinkingForm.NONE
    thinking_budget_tokens: int = 0
    effort: str = ""
    headroom_s: float = 0.0
    fallbacks: tuple[Model, ...] = ()

    @property
    def alternate(self) -> Tier | None:
        """The same tier, filled by its next fallback; None when there is none left."""
        if not self.fallbacks:
            return None
        return replace(self, model=self.fallbacks[0], fallbacks=self.fallbacks[1:])


class CallKind(enum.Enum):
    """What a call to a model is for."""

    DIRECT = enum.auto()
    """An attempt that no check follows."""
    DRAFT = enum.auto()
    """An attempt that a check follows."""
    CHECK = enum.auto()
    """A confidence check of a draft."""


class FinishReason(enum.Enum):
    """Why a model stopped."""

    STOP = enum.auto()
    STOP_SEQUENCE = enum.auto()
    LENGTH = enum.auto()
    REFUSAL = enum.auto()
    CONTEXT_WINDOW = enum.auto()
    TOOL_USE = enum.auto()
    PAUSE = enum.auto()
    OTHER = enum.auto()

    @property
    def whole(self) -> bool:
        """Whether the text is a whole answer of the model's own choosing."""
        return self in (FinishReason.STOP, FinishReason.STOP_SEQUENCE)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `input_tokens` holds all input, cache reads and writes included; `output_tokens` includes thinking."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )
