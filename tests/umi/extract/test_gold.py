"""The local extractor against the hand-written gold set, and how that is scored."""

import pytest

from benchmarks.extraction.__main__ import FALSE_ON_NOTHING_MAX, HALVES, TARGETS, Score, matched, read, same_name, score
from umi.entity import Claim, Extraction, Mention
from umi.extract import LocalExtractor


@pytest.fixture(scope="module", params=HALVES)
def half(request):
    extractor = LocalExtractor()
    return score(read(request.param), lambda text, told_ms: extractor.extract(text, document_time_ms=told_ms))


def test_each_half_of_the_gold_set_reaches_its_targets(half):
    assert half.sentences >= 150
    assert half.nothing >= 30
    assert half.entities.f1 >= TARGETS["entities"]
    assert half.relations.f1 >= TARGETS["relations"]
    assert half.false_on_nothing / half.nothing <= FALSE_ON_NOTHING_MAX


CASE = {
    "text": "Mara works at Siemens.",
    "kind": "work",
    "entities": [{"name": "Mara", "type": "person"}, {"name": "Siemens", "type": "organization"}],
    "relations": [{"subject": "Mara", "relation": "works_at", "object": "Siemens"}],
    "event_date": "1970-01-02",
}


def scored(mentions, claims=(), event_time_ms=None):
    total = Score()
    found = [Mention(name=name, type=type_) for name, type_ in mentions]
    total.add(CASE, Extraction(mentions=found, claims=list(claims), event_time_ms=event_time_ms))
    return total


def test_what_is_right_counts_once_and_what_is_not_counts_as_false():
    total = scored([("mara", "person"), ("Mara", "person"), ("Siemens", "location")])
    assert (total.entities.right, total.entities.found, total.entities.gold) == (1, 3, 2)
    assert total.false == 2


def test_a_relation_counts_with_its_types_direction_and_denial():
    mentions = [("Mara", "person"), ("Siemens", "organization")]
    right = Claim(subject="Mara", attribute="works_at", value="Siemens")
    assert scored(mentions, [right]).relations.f1 == 1
    assert scored([("Mara", "person"), ("Siemens", "location")], [right]).relations.right == 0
    for claim in (
        Claim(subject="Siemens", attribute="works_at", value="Mara"),
        Claim(subject="Mara", attribute="works_at", value="Siemens", negated=True),
        Claim(subject="Mara", attribute="knows", value="Siemens"),
    ):
        assert scored(mentions, [claim]).relations.right == 0


def test_attributes_that_are_no_relation_are_not_scored():
    assert scored([], [Claim(subject="Mara", attribute="age", value="31")]).relations.found == 0


def test_a_date_is_right_on_its_day():
    assert scored([], event_time_ms=86_400_000 + 5).dates.right == 1
    assert scored([], event_time_ms=0).dates.right == 0
    assert scored([]).dates.right == 0


@pytest.mark.parametrize(
    ("one", "other", "type_", "same"),
    [
        ("Dr. Ito", "ito", "person", True),
        ("the Red Cross", "Red Cross", "organization", True),
        ("Acme's", "Acme", "organization", True),
        ("Jose", "José", "person", False),
        ("call my plumber", "call the plumber today", "task", True),
        ("call the plumber", "call the bank", "task", False),
        ("the", "my", "event", False),
    ],
)
def test_which_names_are_the_same(one, other, type_, same):
    assert same_name(one, other, type_) is same


def test_each_name_is_matched_at_most_once():
    assert matched([("a", "topic"), ("a", "topic")], [("a", "topic")]) == [(0, 0)]
