"""BM25F over an index gives what plain Python gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi.index.bm25 import Shape, match
from umi.index.scope_index import ScopeIndex
from umi.index.terms import query_terms

from .reference import latest, row, rows, scores

SHAPE = Shape(k1=0.8, b=0.3, before=(0.5, 0.25), after=(0.4, 0.2))


def terms_of(text):
    return [term.hash for term in query_terms(text)]


def matched(held, text, shape=SHAPE):
    terms = terms_of(text)
    return match(ScopeIndex().with_rows(held), terms, [1.0] * len(terms), shape)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(rows(), max_size=6), max_size=4),
    st.sampled_from(["cat", "cat dog tea", "the", "river Ada nowhere", "house house"]),
    st.builds(
        Shape,
        k1=st.sampled_from([0.5, 1.2]),
        b=st.sampled_from([0.0, 0.4, 0.9]),
        before=st.sampled_from([(), (0.5,), (0.5, 0.25, 0.1)]),
        after=st.sampled_from([(), (0.3, 0.2)]),
    ),
)
def test_scores_are_those_of_the_reference(batches, query, shape):
    held = latest(batches)
    index = ScopeIndex()
    for batch in batches:
        index = index.with_rows(batch)
    terms = terms_of(query)
    found = match(index, terms, [1.0] * len(terms), shape)
    np.testing.assert_allclose(found.scores, scores(held, terms, shape), atol=1e-12)
    alone = Shape(shape.k1, shape.b, (), ())
    assert (found.own <= found.scores + 1e-12).all()
    assert (found.own > 0).tolist() == [score > 0 for score in scores(held, terms, alone)]


def test_a_neighbours_words_count_less_than_ones_own_and_by_distance():
    held = [row(seq, text, session="s") for seq, text in enumerate(["tea", "cat", "dog", "river"], 1)]
    found = matched(held, "tea").scores
    assert found[0] > found[1] > found[2] > found[3] == 0


def test_sessions_are_no_neighbours_of_each_other_nor_are_facts_without_one():
    assert matched([row(1, "tea", session="a"), row(2, "cat", session="b")], "tea").scores[1] == 0
    assert matched([row(1, "tea"), row(2, "cat")], "tea").scores[1] == 0


def test_a_rare_word_counts_more_than_a_frequent_one():
    held = [row(1, "tea cat"), row(2, "tea dog"), row(3, "tea house"), row(4, "river")]
    found = matched(held, "cat tea").scores
    assert found[0] > found[1] == found[2] > found[3]


@pytest.mark.parametrize(("query", "share"), [("cat", 1.0), ("nowhere", 0.0), ("cat nowhere", 0.5)])
def test_the_share_of_a_query_is_what_a_fact_and_its_neighbours_hold(query, share):
    held = [row(1, "cat", session="s"), row(2, "dog", session="s"), row(3, "tea")]
    found = matched(held, query).share
    assert found[0] == found[1] == pytest.approx(share, abs=0.1)
    assert found[2] == 0


def test_weights_scale_what_a_term_gives():
    index = ScopeIndex().with_rows([row(1, "cat"), row(2, "dog")])
    found = match(index, terms_of("cat dog"), [3.0, 1.0], SHAPE)
    assert found.scores[0] == pytest.approx(3 * found.scores[1])


def test_an_empty_index_and_an_empty_query_find_nothing():
    assert match(ScopeIndex(), terms_of("cat"), [1.0], SHAPE).scores.tolist() == []
    assert match(ScopeIndex().with_rows([row(1, "cat")]), [], [], SHAPE).scores.tolist() == [0.0]
