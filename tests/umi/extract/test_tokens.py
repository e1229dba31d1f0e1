"""Words and sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.extract.tokens import sentences, words_of


def split(text):
    return [" ".join(one.words) + " " + one.mark for one in sentences(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I'm here. He isn't!", ["I 'm here .", "He is n't !"]),
        ("Bob’s boss can’t come", ["Bob ’s boss ca n’t come "]),
        ("Dr. Ito met J. Smith at St. Anne's.", ["Dr . Ito met J . Smith at St . Anne 's ."]),
        ("Use C++, C# or Node.js?", ["Use C++ , C# or Node.js ?"]),
        ("O'Brien of AT&T in the U.S.", ["O'Brien of AT&T in the U.S. "]),
        ("one\ntwo", ["one ", "two "]),
        ("It costs 3.50 now.", ["It costs 3 . 50 now ."]),
    ],
)
def test_words_and_sentences(text, wanted):
    assert split(text) == wanted


@given(st.text(max_size=80))
def test_words_stand_where_they_say(text):
    place = 0
    for sentence in sentences(text):
        for word, low, start, end in zip(sentence.words, sentence.low, sentence.starts, sentence.ends, strict=True):
            assert text[start:end] == word
            assert place <= start < end
            assert low == word.lower().replace("’", "'")
            place = end


def test_a_name_is_its_words_in_small_letters():
    assert words_of("New York City") == ("new", "york", "city")
