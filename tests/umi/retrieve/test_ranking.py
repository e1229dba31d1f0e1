"""Ranking: the same order however it is read, and the best of several passes for each fact."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from umi.retrieve.ranking import ranked


class Given:
    """A pass that has its scores already."""

    def __init__(self, scores):
        self._scores = np.array(scores, np.float64)

    def score(self):
        return self._scores.copy()


SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.5 + 1e-12, 1.0]), min_size=1, max_size=40)


@settings(deadline=None)
@given(SCORES, st.integers(1, 50))
def test_parts_of_any_size_give_one_order(scores, at_once):
    only = Given(scores)
    found = [row for part in ranked([only], at_once) for row, _ in part]
    wanted = [row for row, score in enumerate(scores) if round(score, 9) > 0]
    assert found == sorted(wanted, key=lambda row: (-round(scores[row], 9), -row))


@settings(deadline=None)
@given(SCORES)
def test_parts_double(scores):
    sizes = [len(part) for part in ranked([Given(scores)], 2)]
    assert sizes[:-1] == [2 * 2**n for n in range(len(sizes) - 1)]


def test_each_fact_comes_from_the_pass_that_scores_it_highest():
    first, second = Given([0.5, 0.2, 0.0]), Given([0.4, 0.9, 0.1])
    found = [one for part in ranked([first, second], 10) for one in part]
    assert found == [(1, second), (0, first), (2, second)]
