"""The lists of known names."""

import pytest

from umi.extract.gazetteer import gazetteer


@pytest.mark.parametrize(
    ("name", "gender"), [("Łukasz", "m"), ("Zoë", "f"), ("José", "m"), ("priya", "f"), ("Sam", "e")]
)
def test_given_names_of_many_languages(name, gender):
    assert gazetteer().gender(name) in (gender, "e")


def test_ordinary_words_are_no_names():
    lists = gazetteer()
    assert [word for word in "the and we he over meeting work today summer good".split() if lists.gender(word)] == []


def test_names_of_several_words_are_found_by_their_words():
    lists = gazetteer()
    assert lists.names["new", "york", "city"] == "city"
    assert lists.longest["new"] >= 3


def test_what_is_an_ordinary_word_too_counts_only_with_capitals():
    lists = gazetteer()
    assert "topic" in lists.exact["Rust"]
    assert ("rust",) not in lists.names


def test_every_name_has_words():
    assert all(words and all(words) for words in gazetteer().names)
