"""Tokens, phrases and numbers as English writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.planner.catalogs import KNOWN

from kelpie.analyst.planner.english.patterns import Phrases
from kelpie.analyst.planner.english.words import is_or_are, listed, tokenize, with_article
from kelpie.analyst.planner.reading.choosing import choose
from kelpie.analyst.planner.reading.quantities import read_quantity
from kelpie.analyst.planner.reading.reading import Context, Reading


def test_a_pattern_stands_for_all_its_phrases_and_the_longest_counts():
    phrases = Phrases({"compared|relative to|with the? year": "year", "compared to": "cue", "to": "small"})
    assert phrases.at("relative with year".split(), 0) == ("year", 3)
    assert phrases.at("compared to the year".split(), 0) == ("year", 4)
    assert phrases.at("compared to the month".split(), 0) == ("cue", 2)
    assert phrases.at("the year".split(), 0) is None
    assert phrases.ending_at("it was compared to".split(), 4) == ("cue", 2)
    assert phrases.words == {"compared", "relative", "to", "with", "the", "year"}


def test_punctuation_parts_and_signs_are_words():
    tokens = tokenize("A&B's, 5% of $5k – “net” (x) 10-20. -5 AND 2024-06-30")
    assert [token.text for token in tokens] == [
        "A", "&", "B", "5", "%", "of", "$", "5k", "net", "x", "10", "20", "-5", "AND", "2024-06-30",
    ]  # fmt: skip
    assert [token.before for token in tokens] == ["", "", "", ",", "", "", "", "", "-", ",", ",", "-", ".", "", ""]


@pytest.mark.parametrize(
    ("text", "value", "currency", "percent"),
    [
        ("10,000", 10_000, "", False),
        ("$5k", 5_000, "USD", False),
        ("1.2 million", 1_200_000, "", False),
        ("€ 2m", 2_000_000, "EUR", False),
        ("5M", 5_000_000, "", False),
        ("a million dollars", 1_000_000, "USD", False),
        ("3 bn", 3_000_000_000, "", False),
        ("7%", 0.07, "", True),
        ("0.5 percent", 0.005, "", True),
        ("twelve", 12, "", False),
        ("-5", -5, "", False),
        ("20 euros", 20, "EUR", False),
    ],
)
def test_a_number_is_read_as_people_write_it(text, value, currency, percent):
    found = read_quantity(Reading(text, Context(KNOWN)), 0)
    assert (found.value, found.currency, found.percent) == (value, currency, percent)
    assert found.end == len(tokenize(text))


@pytest.mark.parametrize("text", ["10.000", "1,5", "5m", "many", "1.250,00", "$5%"])
def test_a_number_that_can_be_read_two_ways_is_none(text):
    assert read_quantity(Reading(text, Context(KNOWN)), 0) is None


@given(st.text(alphabet="0123456789.,%$€kmn -abillion", max_size=30))
def test_no_text_breaks_the_reader_of_numbers(text):
    reading = Reading(text, Context(KNOWN))
    for at in range(len(reading.tokens)):
        found = read_quantity(reading, at)
        assert found is None or at < found.end <= len(reading.tokens)


@pytest.mark.parametrize(
    ("answer", "picked"),
    [
        ("the second", 1), ("2", 1), ("net", 1), ("net revenue please", 1), ("(refunds deducted)", 1),
        ("revenue", None), ("gross revenue", 0), ("4", None), ("median revenue", None), ("net or gross", None),
        ("", None),
    ],
)  # fmt: skip
def test_an_answer_picks_an_option_by_its_words_or_its_place(answer, picked):
    assert choose(["gross revenue", "net revenue (refunds deducted)", "cash revenue"], answer) == picked


@pytest.mark.parametrize(
    ("label", "verb", "article"),
    [
        ("number of loans", "is", "a"),
        ("paying customers", "are", "a"),
        ("MRR", "is", "an"),
        ("average bill", "is", "an"),
    ],
)
def test_a_name_goes_with_its_verb_and_article(label, verb, article):
    assert is_or_are(label) == verb
    assert with_article(label).split()[0] == article


def test_a_list_reads_as_a_list():
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
