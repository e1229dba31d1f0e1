"""BM25F over two fields: a fact's own words, and those of its neighbours in the session, which are stored only once.

A word's frequency in a fact is `own / own length norm + Σ weight(distance) * frequency in the neighbour`. It saturates
once, over both fields together, so that a word in all neighbours counts little more than a word in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umi.index.scope_index import ScopeIndex

Floats = NDArray[np.float64]

# A scope of few facts says little of how rare a word is: `share` weighs words as if there were so many more facts.
_FACTS_IMAGINED = 500


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of BM25F.

    k1      how fast a repeated word stops counting
    b       how much a long fact's words count less, from 0 to less than 1
    before  weights of the words of the facts one, two, … before; `after`: of those that follow
    """

    k1: float = 1.2
    b: float = 0.5
    before: tuple[float, ...] = (0.2, 0.2)
    after: tuple[float, ...] = (0.2, 0.2)


@dataclass(frozen=True, slots=True)
class TextMatch:
    """What a query's words found: one number a row. `own` is the part of `scores` that a fact's own words give."""

    scores: Floats
    own: Floats
    idf: Floats  # of each term
    facts: NDArray[np.int64]  # how many hold each term themselves
    share: Floats  # for each row, how much of the weight of all terms it and its neighbours hold, 0 to 1


def match(index: ScopeIndex, terms: Sequence[int], weights: Sequence[float], shape: Shape) -> TextMatch:
    """Score every row of the index for the words of a query, each with its weight."""
    size = len(index)
    rows: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int64]] = []
    facts = np.zeros(len(terms), np.int64)
    for number, term in enumerate(terms):
        found = index.postings(term)
        if len(found):
            facts[number] = 1 + np.count_nonzero(found[1:] != found[:-1])
            rows.append(found)
            numbers.append(np.full(len(found), number, np.int64))
    idf = np.log1p((size - facts + 0.5) / (facts + 0.5))
    if not rows:
        empty = np.zeros(size)
        return TextMatch(empty, empty, idf, facts, empty)
    return _scored(index, np.concatenate(rows), np.concatenate(numbers), idf, np.asarray(weights), facts, shape)


def _scored(
    index: ScopeIndex,
    row: NDArray[np.int64],
    number: NDArray[np.int64],
    idf: Floats,
    weights: Floats,
    facts: NDArray[np.int64],
    shape: Shape,
) -> TextMatch:
    size = len(index)
    norm = 1 - shape.b + shape.b * index["length"][row] / index.mean_length
    own_weight = 1 / norm
    near_row, near_number, near_weight = _near(index, row, number, shape)
    # Only rows that hold a word, or whose neighbour does, get a place in the table of frequencies.
    is_touched = np.zeros(size, bool)
    is_touched[row] = True
    is_touched[near_row] = True
    touched = np.flatnonzero(is_touched)
    place = np.empty(size, np.int64)
    place[touched] = np.arange(len(touched))
    width = len(touched)
    cells = len(idf) * width
    own = np.bincount(number * width + place[row], own_weight, cells).reshape(len(idf), width)
    near = np.bincount(near_number * width + place[near_row], near_weight, cells).reshape(len(idf), width)
    frequency = own + near
    gain = (idf * weights)[:, None] * (shape.k1 + 1) / (frequency + shape.k1)
    rarity = np.log1p((size + _FACTS_IMAGINED - facts + 0.5) / (facts + 0.5))
    share = (frequency > 0).T @ (rarity / rarity.sum())
    return TextMatch(
        _spread(size, touched, (gain * frequency).sum(axis=0)),
        _spread(size, touched, (gain * own).sum(axis=0)),
        idf,
        facts,
        _spread(size, touched, share),
    )


def _near(
    index: ScopeIndex, row: NDArray[np.int64], number: NDArray[np.int64], shape: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Each posting once more for every fact that has it as a neighbour."""
    rows, numbers, weights = [row[:0]], [number[:0]], [np.zeros(0)]
    # A word of the fact *before* counts for what follows it.
    for links, per_distance in ((index.following, shape.before), (index["previous"], shape.after)):
        at, of = row, number
        for weight in per_distance:
            at = links[at].astype(np.int64)
            inside = at >= 0
            at, of = at[inside], of[inside]
            rows.append(at)
            numbers.append(of)
            weights.append(np.full(len(at), weight))
    return np.concatenate(rows), np.concatenate(numbers), np.concatenate(weights)


def _spread(size: int, rows: NDArray[np.int64], values: Floats) -> Floats:
    spread = np.zeros(size)
    spread[rows] = values
    return spread
