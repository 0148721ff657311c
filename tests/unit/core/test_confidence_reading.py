"""Reading the check's answer: a plain integer from 1 to 10, in the form that was asked for, and nothing else."""

from __future__ import annotations

import json
import re
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tierwise_server.core.confidence import Score, read_score

NUMBERS = [str(score) for score in range(1, 11)]

NOT_A_NUMBER = {
    "empty": "",
    "blank": "   ",
    "zero": "0",
    "eleven": "11",
    "hundred": "100",
    "negative": "-1",
    "negative zero": "-0",
    "signed": "+8",
    "padded": "08",
    "padded ten": "010",
    "decimal": "10.0",
    "decimal comma": "8,0",
    "half": "7.5",
    "full stop": "8.",
    "leading stop": ".8",
    "exponent": "1e1",
    "underscore": "1_0",
    "hexadecimal": "0xA",
    "fraction": "8/10",
    "percent": "80%",
    "word": "Eight",
    "sentence": "I am 9 out of 10 sure.",
    "number and more": "9 because it is right",
    "two numbers": "9 10",
    "two lines": "9\n10",
    "split ten": "1 0",
    "quoted": '"8"',
    "bold": "**8**",
    "nan": "nan",
    "inf": "inf",
    "Infinity": "Infinity",
    "none": "None",
    "true": "True",
    "full-width ten": "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT ZERO}",
    "full-width eight": "\N{FULLWIDTH DIGIT EIGHT}",
    "Arabic-Indic eight": "\N{ARABIC-INDIC DIGIT EIGHT}",
    "Devanagari eight": "\N{DEVANAGARI DIGIT EIGHT}",
    "mathematical eight": "\N{MATHEMATICAL BOLD DIGIT EIGHT}",
    "superscript": "8\N{SUPERSCRIPT TWO}",
    "Roman": "\N{ROMAN NUMERAL EIGHT}",
    "circled": "\N{CIRCLED DIGIT EIGHT}",
    "zero-width space": "8\u200b",
    "zero-width joiner": "1\u200d0",
    "byte-order mark": "\ufeff8",
    "right-to-left override": "\u202e8",
    "combining mark": "8\u0301",
    "no-break space": "\u00a08",
    "ideographic space": "8\u3000",
    "line separator": "8\u2028",
    "form feed": "8\f",
    "vertical tab": "\v8",
    "unit separator": "8\x1f",
    "null": "8\x00",
    "lone surrogate": "8\ud800",
    "object": '{"confidence": 8}',
    "5 MB of digits": "8" * 5_000_000,
    "5 MB of spaces": " " * 5_000_000 + "8",
    "just too long": " " * 256 + "8",
}


@pytest.mark.parametrize("text", NUMBERS)
def test_plain_number_is_the_score(text: str) -> None:
    score = read_score(text, structured=False)
    assert score == Score(int(text))


@pytest.mark.parametrize("text", [" 8 ", "8\n", "\t8", "\r\n8\r\n", " " * 255 + "8"])
def test_white_space_around_a_number_is_forgiven(text: str) -> None:
    assert read_score(text, structured=False) == Score(8)


@pytest.mark.parametrize("text", NOT_A_NUMBER.values(), ids=NOT_A_NUMBER)
def test_anything_but_a_plain_number_is_unknown(text: str) -> None:
    assert read_score(text, structured=False) is None


@pytest.mark.parametrize("score", range(1, 11))
def test_confidence_is_the_score_in_tenths(score: int) -> None:
    assert Score(score).confidence == float(f"{score}e-1")


NOT_THE_OBJECT = {
    "empty": "",
    "bare number": "8",
    "bare text": '"8"',
    "null": "null",
    "empty object": "{}",
    "empty array": "[]",
    "array of the object": '[{"confidence": 8}]',
    "array of a pair": '[["confidence", 8]]',
    "true": '{"confidence": true}',
    "false": '{"confidence": false}',
    "null score": '{"confidence": null}',
    "float": '{"confidence": 8.0}',
    "exponent": '{"confidence": 8e0}',
    "text score": '{"confidence": "8"}',
    "array score": '{"confidence": [8]}',
    "nested": '{"confidence": {"confidence": 8}}',
    "nested elsewhere": '{"result": {"confidence": 8}}',
    "zero": '{"confidence": 0}',
    "negative zero": '{"confidence": -0}',
    "eleven": '{"confidence": 11}',
    "negative": '{"confidence": -8}',
    "huge": '{"confidence": ' + "9" * 200 + "}",
    "huger": '{"confidence": ' + "9" * 10_000 + "}",
    "NaN": '{"confidence": NaN}',
    "Infinity": '{"confidence": Infinity}',
    "padded": '{"confidence": 08}',
    "signed": '{"confidence": +8}',
    "underscore": '{"confidence": 1_0}',
    "full-width": '{"confidence": \N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT ZERO}}',
    "same key twice": '{"confidence": 8, "confidence": 8}',
    "two scores": '{"confidence": 2, "confidence": 9}',
    "extra key": '{"confidence": 8, "why": "sure"}',
    "other key": '{"score": 8}',
    "key in capitals": '{"Confidence": 8}',
    "padded key": '{"confidence ": 8}',
    "look-alike key": '{"c\u043enfidence": 8}',
    "empty key": '{"": 8}',
    "single quotes": "{'confidence': 8}",
    "bare key": "{confidence: 8}",
    "trailing comma": '{"confidence": 8,}',
    "comment": '{"confidence": 8} // sure',
    "prose before": 'Sure: {"confidence": 8}',
    "prose after": '{"confidence": 8} I am sure.',
    "fenced": '```json\n{"confidence": 8}\n```',
    "two objects": '{"confidence": 2}{"confidence": 9}',
    "cut": '{"confidence": 1',
    "no-break space": '\u00a0{"confidence": 8}',
    "byte-order mark": '\ufeff{"confidence": 8}',
    "lone surrogate": '{"confidence": 8}\ud800',
    "deep array": "[" * 100_000,
    "deep array that is short": "[" * 128 + "]" * 128,
    "deep object": '{"confidence": ' * 100_000,
    "deep object that is short": '{"a":' * 40 + "8" + "}" * 40,
    "5 MB of spaces": " " * 5_000_000 + '{"confidence": 8}',
    "just too long": '{"confidence": 8}' + " " * 240,
}


