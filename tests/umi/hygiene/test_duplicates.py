"""Near duplicates: the same said otherwise is found; another number, name or denial is another statement."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi import limits
from umi.hygiene.duplicates import near, near_duplicates, terms

SAME = [
    ("Ada likes tea.", "ada likes tea"),
    ("Ada is 31 years old.", "Ada's 31 years old!"),
    ("Ada works at Acme.", "Ada is working for Acme"),
    ("Yesterday it rained in Berlin", "It rained in Berlin yesterday"),
    ("She went to the market to buy apples and pears.", "She went to buy pears and apples at the market"),
    ("Bob doesn't eat meat", "Bob does not eat meat."),
    ("Eva never eats fish on Fridays", "On Fridays, Eva does not eat fish"),
    ("我喜欢喝茶", "我喜欢喝茶。"),
    ("The dogs were running", "the dog is running"),
]
OTHER = [
    ("Ada is 31", "Ada is 32"),
    ("Ada has two cats", "Ada has three cats"),
    ("The meeting is on Monday", "The meeting is on Tuesday"),
    ("The meeting is on monday", "The meeting is on tuesday"),
    ("The bike costs 1,299 euros", "The bike costs 1,399 euros"),
    ("Ada likes tea", "Bob likes tea"),
    ("Ada likes tea", "Ada doesn't like tea"),
    ("Ada likes tea", "Ada never liked tea"),
    ("Ada manages Bob", "Bob manages Ada"),
    ("We flew from Rome to Oslo", "We flew from Oslo to Rome"),
    ("Ada likes tea", "Ada likes coffee"),
    ("It is not true that Bob left", "It is true that Bob left"),
    ("Ada lives in Paris", "Ada lives in Lyon"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same_said_otherwise_is_near(a, b):
    assert near(terms(a), terms(b)) >= limits.NEAR_DUPLICATE_THRESHOLD
    assert [(one.id, one.of) for one in near_duplicates([(1, a), (2, b)])] == [(2, 1)]


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_another_number_name_denial_or_order_is_another_statement(a, b):
    assert near(terms(a), terms(b)) < limits.NEAR_DUPLICATE_THRESHOLD
    assert near_duplicates([(1, a), (2, b)]) == []


WORDS = st.sampled_from("Ada Bob tea Tea coffee likes not never 31 32 two the a runs running Monday é".split())
TEXTS = st.lists(WORDS, max_size=7).map(" ".join)


@given(TEXTS, TEXTS)
@settings(max_examples=300, deadline=None)
def test_nearness_is_mutual_and_a_share(a, b):
    score = near(terms(a), terms(b))
    assert score == near(terms(b), terms(a))
    assert 0 <= score <= 1


@given(st.lists(TEXTS, max_size=12))
@settings(max_examples=150, deadline=None)
def test_what_is_found_is_near_and_points_back(texts):
    rows = list(enumerate(texts))
    found = near_duplicates(rows)
    assert len({one.id for one in found}) == len(found)
    for one in found:
        assert one.of < one.id
        assert one.of not in {other.id for other in found}
        assert one.score == near(terms(texts[one.id]), terms(texts[one.of])) >= limits.NEAR_DUPLICATE_THRESHOLD


def invented(count, seed=3):
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdefghijklmno", k=chance.randint(3, 8))) for _ in range(2000)]
    return [" ".join(chance.choices(words, k=12)) for _ in range(count)]


def test_among_thousands_those_planted_are_found_and_no_other():
    texts = invented(5_000)
    planted = {}
    for number in range(0, 5_000, 100):
        words = texts[number].split()
        planted[f"copy {number}"] = number
        texts_of = " ".join([*words[6:], *words[:6]][:-1])
        texts.append(texts_of)
    rows = [*enumerate(texts[:5_000]), *zip(planted, texts[5_000:], strict=True)]
    assert {one.id: one.of for one in near_duplicates(rows)} == planted


def test_a_crowd_of_the_same_is_one_text_and_its_repeats():
    """Comparing each with each would take 50 million comparisons."""
    rows = [(number, f"the dog ran to the river {'and' * (number % 2)} home") for number in range(10_000)]
    found = near_duplicates(rows)
    assert len(found) == 9_999
    assert {one.of for one in found} == {0}


def test_nothing_and_texts_without_words_are_no_duplicates():
    assert near_duplicates([]) == []
    assert near_duplicates([(1, ""), (2, "the"), (3, "!"), (4, "")]) == []
