"""What works but is probably not wanted: rules whose findings are warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tierwise_server.config.context import Context
from tierwise_server.config.credentials import world_readable
from tierwise_server.config.findings import Finding, Loc, did_you_mean
from tierwise_server.config.layers import ModelSettings
from tierwise_server.config.resolve import find_model
from tierwise_server.config.sections import is_loopback
from tierwise_server.core.prices import PriceBook, Rates

OLD_PRICES_DAYS: Final = 180


def _caution(loc: Loc, message: str) -> Finding:
    return Finding(loc, message, grave=False)


def thinking_is_current(ctx: Context) -> Iterator[Finding]:
    """No tier thinks in a form that its provider will take away."""
    for tier, model in ctx.described_tiers():
        thinking = tier.settings.thinking
        if thinking in (model.deprecated_thinking or ()):
            yield _caution(
                tier.at("thinking", "model"),
                f"tier {tier.name!r} has thinking {thinking!r}, which is deprecated on {model.id!r}",
            )


def stronger_tiers_cost_more(ctx: Context) -> Iterator[Finding]:
    """No tier is dearer than a stronger one: nobody would want the weaker."""
    book = ctx.prices.book
    if book is None:
        return
    tiers = list(ctx.described_tiers())
    for rank, (tier, model) in enumerate(tiers):
        stronger = tiers[rank + 1 :]
        cheaper = next((up for up, other in stronger if _undercuts(other, model, book)), None)
        if cheaper is not None:
            yield _caution(
                tier.at("model"),
                f"tier {tier.name!r} is dominated: {cheaper.name!r} is stronger and costs less"
                " at every prompt length",
            )


def _undercuts(above: ModelSettings, below: ModelSettings, book: PriceBook) -> bool:
    """Whether `above` costs no more than `below` for the same text at any length, and less somewhere."""
    bands = (*book.models.get(above.id, ()), *book.models.get(below.id, ()))
    lengths = [0, *(b.up_to_input_tokens + 1 for b in bands if b.up_to_input_tokens is not None)]
    pairs: list[tuple[float, float]] = []
    for length in lengths:
        high, low = book.rates(above.id, length), book.rates(below.id, length)
        if high is None or low is None:
            return False
        ups, lows = (
            _for_same_text(rates, scale or 1.0)
            for rates, scale in ((high, above.token_scale), (low, below.token_scale))
        )
        pairs += zip(ups, lows, strict=True)
    return all(up <= low for up, low in pairs) and any(up < low for up, low in pairs)


def _for_same_text(rates: Rates, token_scale: float) -> tuple[float, float]:
    return rates.input * token_scale, rates.output * token_scale


def prices_are_fresh(ctx: Context) -> Iterator[Finding]:
    """The price book is of this half year."""
    dated = ctx.prices.dated
    if dated is None:
        return
    age = (ctx.today - dated.date).days
    if age > OLD_PRICES_DAYS:
        own = ctx.config.prices
        key = "file" if own.file is not None else "book"
        loc: Loc = ("prices", key) if key in own.model_fields_set else ("prices",)
        yield _caution(
            loc,
            f"price book {dated.book.version!r} is {age} days old; compare it with {dated.source}",
        )


def prices_have_models(ctx: Context) -> Iterator[Finding]:
    """The file's own prices are of models that exist."""
    for model_id in ctx.config.prices.models or {}:
        if find_model(ctx.resolved.models, model_id) is None and ctx.all_entries("models"):
            hint = did_you_mean(model_id, ctx.resolved.models)
            yield _caution(
                ("prices", "models", model_id), f"prices a model that no tier can name{hint}"
            )


def connections_outlive_requests(ctx: Context) -> Iterator[Finding]:
    """A connection that has to go leaves its requests the time they may take."""
    server = ctx.config.server
    if server.max_connection_age_grace_s < server.max_request_s:
        yield _caution(
            ("server", "max_connection_age_grace_s"),
            f"is {server.max_connection_age_grace_s:g}, less than max_request_s {server.max_request_s:g}:"
            " long requests are cut off when their connection has to go",
        )


def keys_are_private(ctx: Context) -> Iterator[Finding]:
    """Files with keys are not readable by everybody."""
    files = {
        ("upstream", "anthropic", "api_key_file"): ctx.config.upstream.anthropic.api_key_file,
        ("server", "tls", "key_file"): ctx.config.server.tls.key_file,
    }
    for loc, path in files.items():
        if path is not None and world_readable(path):
            yield _caution(loc, "can be read by every user of this machine; chmod 600 it")


def upstream_is_encrypted(ctx: Context) -> Iterator[Finding]:
    """The provider's key does not cross a network in plaintext."""
    parts = urlsplit(ctx.config.upstream.anthropic.base_url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        loc = ("upstream", "anthropic", "base_url")
        yield _caution(loc, "sends the key and every prompt in plaintext; use https")


def strangers_need_a_key(ctx: Context) -> Iterator[Finding]:
    """A server that others can reach does not answer everybody, and can tell one from the other."""
    auth, ledger = ctx.config.auth, ctx.config.ledger
    if auth.mode == "open" and not ctx.config.server.private:
        yield _caution(("auth", "mode"), "lets everybody who can reach the port spend your money")
    forgetful = ledger.url is not None and ledger.url.get_secret_value() == "memory:"
    kept = ledger.enabled and not forgetful
    if auth.mode == "required" and not kept and not auth.certificates:
        text = "refuses every call: there is no place for keys; the ledger keeps nothing"
        yield _caution(("auth", "mode"), text)


CAUTIONS: Final = (
    thinking_is_current,
    stronger_tiers_cost_more,
    prices_are_fresh,
    prices_have_models,
    connections_outlive_requests,
    keys_are_private,
    upstream_is_encrypted,
    strangers_need_a_key,
)
