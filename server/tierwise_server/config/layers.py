"""The sections of the file that say where tasks go: models, tiers, routing, prices.

A shipped profile and a user's file have the same form. Both may leave keys out: a file's value stands over its
profile's, key by key, and what neither sets has the default that `resolve` gives it. So every key here may be absent.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from tierwise_server.config.sections import FilePath, Name, Pause, Section
from tierwise_server.config.sections_evidence import (
    CalibrationSettings,
    EvidenceSettings,
    ModelId,
    Thinking,
    TierEffort,
    Tokens,
)
from tierwise_server.core.confidence import SELF_REPORT

REFUSE: Final = "refuse"
"""As `routing.default`: task types without a row are refused."""

PICO_PER_MICRO: Final = 1_000_000
"""USD per million tokens is micro-USD per token; prices are kept in pico-USD per token."""

_PRICE: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,9})?", re.ASCII)

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Method = Literal["self_report"]
METHODS: Final[tuple[Method, ...]] = (SELF_REPORT,)

Names = Annotated[tuple[Name, ...], Field(strict=False)]


def _price(value: object) -> object:
    """Read a price exactly: binary fractions such as 0.1 are no decimal prices."""
    if isinstance(value, float):
        raise PydanticCustomError("price", 'must be a whole number or a string such as "0.10"')
    if isinstance(value, str) and not _PRICE.fullmatch(value):
        raise PydanticCustomError("price", 'is not a decimal price such as "0.10"')
    if isinstance(value, str):
        price = Decimal(value)
        if price * PICO_PER_MICRO % 1:
            raise PydanticCustomError("price", "is not a whole number of pico-USD per token")
        return price
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100_000:
        return Decimal(value)
    raise PydanticCustomError("price", "is not a price in USD per million tokens")


Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_PRICE.pattern}$"},
                {"type": "integer", "minimum": 0, "exclusiveMaximum": 100_000},
            ]
        }
    ),
]


class ModelSettings(Section):
    """A model and what it can do. A known id changes single facts of a shipped model; a new id adds a model.

    Attributes:
        id: the provider's name of the model.
        aliases: other names under which tiers may refer to it.
        provider: who serves it.
        context_tokens: input and output tokens that fit together.
        max_output_tokens: the most it can write in one answer, thinking included.
        takes_sampling: whether it accepts temperature and top_p.
        takes_structured_output: whether it can be held to a JSON schema.
        thinking: the ways it may be told to think.
        deprecated_thinking: those of them that its provider will take away.
        thinks_by_default: whether it thinks unless it is told not to.
        always_thinks: whether thinking cannot be switched off.
        efforts: the effort levels it accepts.
        efforts_without_thinking: those of them that it accepts while it does not think; all when absent.
        token_scale: how many tokens it makes of a text, relative to the tokenizer of the older 4.x models.
    """

    id: ModelId
    aliases: Annotated[tuple[ModelId, ...], Field(strict=False)] | None = None
    provider: Literal["anthropic"] | None = None
    context_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    takes_sampling: bool | None = None
    takes_structured_output: bool | None = None
    thinking: Annotated[tuple[Thinking, ...], Field(strict=False, min_length=1)] | None = None
    deprecated_thinking: Annotated[tuple[Thinking, ...], Field(strict=False)] | None = None
    thinks_by_default: bool | None = None
    always_thinks: bool | None = None
    efforts: Annotated[tuple[Effort, ...], Field(strict=False)] | None = None
    efforts_without_thinking: Annotated[tuple[Effort, ...], Field(strict=False)] | None = None
    token_scale: Annotated[float, Field(ge=0.1, le=10)] | None = None


class TierSettings(Section):
    """A tier. A name of the profile changes single keys of that tier; a new name adds a tier.

    Attributes:
        name: what callers and the table call it.
        model: the id or alias of the model that fills it.
        max_output_tokens: the answer's limit where the caller sets none; thinking counts towards it.
        thinking: how its attempts think.
        thinking_budget_tokens: with `thinking = "budget"`, how many tokens.
        effort: the effort level sent with attempts; `default` sends none.
        headroom_s: an attempt is not started with less time than this left before the deadline.
        fallbacks: the ids or aliases of the models that take over, in this order, while `model` is not available.
    """

    name: Name
    model: ModelId | None = None
    max_output_tokens: Tokens | None = None
    thinking: Thinking | None = None
    thinking_budget_tokens: Annotated[int, Field(ge=0, le=100_000_000)] | None = None
    effort: TierEffort | None = None
    headroom_s: Pause | None = None
    fallbacks: Annotated[tuple[ModelId, ...], Field(strict=False)] | None = None


class EscalationSettings(Section):
    """The cascade used when a request turns escalation on for a task type whose row has none.

    Attributes:
        cascade: the tiers to climb, weakest first.
        method: how a draft's confidence is found.
        threshold: the confidence that accepts a draft, on the method's own scale (self_report: 1 to 10).
    """

    cascade: Names | None = None
    method: Method | None = None
    threshold: float | None = None


class PolicySettings(EscalationSettings):
    """Where tasks go: one tier that answers, or a cascade that they climb.

    Attributes:
        tier: the one tier that answers, unchecked.
        cascade: the tiers to climb, weakest first.
        method: with a cascade, how a draft's confidence is found; without a value, as `routing.escalation` says.
        threshold: with a cascade, the confidence that accepts a draft; without a value, as `routing.escalation` says.
    """

    tier: Name | None = None


class RowSettings(PolicySettings):
    """A row of the routing table. It stands in place of the profile's rows for its task types.

    Attributes:
        task_types: the task types that go this way.
        tier: the one tier that answers, unchecked.
        cascade: the tiers to climb, weakest first.
        method: with a cascade, how a draft's confidence is found; without a value, as `routing.escalation` says.
        threshold: with a cascade, the confidence that accepts a draft; without a value, as `routing.escalation` says.
        measured_output_tokens: the mean answer length at each tier, where it was measured.
        calibration: tier to how its self-reports become confidences; the threshold is then such a confidence, 0 to 1.
        evidence: the measurement behind the row.
    """

    task_types: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
    measured_output_tokens: dict[Name, Tokens] | None = None
    calibration: dict[Name, CalibrationSettings] | None = None
    evidence: EvidenceSettings | None = None


def _default_kind(value: Any) -> str:
    return "tier" if isinstance(value, str) else "policy"


class RoutingSettings(Section):
    """The routing table.

    Attributes:
        default: where task types without a row go: a tier's name, `refuse`, or a table like a row's.
        tiers: the tiers in use, weakest first; without a value, the profile's and then the file's new ones.
        profile_rows: whether the profile's rows hold for task types that the file has no row for.
        assumed_output_tokens: the answer length that estimates assume where nothing was measured.
        fallback_to_next_tier: whether a stronger tier answers while none of a tier's models is available.
        escalation: the cascade for requests that turn escalation on.
        rows: the rows.
    """

    default: (
        Annotated[
            Annotated[Name, Tag("tier")] | Annotated[PolicySettings, Tag("policy")],
            Discriminator(_default_kind),
        ]
        | None
    ) = None
    tiers: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] | None = None
    profile_rows: bool | None = None
    assumed_output_tokens: Tokens | None = None
    fallback_to_next_tier: bool | None = None
    escalation: EscalationSettings = EscalationSettings()
    rows: Annotated[tuple[RowSettings, ...], Field(strict=False)] = ()


class RateSettings(Section):
    """Prices in USD per million tokens: whole numbers, or decimals as strings.

    Attributes:
        input: tokens of the prompt.
        output: tokens of the answer, thinking included.
        cache_read: prompt tokens read from the cache; without a value, a multiple of `input`.
        cache_write: prompt tokens written to the cache for 5 minutes; without a value, a multiple of `input`.
        cache_write_1h: prompt tokens written to the cache for 1 hour; without a value, a multiple of `input`.
    """

    input: Price
    output: Price
    cache_read: Price | None = None
    cache_write: Price | None = None
    cache_write_1h: Price | None = None


class BandSettings(RateSettings):
    """Prices for prompts of some lengths, in USD per million tokens.

    Attributes:
        up_to_input_tokens: the longest prompt, cached tokens included, that these prices hold for; the last band has
            none and holds for all longer ones.
        input: tokens of the prompt.
        output: tokens of the answer, thinking included.
        cache_read: prompt tokens read from the cache; without a value, a multiple of `input`.
        cache_write: prompt tokens written to the cache for 5 minutes; without a value, a multiple of `input`.
        cache_write_1h: prompt tokens written to the cache for 1 hour; without a value, a multiple of `input`.
    """

    up_to_input_tokens: Tokens | None = None


class ModelPriceSettings(Section):
    """What a model costs: one set of prices, or bands by the length of the prompt.

    Attributes:
        input: tokens of the prompt.
        output: tokens of the answer, thinking included.
        cache_read: prompt tokens read from the cache; without a value, a multiple of `input`.
        cache_write: prompt tokens written to the cache for 5 minutes; without a value, a multiple of `input`.
        cache_write_1h: prompt tokens written to the cache for 1 hour; without a value, a multiple of `input`.
        bands: instead of these, prices by the length of the prompt, shortest first.
    """

    input: Price | None = None
    output: Price | None = None
    cache_read: Price | None = None
    cache_write: Price | None = None
    cache_write_1h: Price | None = None
    bands: Annotated[tuple[BandSettings, ...], Field(strict=False)] | None = None


class CacheMultiples(Section):
    """What cache rates are, as multiples of the input price, where a model gives none of its own.

    Attributes:
        read: for tokens read.
        write: for tokens written for 5 minutes.
        write_1h: for tokens written for 1 hour.
    """

    read: Price
    write: Price
    write_1h: Price


class PriceFile(Section):
    """A price book's file.

    Attributes:
        version: what every cost names.
        date: when the prices were looked up.
        source: where.
        cache: cache rates as multiples of the input price.
        models: model id to prices.
    """

    version: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    date: dt.date
    source: Annotated[str, Field(min_length=1)]
    cache: CacheMultiples
    models: dict[ModelId, ModelPriceSettings]


class PriceSettings(Section):
    """Which prices hold.

    Attributes:
        book: the shipped price book; without a value, the profile's.
        file: a price book of your own, in place of the shipped one.
        models: prices of single models, over the book's.
    """

    book: str | None = None
    file: FilePath | None = None
    models: dict[ModelId, ModelPriceSettings] | None = None


class Layer(Section):
    """What a profile and a file have in common.

    Attributes:
        routing: the routing table.
        tiers: the tiers, weakest first.
        models: the models.
        prices: which prices hold.
    """

    routing: RoutingSettings = RoutingSettings()
    tiers: Annotated[tuple[TierSettings, ...], Field(strict=False)] = ()
    models: Annotated[tuple[ModelSettings, ...], Field(strict=False)] = ()
    prices: PriceSettings = PriceSettings()


class Profile(Layer):
    """A shipped profile.

    Attributes:
        description: what it is, in one line.
        routing: the routing table.
        tiers: the tiers, weakest first.
        models: the models.
        prices: which prices hold.
    """

    description: str
