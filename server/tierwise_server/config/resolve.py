"""Puts a file's layer over its profile's and makes the core's values of the result.

Nothing is judged here: what cannot be resolved is left out, and the rules say why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from tierwise_server.config.findings import Loc
from tierwise_server.config.layers import (
    REFUSE,
    EscalationSettings,
    Layer,
    ModelSettings,
    PolicySettings,
    RoutingSettings,
    RowSettings,
    TierSettings,
)
from tierwise_server.config.sections_evidence import EvidenceSettings
from tierwise_server.config.version import table_version
from tierwise_server.core.calibration import Calibration
from tierwise_server.core.confidence import HIGHEST_SCORE
from tierwise_server.core.model import Model, ThinkingForm, Tier
from tierwise_server.core.table import Evidence, Policy, RoutingTable, with_version

DEFAULT_MAX_OUTPUT_TOKENS: Final = 4096
DEFAULT_HEADROOM_S: Final = 5.0
DEFAULT_ASSUMED_OUTPUT_TOKENS: Final = 500

_EVIDENCE_SHOWN: Final = {field.name for field in dataclasses.fields(Evidence)}

PROFILE: Final[Loc] = ("profile",)
"""The place of everything that the file does not set."""

_Settings = TypeVar("_Settings", TierSettings, ModelSettings, EscalationSettings, RoutingSettings)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model with everything known about it. `loc` is its entry in the file, or PROFILE."""

    settings: ModelSettings
    loc: Loc
    shipped: bool


@dataclass(frozen=True, slots=True)
class ResolvedTier:
    """A tier with every key filled but an unknown model.

    Attributes:
        settings: its keys, the file's over the profile's.
        model: the model it names, if there is one.
        fallbacks: the models it names to take over; None for one that does not exist.
        loc: its entry in the file, or PROFILE.
        own: the keys that the file sets.
    """

    settings: TierSettings
    model: ResolvedModel | None
    fallbacks: tuple[ResolvedModel | None, ...]
    loc: Loc
    own: frozenset[str]

    @property
    def name(self) -> str:
        """What callers and the table call it."""
        return self.settings.name

    def at(self, *keys: str) -> Loc:
        """The place of the first of these keys that the file sets, else of the tier."""
        return next(((*self.loc, key) for key in keys if key in self.own), self.loc)


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """A policy on its method's own scale. `loc` is where the file states it, or PROFILE."""

    settings: PolicySettings
    loc: Loc

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers it names, in its order."""
        if self.settings.cascade is not None:
            return self.settings.cascade
        return () if self.settings.tier is None else (self.settings.tier,)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A file over its profile.

    Attributes:
        models: every known model, by id.
        tiers: the tiers in use, weakest first.
        rows: task type to policy.
        default: the policy of all other task types; None refuses them.
        escalation: the cascade for requests that turn escalation on, with its method and threshold.
        assumed_output_tokens: the answer length that estimates assume.
        fallback_to_next_tier: whether a stronger tier answers while none of a tier's models is available.
        price_book: the name of the shipped price book that holds where the file brings none.
    """

    models: Mapping[str, ResolvedModel]
    tiers: tuple[ResolvedTier, ...]
    rows: Mapping[str, ResolvedPolicy]
    default: ResolvedPolicy | None
    escalation: ResolvedPolicy
    assumed_output_tokens: int
    fallback_to_next_tier: bool
    price_book: str

    def policies(self) -> Iterator[ResolvedPolicy]:
        """Every policy, each once."""
        seen: list[ResolvedPolicy] = []
        default = () if self.default is None else (self.default,)
        for policy in (*self.rows.values(), *default, self.escalation):
            if not any(policy is other for other in seen):
                seen.append(policy)
                yield policy


def over(base: _Settings, own: _Settings) -> _Settings:
    """Put the keys that `own` sets over those of `base`."""
    keys = {key: getattr(own, key) for key in own.model_fields_set}
    return base.model_copy(update=keys)


def resolve(profile: Layer, file: Layer, shipped: Mapping[str, ModelSettings]) -> Resolved:
    """Put a file's layer over a profile's; `shipped` are the models that need no description."""
    models = _models(file, shipped)
    escalation = _escalation(profile, file)
    assumed = file.routing.assumed_output_tokens or profile.routing.assumed_output_tokens
    falls_back = over(profile.routing, file.routing).fallback_to_next_tier
    return Resolved(
        models=models,
        tiers=_tiers(profile, file, models),
        rows=_rows(profile, file, escalation.settings),
        default=_default(profile, file, escalation.settings),
        escalation=escalation,
        assumed_output_tokens=assumed or DEFAULT_ASSUMED_OUTPUT_TOKENS,
        fallback_to_next_tier=falls_back is not False,
        price_book=file.prices.book or profile.prices.book or "",
    )


