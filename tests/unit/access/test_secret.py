"""A key's format: what is one, what is not, and what is kept of it."""

from __future__ import annotations

import hashlib
import random
import re
import string

import pytest

from tierwise_server.access.secret import PATTERN, new_key, read_key


def test_a_new_key_reads_back_as_its_id_and_the_digest_of_the_whole() -> None:
    key = new_key()
    shown = read_key(key)
    assert shown is not None
    assert key.split("_")[:2] == ["tw", shown.key_id]
    assert shown.digest == hashlib.sha256(key.encode()).hexdigest()
    assert shown.proves(shown.digest)
    assert key.split("_")[2] not in repr(shown)


def test_keys_differ_in_id_and_secret() -> None:
    keys = {new_key() for _ in range(500)}
    assert len({key.split("_")[1] for key in keys}) == len(keys)
    assert len({key.split("_")[2][:43] for key in keys}) == len(keys)


def test_a_scanner_finds_a_key_in_text() -> None:
    key = new_key()
    found = re.search(PATTERN, f'api_key = "{key}"')
    assert found is not None
    assert found[0] == key


def test_a_key_proves_itself_by_the_whole_digest_and_by_no_part_of_it() -> None:
    shown = read_key(new_key())
    assert shown is not None
    for digest in ("", shown.digest[:32], shown.digest[:-1] + "g", shown.digest.upper() + " "):
        assert not shown.proves(digest)


def test_every_single_typing_error_is_noticed() -> None:
    key = new_key()
    chance = random.Random(1)
    for at in range(len(key)):
        other = chance.choice([c for c in string.ascii_letters + string.digits if c != key[at]])
        assert read_key(key[:at] + other + key[at + 1 :]) is None
        assert read_key(key[:at] + key[at + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    ["", "tw_", "sk-ant-abc", "tw_abc_def", "Bearer x", "tw_" + "é" * 60, "tw_" + "0" * 100_000],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    assert read_key(text) is None


@pytest.mark.parametrize("around", ["{}\n", " {}", "{} ", "{}\x00", "{0}{0}"])
def test_a_key_with_something_around_it_is_none(around: str) -> None:
    assert read_key(around.format(new_key())) is None
