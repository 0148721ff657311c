"""The whole configuration, as the rest of the server sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from tierwise_server.config import shipped
from tierwise_server.config.credentials import Secrets, read_secrets
from tierwise_server.config.findings import Places
from tierwise_server.config.layers import Layer
from tierwise_server.config.price_source import PricesRead, read_prices
from tierwise_server.config.resolve import Resolved, resolve, routing_table
from tierwise_server.config.sections import (
    CheckSettings,
    ServerSettings,
    TelemetrySettings,
    UpstreamSettings,
)
from tierwise_server.config.sections_access import (
    AuthSettings,
    IdempotencySettings,
    LedgerStoreSettings,
)
from tierwise_server.core.prices import PriceBook
from tierwise_server.core.table import RoutingTable
from tierwise_server.errors import ConfigurationError


class Config(Layer):
    """A configuration: one file over its profile. `load` makes it and has checked it.

    Attributes:
        profile: the shipped table, tiers and models that the file starts from.
        server: the listener and its limits.
        upstream: calls to model providers.
        check: the confidence check.
        telemetry: logs and spans.
        ledger: where records and keys are kept.
        auth: who may call.
        idempotency: how long answers are remembered.
        routing: the routing table.
        tiers: the tiers, weakest first.
        models: the models.
        prices: which prices hold.
    """

    profile: Annotated[str, Field(json_schema_extra={"enum": list(shipped.PROFILES)})] = (
        shipped.DEFAULT_PROFILE
    )
    server: ServerSettings = ServerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    check: CheckSettings = CheckSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    ledger: LedgerStoreSettings = LedgerStoreSettings()
    auth: AuthSettings = AuthSettings()
    idempotency: IdempotencySettings = IdempotencySettings()

    @property
    def resolved(self) -> Resolved:
        """The file over its profile."""
        return resolve(shipped.profile(self.profile), self, shipped.known_models())

    def prices_read(self) -> PricesRead:
        """Read the prices, and say what is wrong with them."""
        return read_prices(self.prices, self.resolved.price_book)

    def routing_table(self) -> RoutingTable:
        """The table that decides. Equal tables have equal versions.

        Raises:
            ValueError: the configuration was not made by `load`, and is faulty.
        """
        return routing_table(self.resolved)

    def price_book(self) -> PriceBook:
        """The prices that hold. Reads the file that `prices.file` names, if any; never the network.

        Raises:
            ConfigurationError: that file has changed since `load` checked it, and cannot be used.
        """
        read = self.prices_read()
        if read.book is None or read.findings:
            raise ConfigurationError(Places().faults(read.findings))
        return read.book

    def secrets(self, environ: Mapping[str, str]) -> Secrets:
        """The keys, from the file that is configured, else from the environment.

        Raises:
            ConfigurationError: there is no key, or it cannot be one.
        """
        return read_secrets(self.upstream, environ)
