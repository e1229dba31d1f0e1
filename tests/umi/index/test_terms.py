"""Words as numbers: the same words give the same numbers, whatever their case, accents and endings."""

import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from umi.index.terms import HEADER, QUESTION, TERMS_VERSION, asks, own_terms, query_terms, words_of


def numbers(packed):
    assert packed.startswith(HEADER)
    assert len(packed) % 4 == 0
    return [int.from_bytes(packed[at : at + 4], "little") for at in range(4, len(packed), 4)]


def hashes(text):
    return numbers(own_terms(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("running", "runs"),
        ("CATS", "cat"),
        ("Champs-Élysées", "champs elysees"),
        ("cafe\u0301", "café"),
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("ﬁne", "fine"),
        ("foo_bar", "foo bar"),
        ("Ada's", "Ada s"),
    ],
)
def test_what_is_one_word_to_a_reader_is_one_term(one, other):
    assert hashes(one) == hashes(other)


@pytest.mark.parametrize(
    ("one", "other"), [("cat", "car"), ("3", "4"), ("May", "Mary"), ("naïf", "naive"), ("東京", "京都")]
)
def test_other_words_are_other_terms(one, other):
    assert hashes(one) != hashes(other)


def test_terms_keep_their_order_and_their_repetitions():
    cat, dog = hashes("cat")[0], hashes("dog")[0]
    assert hashes("cat dog cat") == [cat, dog, cat]


def test_a_row_holds_speaker_date_and_text():
    assert numbers(own_terms("likes tea", "Ada", 1_683_504_000_000)) == hashes("Ada 8 May 2023 likes tea")
    assert numbers(own_terms("tea", None, 10**18)) == hashes("tea"), "no calendar has that day"
    assert numbers(own_terms("tea", None, -1)) == hashes("31 December 1969 tea")


def test_scripts_without_spaces_are_found_by_two_letters():
    assert words_of("東京都に行く") == ["東京", "京都", "都に", "に行", "行く"]
    assert words_of("猫") == ["猫"]
    assert words_of("한국어 ภาษา") == ["한국", "국어", "ภา", "าษ", "ษา"]
    assert words_of("iPhone買う") == ["iphone", "買う"]


def test_words_of_indic_scripts_keep_their_vowel_signs():
    assert words_of("नमस्ते, दुनिया।") == ["नमस्ते", "दुनिया"]


def test_stopwords_are_marked_in_the_last_bit():
    assert [number & 1 for number in hashes("the cat of the house")] == [1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("text", "is_question"),
    [
        ("Do you like tea?", True),
        ("Do you like tea? ", True),
        ('She asked: "tea?"', True),
        ("What do you think? 😀", True),
        ("Have you seen it? [image: a red door]", True),
        ("Do you like tea? I do.", False),
        ("I like tea.", False),
        ("", False),
    ],
)
def test_a_text_that_asks_is_told_from_one_that_says(text, is_question):
    assert asks(text) is is_question or "?" not in text
    assert (QUESTION in hashes(text)) is is_question


def test_a_query_looks_for_its_words_once_and_without_stopwords():
    assert [term.word for term in query_terms("What is the name of the cat, the cat of Ada?")] == ["name", "cat", "ada"]


def test_a_query_of_nothing_but_stopwords_keeps_them():
    assert [term.word for term in query_terms("Who was it?")] == ["who", "was", "it"]
    assert query_terms("…!?") == []
    assert query_terms("") == []


def test_a_capital_that_its_place_does_not_demand_makes_a_name():
    assert {term.word: term.is_name for term in query_terms("Where did Will see Ada's house?")} == {
        "will": True,
        "see": False,
        "ada": True,
        "house": False,
    }
    assert not any(term.is_name for term in query_terms("Cats"))
    assert not any(term.is_name for term in query_terms("WHERE DOES THE CAT LIVE"))


def test_the_numbers_are_the_same_for_ever():
    """Rows of a file keep them: whoever changes one of these raises TERMS_VERSION."""
    text = "Ada's 3 cats were running along the Champs-Élysées; 東京都 नमस्ते?"
    assert TERMS_VERSION == 1
    assert hashlib.blake2b(own_terms(text, "Bob", 0), digest_size=8).hexdigest() == "b2cd9b3239c71c0b"


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=20) | st.none(), st.integers(-(2**62), 2**62) | st.none())
def test_any_text_has_terms(text, speaker, time_ms):
    assert numbers(own_terms(text, speaker, time_ms)) is not None


@settings(deadline=None)
@given(st.text(max_size=100))
@example("\u2120 and \u2122")  # written out in capitals
@example("\u1f80")  # a mark that is a letter in capitals
def test_a_query_finds_the_text_it_was_copied_from(text):
    assert {term.hash for term in query_terms(text)} <= set(hashes(text))
