"""What the rules look at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

from tierwise_server.config.findings import Loc, Places
from tierwise_server.config.layers import ModelSettings, Profile
from tierwise_server.config.price_source import PricesRead
from tierwise_server.config.resolve import Resolved, ResolvedTier
from tierwise_server.config.settings import Config


@dataclass(frozen=True)
class Context:
    """One configuration under the rules.

    Attributes:
        config: the file, without what could not be read.
        profile: the shipped profile that it starts from.
        resolved: the file over its profile.
        prices: what became of the prices.
        today: for the age of prices.
        places: where values come from.
        removed: what could not be read, by its place in the file. A rule that would only repeat such a fault in other
            words stays silent.
    """

    config: Config
    profile: Profile
    resolved: Resolved
    prices: PricesRead
    today: dt.date
    places: Places = field(default_factory=Places)
    removed: frozenset[Loc] = frozenset()

    def intact(self, *locs: Loc) -> bool:
        """Whether everything in these places could be read."""
        return not any(
            gone[: len(original)] == original
            for original in map(self.places.original, locs)
            for gone in self.removed
        )

    def all_entries(self, name: str) -> bool:
        """Whether every entry of a top-level list is there, be it with a fault inside."""
        return not any(len(gone) <= 2 and gone[:1] in ((), (name,)) for gone in self.removed)

    def described_tiers(self) -> Iterator[tuple[ResolvedTier, ModelSettings]]:
        """The tiers whose model is known and described, with that model."""
        for tier in self.resolved.tiers:
            model = tier.model
            if (
                model is not None
                and self.intact((*tier.loc, "model"), model.loc)
                and model.settings.context_tokens
                and model.settings.max_output_tokens
            ):
                yield tier, model.settings
