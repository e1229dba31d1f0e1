"""What questions come to: readings.txt, one construction of English after the other, on a catalog of their own."""

import pathlib

import pytest
from tests.kelpie.analyst.planner.catalogs import LIBRARY, ask, line

from kelpie.analyst.planner.asked import Intent


def readings():
    """(question, answers, what it comes to) of every entry."""
    section, found, lines = "", [], iter(pathlib.Path(__file__).with_name("readings.txt").read_text().splitlines())
    for text in lines:
        if text.startswith("# ---"):
            section = text.strip("# -")
        elif text and not text.startswith("#"):
            question, *answers = text.split(" || ")
            found.append(pytest.param(question, answers, next(lines).strip(), id=f"{section}: {text}"))
    return found


@pytest.mark.parametrize(("question", "answers", "comes_to"), readings())
def test_a_question_comes_to_what_a_person_would_have_asked_for(question, answers, comes_to):
    assert line(ask(question, *answers)) == comes_to


# Words that change what is asked: whatever they stand beside, none may be left out.
WEIGHTY = (
    "not without except double half twice other under never second above below next around early late new still minus"
    " median distinct cumulative expected"
).split()
PLAIN = [
    question for question, answers, comes_to in (p.values for p in readings()) if not answers and comes_to[0].islower()
][::3]


@pytest.mark.parametrize("word", WEIGHTY)
def test_no_word_of_weight_is_ever_left_out(word):
    """Put anywhere into a question that is understood, it makes another question of it, or one that is refused."""
    ignored = []
    for question in PLAIN:
        words = question.split()
        if word in question.casefold() or " as a " in question:
            continue
        for place in range(len(words) + 1):
            changed = " ".join([*words[:place], word, *words[place:]])
            asked = ask(changed)
            if isinstance(asked, Intent) and line(asked) == line(ask(question)):
                ignored.append(changed)
    assert ignored == []


def test_every_kind_of_thing_in_the_catalog_is_in_some_reading():
    text = pathlib.Path(__file__).with_name("readings.txt").read_text()
    for metric in LIBRARY.metrics:
        assert metric.name in text
