"""How much each channel gives each fact of a scope. What a query finds is the union of what they find."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umi.index.bm25 import TextMatch, match
from umi.index.rows import NEVER_MS
from umi.index.scope_index import ScopeIndex
from umi.index.terms import QUESTION, query_terms
from umi.retrieve.question import TIME_WORDS, Question, named_speakers
from umi.retrieve.weights import SHAPE, WEIGHTS, Weights

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NO_VECTOR = -2.0  # below every cosine
LEAST = 0.02


@dataclass(frozen=True, slots=True)
class Channels:
    """One pass over an index.

    given     what each channel gives each row, already weighted: their sum is the score
    match     what the text channel saw
    cosine    the greatest similarity of each row, NO_VECTOR without one
    sure      rows that a channel without degrees found: an entity, a time
    """

    given: dict[str, Floats]
    score: Floats
    match: TextMatch
    cosine: Floats
    sure: Mask

    def explain(self, row: int) -> dict[str, float]:
        """What each channel gave a row; the sum is its score."""
        return {name: float(values[row]) for name, values in self.given.items() if values[row]}


def run(
    index: ScopeIndex,
    question: Question,
    visible: Mask,
    *,
    vector: NDArray[np.float32] | None = None,
    mentions: Mapping[int, float] | None = None,
    weights: Weights = WEIGHTS,
) -> Channels:
    """Score the rows that are `visible`.

    mentions  row → how telling it is, 0 to 1, that the fact mentions what the query names
    """
    found = match(index, [term.hash for term in question.terms], [1.0] * len(question.terms), SHAPE)
    size = len(index)
    cosine = np.full(size, NO_VECTOR)
    similarity = None if vector is None else index.similarities(vector)
    # Where a fact has no vector (yet), its words speak for what it means as well.
    worded = np.full(size, weights.text + weights.vector + weights.window)
    meanings: list[tuple[float, dict[str, Floats]]] = []
    if similarity is not None:
        meant, window, cosine = _vector(index, similarity, visible)
        worded[cosine > NO_VECTOR] = weights.text
        meanings = [(weights.vector, {"vector": meant}), (weights.window, {"window": window})]
    parts = [(1.0, {name: values * worded for name, values in _text(found, visible).items()}), *meanings]
    sure = np.zeros(size, bool)
    for name, weight, values in (
        ("speaker", weights.speaker, _speaker(index, question)),
        ("time", weights.time, _time(index, question)),
        ("entity", weights.entity, _entity(index, mentions)),
    ):
        if values is not None:
            parts.append((weight, {name: np.where(visible, values, 0.0)}))
            if name == "entity" or (name == "time" and question.times):
                sure |= (values > 0) & visible
    total = weights.text + weights.vector + weights.window + sum(weight for weight, _ in parts[1 + len(meanings) :])
    kept = np.full(size, 1.0 / total)
    kept[index.postings(QUESTION)] *= weights.question
    given = {name: values * (weight * kept) for weight, few in parts for name, values in few.items()}
    return Channels(given, np.sum(list(given.values()), axis=0), found, cosine, sure)


def _text(found: TextMatch, visible: Mask) -> dict[str, Floats]:
    """The least a row can have is nothing, so the best alone is the scale."""
    best = float(found.scores[visible].max(initial=0.0)) or 1.0
    own = np.where(visible, found.own / best, 0.0)
    return {"text": own, "near": np.where(visible, found.scores / best, 0.0) - own}


def _vector(index: ScopeIndex, similarity: NDArray[np.float32], visible: Mask) -> tuple[Floats, Floats, Floats]:
    # Rounded: matrix products differ in the last digits from machine to machine, and equal facts must stay equal.
    cosine: Floats = np.asarray(np.round(similarity.astype(np.float64), 6), np.float64)
    has = ~np.isnan(cosine)
    cosine = np.where(has, cosine, NO_VECTOR)
    seen = visible & has
    meant = _scaled(cosine, seen)
    previous = index["previous"]
    window: Floats = cosine.copy()
    linked = np.flatnonzero((previous >= 0) & has)
    linked = linked[has[previous[linked]]]
    # The direction of "what was said before, and this": half the sum of both, since unit vectors of one session are
    # about equally long together.
    window[linked] = (cosine[linked] + cosine[previous[linked]]) / 2
    return meant, _scaled(window, seen), np.where(visible, cosine, NO_VECTOR)


def _scaled(values: Floats, seen: Mask) -> Floats:
    """Least to best of what is seen as a little to 1: what is least is something still."""
    if not seen.any():
        return np.zeros(len(values))
    least, best = float(values[seen].min()), float(values[seen].max())
    if best - least < 1e-6:
        return np.where(seen, max(best, LEAST), 0.0)
    return np.where(seen, LEAST + (1 - LEAST) * (values - least) / (best - least), 0.0)


def _speaker(index: ScopeIndex, question: Question) -> Floats | None:
    named = named_speakers(question.text, list(index.speakers))
    if len(named) != 1:
        return None  # a question about two people is answered by either
    theirs: Floats = (index["speaker"] == index.speakers[named[0]]).astype(np.float64)
    return theirs


def _time(index: ScopeIndex, question: Question) -> Floats | None:
    if not question.times and not question.asks_when:
        return None
    given = np.zeros(len(index))
    for start_ms, end_ms in question.times:
        for column in ("event_ms", "document_ms"):
            times = index[column]
            given[(times >= start_ms) & (times < end_ms) & (times != NEVER_MS)] = 1.0
    if question.asks_when:
        given[index.holds_any(_time_terms())] = 1.0
    return given


@functools.cache
def _time_terms() -> NDArray[np.uint64]:
    return np.array(sorted(term.hash for term in query_terms(TIME_WORDS)), np.uint64)


def _entity(index: ScopeIndex, mentions: Mapping[int, float] | None) -> Floats | None:
    if not mentions:
        return None
    given = np.zeros(len(index))
    for row, telling in mentions.items():
        given[row] = max(given[row], telling)
    return given
