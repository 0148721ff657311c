from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.reading import TODAY, config, examined
from tierwise_server.config import examine, load
from tierwise_server.core.model import Usage
from tierwise_server.core.prices import Rates
from tierwise_server.errors import ConfigurationError

OWN_BOOK = """\
version = "contract-2026"
date = 2026-11-01
source = "our contract"

[cache]
read = "0.05"
write = "1.5"
write_1h = 3

[models.claude-haiku-4-5-20251001]
input = "0.9"
output = "4.5"

[models.claude-sonnet-4-6]
input = 2
output = 10
cache_read = "0.15"

[[models.claude-opus-4-8.bands]]
up_to_input_tokens = 1000
input = 4
output = 20

[[models.claude-opus-4-8.bands]]
input = 5
output = 25
"""


def own_book(folder: Path, text: str) -> Path:
    """Write a price file and a configuration that names it."""
    (folder / "prices.toml").write_text(text, encoding="utf-8")
    path = folder / "tierwise.toml"
    path.write_text('[prices]\nfile = "prices.toml"\n', encoding="utf-8")
    return path


def test_a_book_of_ones_own_stands_in_place_of_the_shipped_one(tmp_path: Path) -> None:
    book = load(own_book(tmp_path, OWN_BOOK), {}, today=TODAY).price_book()
    assert book.version == "contract-2026"
    assert book.models == {
        "claude-haiku-4-5-20251001": (Rates(900_000, 4_500_000, 45_000, 1_350_000, 2_700_000),),
        "claude-sonnet-4-6": (Rates(2_000_000, 10_000_000, 150_000, 3_000_000, 6_000_000),),
        "claude-opus-4-8": (
            Rates(4_000_000, 20_000_000, 200_000, 6_000_000, 12_000_000, 1000),
            Rates(5_000_000, 25_000_000, 250_000, 7_500_000, 15_000_000),
        ),
    }


def test_faults_of_ones_own_book_are_told_with_place_and_line(tmp_path: Path) -> None:
    wrong = OWN_BOOK.replace('input = "0.9"', "input = 0.9").replace("input = 4", "inptu = 4")
    found = examine(own_book(tmp_path, wrong), {}, today=TODAY)
    assert {fault.path for fault in found.faults} == {"prices.file"}
    told = "\n".join(fault.message for fault in found.faults)
    assert "models.claude-haiku-4-5-20251001.input: must be a whole number or a string" in told
    assert (
        "models.claude-opus-4-8.bands[0].inptu: there is no such key; did you mean 'input'?" in told
    )
    assert "models.claude-opus-4-8.bands[0].input: is missing" in told
    assert told.startswith("in its line 11, models.claude-haiku-4-5-20251001.input: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "version: is missing"),
        ("version = 1", "version: must be a string"),
        ("not toml", "is not TOML"),
        (OWN_BOOK.replace("2026-11-01", "'soon'"), "date: must be a date such as 2026-11-23"),
        (
            OWN_BOOK.replace("contract-2026", "a b"),
            "version: holds a character that is not allowed",
        ),
        (OWN_BOOK.replace('read = "0.05"', ""), "cache.read: is missing"),
    ],
)
def test_a_book_that_cannot_be_read_is_a_fault(tmp_path: Path, text: str, words: str) -> None:
    found = examine(own_book(tmp_path, text), {}, today=TODAY)
    assert any(words in fault.message for fault in found.faults)
    assert {fault.path for fault in found.faults} == {"prices.file"}


def test_a_book_that_lacks_a_model_of_a_tier_is_a_fault(tmp_path: Path) -> None:
    text = OWN_BOOK.replace("[models.claude-sonnet-4-6]", "[models.other]")
    (fault,) = examine(own_book(tmp_path, text), {}, today=TODAY).faults
    assert "'claude-sonnet-4-6' of tier 'frontier' has no price in 'contract-2026'" in fault.message


def test_a_book_and_a_file_exclude_each_other(tmp_path: Path) -> None:
    path = own_book(tmp_path, OWN_BOOK)
    path.write_text(
        '[prices]\nfile = "prices.toml"\nbook = "anthropic-2026-11-23"', encoding="utf-8"
    )
    (fault,) = examine(path, {}, today=TODAY).faults
    assert fault.path == "prices.book"


def test_a_book_that_changed_after_the_check_is_told(tmp_path: Path) -> None:
    loaded = load(own_book(tmp_path, OWN_BOOK), {}, today=TODAY)
    (tmp_path / "prices.toml").unlink()
    with pytest.raises(ConfigurationError, match=r"prices\.file: cannot be read"):
        loaded.price_book()


def test_single_prices_stand_over_the_book_and_show_in_its_version() -> None:
    toml = "[prices.models.claude-opus-4-8]\ninput = {}\noutput = 20"
    shipped = config().price_book()
    cheaper, dearer = (config(toml.format(price)).price_book() for price in (4, 6))
    assert cheaper.models["claude-opus-4-8"] == (
        Rates(4_000_000, 20_000_000, 400_000, 5_000_000, 8_000_000),
    )
    assert cheaper.models["claude-sonnet-4-6"] == shipped.models["claude-sonnet-4-6"]
    assert re.fullmatch(r"anthropic-2026-11-23\+[0-9a-f]{8}", cheaper.version)
    assert cheaper.version != dearer.version
    assert config(toml.format('"4.0"')).price_book().version == cheaper.version


def test_a_banded_price_is_charged_by_the_whole_prompt() -> None:
    book = config('profile = "claude-5.5"').price_book()
    usage = Usage(input_tokens=100_001, cache_read_tokens=100_000, output_tokens=10)
    cost = book.cost("claude-haiku-5-5", usage)
    assert cost is not None
    assert (cost.input_nano_usd, cost.cache_read_nano_usd) == (500, 100_000 * 50)
    assert cost.output_nano_usd == 10 * 2_500


@given(
    st.decimals(min_value=0, max_value=99_999, places=6, allow_nan=False, allow_infinity=False),
    st.integers(min_value=0, max_value=99_999),
)
def test_every_price_is_kept_exactly(micro: Decimal, whole: int) -> None:
    toml = (
        f'[prices.models.claude-opus-4-8]\ninput = "{micro:f}"\noutput = {whole}\n'
        'cache_read = "0"\ncache_write = "0"\ncache_write_1h = "0"'
    )
    found = examined(toml)
    assert found.config is not None, found.faults
    rates = found.config.price_book().models["claude-opus-4-8"][0]
    assert Decimal(rates.input) / 1_000_000 == micro
    assert rates.output == whole * 1_000_000