def _models(file: Layer, shipped: Mapping[str, ModelSettings]) -> dict[str, ResolvedModel]:
    models = {
        model_id: ResolvedModel(settings, PROFILE, shipped=True)
        for model_id, settings in shipped.items()
    }
    for index, own in enumerate(file.models):
        loc: Loc = ("models", index)
        known = find_model(models, own.id)
        if known is None:
            models[own.id] = ResolvedModel(own, loc, shipped=False)
        elif known.loc == PROFILE:
            merged = over(known.settings, own).model_copy(update={"id": known.settings.id})
            models[known.settings.id] = ResolvedModel(merged, loc, shipped=True)
    return models


def find_model(models: Mapping[str, ResolvedModel], name: str) -> ResolvedModel | None:
    """The model of that id or alias."""
    if name in models:
        return models[name]
    return next((m for m in models.values() if name in (m.settings.aliases or ())), None)


def _tiers(
    profile: Layer, file: Layer, models: Mapping[str, ResolvedModel]
) -> tuple[ResolvedTier, ...]:
    places = {own.name: index for index, own in reversed(list(enumerate(file.tiers)))}
    base = {tier.name: tier for tier in profile.tiers}
    known = [
        *base,
        *(name for name in dict.fromkeys(t.name for t in file.tiers) if name not in base),
    ]
    wanted = file.routing.tiers if file.routing.tiers is not None else known
    return tuple(
        _tier(base.get(name), file, places.get(name), models)
        for name in dict.fromkeys(wanted)
        if name in known
    )


def _tier(
    base: TierSettings | None,
    file: Layer,
    place: int | None,
    models: Mapping[str, ResolvedModel],
) -> ResolvedTier:
    if place is None:
        assert base is not None  # noqa: S101 - a known tier stands in the profile or in the file
        settings, loc, own = base, PROFILE, frozenset[str]()
    else:
        mine = file.tiers[place]
        settings = mine if base is None else over(base, mine)
        loc, own = ("tiers", place), frozenset(mine.model_fields_set)
    model = None if settings.model is None else find_model(models, settings.model)
    fallbacks = tuple(find_model(models, name) for name in settings.fallbacks or ())
    return ResolvedTier(_filled(settings, own, model), model, fallbacks, loc, own)


def _filled(
    settings: TierSettings, own: frozenset[str], model: ResolvedModel | None
) -> TierSettings:
    """Fill the keys that nobody sets. A budget of the profile goes when the file changes the form of thinking."""
    always = model is not None and bool(model.settings.always_thinks)
    thinking = settings.thinking or ("adaptive" if always else "none")
    budget = settings.thinking_budget_tokens or 0
    if thinking != "budget" and "thinking_budget_tokens" not in own:
        budget = 0
    headroom = DEFAULT_HEADROOM_S if settings.headroom_s is None else settings.headroom_s
    return settings.model_copy(
        update={
            "max_output_tokens": settings.max_output_tokens or DEFAULT_MAX_OUTPUT_TOKENS,
            "thinking": thinking,
            "thinking_budget_tokens": budget,
            "effort": settings.effort or "default",
            "headroom_s": headroom,
        }
    )


def _escalation(profile: Layer, file: Layer) -> ResolvedPolicy:
    own = file.routing.escalation
    merged = over(profile.routing.escalation, own)
    loc: Loc = ("routing", "escalation") if own.cascade is not None else PROFILE
    return ResolvedPolicy(PolicySettings(**merged.model_dump(exclude_unset=True)), loc)


def _rows(profile: Layer, file: Layer, escalation: PolicySettings) -> dict[str, ResolvedPolicy]:
    rows: dict[str, ResolvedPolicy] = {}
    if file.routing.profile_rows is not False:
        for row in profile.routing.rows:
            rows |= dict.fromkeys(row.task_types, ResolvedPolicy(_full(row, escalation), PROFILE))
    own: dict[str, ResolvedPolicy] = {}
    for index, row in enumerate(file.routing.rows):
        policy = ResolvedPolicy(_full(row, escalation), ("routing", "rows", index))
        own = dict.fromkeys(row.task_types, policy) | own
    return rows | own


