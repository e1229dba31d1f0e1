"""ScopeIndex: however its rows came, it is what it would be had they come at once; and no version ever changes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi.index import scope_index
from umi.index.rows import NEVER_MS, IndexRow
from umi.index.scope_index import ScopeIndex
from umi.index.terms import own_terms, query_terms

from .reference import WORDS, latest, row, rows

BATCHES = st.lists(st.lists(rows(), max_size=6), max_size=6)


def seen(index):
    """Everything of an index that a search can tell."""
    sessions = {number: name for name, number in index.sessions.items()}
    speakers = {number: name for name, number in index.speakers.items()}
    vector = np.ones(2, np.float32)
    return {
        "columns": {
            name: index[name].tolist() for name in scope_index.TYPES if name not in ("session", "speaker", "slot")
        },
        "sessions": [sessions.get(number) for number in index["session"].tolist()],
        "speakers": [speakers.get(number) for number in index["speaker"].tolist()],
        "postings": {
            word: index.postings(query_terms(word)[0].hash).tolist() for word in (*WORDS, "Ada", "Bob", "nowhere")
        },
        "any": index.holds_any(
            np.array(sorted(query_terms(word)[0].hash for word in ("cat", "tea")), np.uint64)
        ).tolist(),
        "following": index.following.tolist(),
        "mean": index.mean_length,
        "similar": None
        if index.similarities(vector) is None
        else np.nan_to_num(index.similarities(vector), nan=-9).tolist(),
    }


@settings(max_examples=150, deadline=None)
@given(BATCHES)
def test_built_in_any_steps_it_equals_one_built_at_once(batches):
    index = ScopeIndex()
    for batch in batches:
        index = index.with_rows(batch)
    assert seen(index) == seen(ScopeIndex().with_rows(latest(batches)))


@settings(max_examples=100, deadline=None)
@given(BATCHES, st.integers(0, 3))
def test_sorting_postings_early_or_late_changes_nothing(batches, sorted_from):
    least, scope_index._UNSORTED_MIN = scope_index._UNSORTED_MIN, sorted_from
    try:
        index = ScopeIndex()
        for batch in batches:
            index = index.with_rows(batch)
    finally:
        scope_index._UNSORTED_MIN = least
    assert seen(index) == seen(ScopeIndex().with_rows(latest(batches)))


@settings(max_examples=100, deadline=None)
@given(BATCHES, st.lists(rows(), max_size=6), st.lists(rows(), max_size=6))
def test_a_version_never_changes_whatever_is_made_of_it(batches, one, other):
    index = ScopeIndex()
    for batch in batches:
        index = index.with_rows(batch)
    before = seen(index)
    left, right = index.with_rows(one), index.with_rows(other)
    left_before = seen(left)
    right.with_rows(one)
    assert seen(index) == before
    assert seen(left) == left_before


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(rows(), max_size=5), st.dictionaries(st.integers(1, 14), st.integers(-9, 9))), max_size=6
    )
)
def test_each_row_has_the_last_vector_it_was_given(steps):
    index, vectors, known = ScopeIndex(), {}, set()
    for batch, given_now in steps:
        index = index.with_rows(batch)
        for one in {one.seq: one for one in batch}.values():
            (known.discard if one.known_to_ms is not None else known.add)(one.seq)
            if one.known_to_ms is not None:
                vectors.pop(one.seq, None)
        seqs = np.array(list(given_now), np.int64)
        matrix = np.array([[number, 1] for number in given_now.values()], np.float32).reshape(-1, 2)
        index = index.with_vectors(seqs, matrix)
        vectors |= {seq: number for seq, number in given_now.items() if seq in known}
    found = index.similarities(np.array([1, 0], np.float32))
    if found is None:
        assert not vectors
        return
    assert {
        int(seq): number for seq, number in zip(index["seq"], found.tolist(), strict=True) if not math.isnan(number)
    } == vectors


def test_vectors_of_other_dimensions_replace_all_there_are():
    index = ScopeIndex().with_rows([row(1, "cat"), row(2, "dog")])
    index = index.with_vectors(np.array([1, 2]), np.eye(2, dtype=np.float32))
    assert index.dimensions == 2
    index = index.with_vectors(np.array([2]), np.ones((1, 3), np.float32))
    assert index.dimensions == 3
    assert index.similarities(np.ones(2, np.float32)) is None
    assert np.isnan(index.similarities(np.ones(3, np.float32))).tolist() == [True, False]


def test_vectors_nobody_owns_are_dropped():
    index = ScopeIndex().with_rows([row(1, "cat")])
    for number in range(50):
        index = index.with_vectors(np.array([1]), np.full((1, 4), number, np.float32))
    assert index.vectors.size < 3
    assert index.similarities(np.ones(4, np.float32)).tolist() == [196.0]


def test_a_row_of_an_older_version_is_read_from_its_text():
    fresh = row(1, "Ada likes tea", speaker="Ada")
    for terms in (b"", b"\x00\x00\x00\x00" + fresh.terms[4:8]):
        old = fresh._replace(terms=terms, text="Ada likes tea")
        assert seen(ScopeIndex().with_rows([old])) == seen(ScopeIndex().with_rows([fresh]))


def test_times_that_are_unknown_lie_beyond_all_times():
    index = ScopeIndex().with_rows([row(1, "cat")])
    assert index["event_ms"].tolist() == index["document_ms"].tolist() == index["valid_to_ms"].tolist() == [NEVER_MS]


def test_appending_one_row_copies_no_column():
    index = ScopeIndex().with_rows([row(seq, "cat") for seq in range(1, 101)])
    index = index.with_rows([row(101, "dog")])  # makes room
    grown = index.with_rows([row(102, "tea")])
    shared = [name for name in scope_index.TYPES if grown[name].base is index[name].base]
    assert shared == list(scope_index.TYPES)


def test_its_size_grows_with_what_it_holds():
    small = ScopeIndex().with_rows([row(1, "cat")])
    large = ScopeIndex().with_rows([row(seq, "cat and dog " * 10) for seq in range(1, 1001)])
    with_vectors = large.with_vectors(large["seq"], np.zeros((1000, 100), np.float32))
    assert small.bytes < large.bytes < with_vectors.bytes
    assert with_vectors.bytes - large.bytes >= 400_000


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_long_text_has_all_its_words(count):
    text = "tea " * count + "cat " * 70_000
    index = ScopeIndex().with_rows([IndexRow(1, None, None, own_terms(text), None, None, None, 0, None, None, 0.5)])
    assert len(index.postings(query_terms("tea")[0].hash)) == count