@pytest.mark.parametrize("score", range(1, 11))
@pytest.mark.parametrize(
    "form",
    [
        '{"confidence": %d}',
        '{"confidence":%d}',
        ' \n{\t"confidence" :\r\n%d } \n',
        r'{"\u0063onfidence": %d}',
    ],
)
def test_exact_object_is_the_score(form: str, score: int) -> None:
    assert read_score(form % score, structured=True) == Score(score)


@pytest.mark.parametrize("text", NOT_THE_OBJECT.values(), ids=NOT_THE_OBJECT)
def test_anything_but_the_exact_object_is_unknown(text: str) -> None:
    assert read_score(text, structured=True) is None


@pytest.mark.parametrize(
    ("text", "structured"),
    [
        ("8".ljust(256), False),
        ('{"confidence": 8}'.ljust(256), True),
    ],
)
def test_longest_readable_answer_is_read_and_one_longer_is_not(text: str, structured: bool) -> None:
    assert read_score(text, structured=structured) == Score(8)
    assert read_score(text + " ", structured=structured) is None


def test_no_other_single_character_is_a_score() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    scores = [character for character in every if read_score(character, structured=False)]
    assert scores == list("123456789")


# Digits of every script, and what surrounds, joins and signs them.
DIGITS = st.characters(categories=["Nd", "Nl", "No"])
AROUND = st.text(
    st.sampled_from(" .,+-_/%eE\t\r\n\v\f\x1f\xa0\u200b\u2028\u3000\ufeff"), max_size=2
)
NEARLY_NUMBERS = st.one_of(
    st.text(),
    st.builds("".join, st.tuples(AROUND, DIGITS, AROUND, st.text(DIGITS, max_size=1), AROUND)),
    st.builds("".join, st.tuples(AROUND, st.integers(-2, 12).map(str), AROUND)),
)


@settings(max_examples=1000)
@given(NEARLY_NUMBERS)
@example("10")
@example("1 ")
def test_text_is_a_score_only_if_it_is_an_ascii_integer_from_1_to_10(text: str) -> None:
    trimmed = text.strip(" \t\r\n")
    expected = Score(NUMBERS.index(trimmed) + 1) if trimmed in NUMBERS else None
    assert read_score(text, structured=False) == expected


# The object, as a pattern over the raw text: no JSON parser is asked.
OBJECT = re.compile(
    r'[ \t\r\n]*\{[ \t\r\n]*"confidence"[ \t\r\n]*:[ \t\r\n]*(10|[1-9])[ \t\r\n]*\}[ \t\r\n]*'
)
PIECES = st.one_of(
    st.sampled_from('{}[]:,"- \n\xa0.e08'),
    st.sampled_from(["10", "11", "true", "null", "NaN", '"8"', "\N{FULLWIDTH DIGIT EIGHT}"]),
    st.sampled_from(["confidence", '"confidence"', '"confidence":', '{"confidence":']),
)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 12), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["confidence", "score", ""]), inner, max_size=2),
    ),
    max_leaves=4,
)
NEARLY_OBJECTS = st.one_of(
    st.text(),
    st.lists(PIECES, max_size=8).map("".join),
    JSON_VALUES.map(json.dumps),
    st.builds('{{"confidence": {}}}'.format, JSON_VALUES.map(json.dumps)),
)


@settings(max_examples=1000)
@given(NEARLY_OBJECTS)
@example('{"confidence": 10}')
def test_text_is_a_structured_score_only_if_it_is_the_exact_object(text: str) -> None:
    match = OBJECT.fullmatch(text)
    expected = Score(int(match[1])) if match else None
    assert read_score(text, structured=True) == expected
