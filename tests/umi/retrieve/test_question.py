"""What a query asks, read from its words."""

import pytest

from umi.retrieve.question import meaning_of, named_speakers, read_question


@pytest.mark.parametrize(
    ("text", "speakers", "named"),
    [
        ("What does Ada like?", ["Ada", "Bob"], ["Ada"]),
        ("what does ada's cat eat", ["Ada", "Bob"], ["Ada"]),
        ("Do Ada and Bob meet?", ["Ada", "Bob"], ["Ada", "Bob"]),
        ("Is the adage true?", ["Ada"], []),
        ("What does Ada like?", ["Ada Byron", "Bob"], ["Ada Byron"]),
        ("What does Ada like?", ["Ada Byron", "Ada Yonath"], []),
        ("What does Ada Byron like?", ["Ada Byron", "Ada Yonath"], ["Ada Byron"]),
        ("What will it be?", ["Will Smith"], []),
        ("Where is José?", ["jose"], ["jose"]),
        ("…", ["…", ""], []),
    ],
)
def test_speakers_are_named_by_whole_names_or_a_first_name_of_one(text, speakers, named):
    assert named_speakers(text, speakers) == named


@pytest.mark.parametrize(
    ("text", "speakers", "meaning"),
    [
        ("What is Ada's favourite drink?", ["Ada"], "What is favourite drink?"),
        ("Ada", ["Ada"], "Ada"),
        ("Does she like Ada-Maria?", ["Ada"], "Does she like Ada-Maria?"),
        ("What is it?", [], "What is it?"),
    ],
)
def test_what_is_embedded_leaves_the_speakers_out(text, speakers, meaning):
    assert meaning_of(text, speakers) == meaning


def test_names_are_words_with_a_capital_but_no_dates():
    question = read_question("Did Zorblax meet Ada on Monday, 7 May?")
    assert {term.word for term in question.terms if term.hash in question.names} == {"zorblax", "ada"}


@pytest.mark.parametrize(
    ("text", "asks_when"),
    [
        ("When did it rain?", True), ("what year was it", True), ("How long did it take?", True),
        ("Whenever", False), ("Where?", False),
    ],
)  # fmt: skip
def test_a_question_for_a_time_is_told(text, asks_when):
    assert read_question(text).asks_when is asks_when


def test_keys_of_entities_are_runs_of_words_without_stopwords_at_their_ends():
    keys = read_question("Who painted the Tower of London's gate?").keys
    assert {"tower of london", "london", "tower", "painted"} <= set(keys)
    assert not {"the tower", "of", "tower of"} & set(keys)
    assert len(read_question("word " * 500 + " ".join(map(str, range(500)))).keys) <= 64