def _full(policy: PolicySettings, escalation: PolicySettings) -> PolicySettings:
    """Give a cascade that names no method or threshold those of the escalation."""
    if policy.cascade is None:
        return policy
    threshold = escalation.threshold if policy.threshold is None else policy.threshold
    return policy.model_copy(
        update={"method": policy.method or escalation.method, "threshold": threshold}
    )


def _default(profile: Layer, file: Layer, escalation: PolicySettings) -> ResolvedPolicy | None:
    own = file.routing.default
    value = profile.routing.default if own is None else own
    loc: Loc = PROFILE if own is None else ("routing", "default")
    if value is None or value == REFUSE:
        return None
    if isinstance(value, str):
        return ResolvedPolicy(PolicySettings(tier=value), loc)
    return ResolvedPolicy(_full(value, escalation), loc)


def routing_table(resolved: Resolved) -> RoutingTable:
    """The core's table. Only for what the rules have found faultless."""
    table = RoutingTable(
        version="",
        tiers=tuple(core_tier(tier) for tier in resolved.tiers),
        rows={task_type: _core_policy(policy) for task_type, policy in resolved.rows.items()},
        default=None if resolved.default is None else _core_policy(resolved.default),
        escalation=_core_policy(resolved.escalation),
        assumed_output_tokens=resolved.assumed_output_tokens,
        fallback_to_next_tier=resolved.fallback_to_next_tier,
    )
    return with_version(table, table_version(table))


def core_tier(tier: ResolvedTier) -> Tier:
    """The core's tier. Only for a tier whose model is known and described."""
    settings = tier.settings
    if tier.model is None:
        raise ValueError(f"tier {tier.name!r} has no model")
    return Tier(
        name=settings.name,
        model=core_model(tier.model.settings),
        max_output_tokens=settings.max_output_tokens or DEFAULT_MAX_OUTPUT_TOKENS,
        thinking=ThinkingForm(settings.thinking),
        thinking_budget_tokens=settings.thinking_budget_tokens or 0,
        effort="" if settings.effort in (None, "default") else settings.effort,
        headroom_s=settings.headroom_s or 0.0,
        fallbacks=tuple(core_model(m.settings) for m in tier.fallbacks if m is not None),
    )


def core_model(settings: ModelSettings) -> Model:
    """The core's model, with the defaults of what its settings leave out."""
    return Model(
        id=settings.id,
        provider=settings.provider or "anthropic",
        context_tokens=settings.context_tokens or 0,
        max_output_tokens=settings.max_output_tokens or 0,
        takes_sampling=settings.takes_sampling is not False,
        takes_structured_output=settings.takes_structured_output is not False,
        takes_effort=bool(settings.efforts),
        thinking_forms=frozenset(ThinkingForm(form) for form in settings.thinking or ("none",)),
        thinks_by_default=bool(settings.thinks_by_default),
        always_thinks=bool(settings.always_thinks),
        token_scale=settings.token_scale or 1.0,
    )


def _core_policy(policy: ResolvedPolicy) -> Policy:
    settings = policy.settings
    row = settings if isinstance(settings, RowSettings) else None
    climbs = settings.cascade is not None
    calibration = None if row is None or not row.calibration else row.calibration
    threshold = settings.threshold or 0.0
    return Policy(
        cascade=policy.tiers,
        threshold=(threshold if calibration else confidence_of(threshold)) if climbs else 0.0,
        method=(settings.method or "") if climbs else "",
        evidence=None if row is None or row.evidence is None else _core_evidence(row.evidence),
        measured_output_tokens=None if row is None else row.measured_output_tokens,
        calibration={tier: Calibration(**one.model_dump()) for tier, one in calibration.items()}
        if calibration
        else None,
    )


def confidence_of(threshold: float) -> float:
    """A threshold of the self-report method as a confidence, by the very division that makes one of a score."""
    return threshold / HIGHEST_SCORE


def _core_evidence(settings: EvidenceSettings) -> Evidence:
    return Evidence(
        **settings.model_dump(include=_EVIDENCE_SHOWN),
        measured_at_s=int(settings.measured_at.timestamp()),
        expires_at_s=int(settings.expires_at.timestamp()),
    )
