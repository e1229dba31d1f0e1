"""From scores to an order: whether there is an answer at all, and which facts come first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umi.retrieve.channels import Channels, Mask
from umi.retrieve.question import Question
from umi.retrieve.weights import EVIDENCE, Evidence

_NOTHING = np.zeros(1)
REWRITTEN = 0.9  # what a score counts that only another wording of the query gave


@dataclass(frozen=True, slots=True)
class Pass:
    """One wording of a query, run over an index. `rows` are those it found."""

    question: Question
    channels: Channels
    rows: Mask
    counts: float = 1.0

    def score(self) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = np.where(self.rows, self.channels.score * self.counts, 0.0)
        return scores


def judged(question: Question, channels: Channels, visible: Mask, evidence: Evidence = EVIDENCE) -> Pass:
    """What a pass found: nothing where the best of it is too little to be an answer."""
    rows = (channels.match.scores > 0) | (channels.cosine >= evidence.row) | channels.sure
    rows &= visible & (channels.score > 0)
    if not _is_answer(question, channels, visible, evidence):
        rows = np.zeros(len(rows), bool)
    return Pass(question, channels, rows)


def is_weak(found: Pass, visible: Mask, evidence: Evidence = EVIDENCE) -> bool:
    """Whether other wordings are worth a model's time."""
    return (
        float(found.channels.match.share[visible].max(initial=0.0)) < evidence.weak_share
        and float(found.channels.cosine[visible].max(initial=-1.0)) < evidence.weak_similarity
    )


def _is_answer(question: Question, channels: Channels, visible: Mask, evidence: Evidence) -> bool:
    similarity = float(channels.cosine[visible].max(initial=-1.0))
    facts = zip(question.terms, channels.match.facts, strict=True)
    heard = [count > 0 for term, count in facts if term.hash in question.names]
    if any(heard) or "speaker" in channels.given or channels.given.get("entity", _NOTHING).any():
        return True  # it is about something this scope knows
    if heard:  # whoever it is about, nobody here spoke of them
        return similarity >= evidence.name
    share = float(channels.match.share[visible].max(initial=0.0))
    return bool(channels.sure.any()) or share >= evidence.share or similarity >= evidence.similarity


def ranked(passes: Sequence[Pass], at_once: int) -> Iterator[list[tuple[int, Pass]]]:
    """The found rows, best first, in parts; each with the pass that scored it highest.

    Of equal scores the newer comes first. The first part has `at_once` rows, each later one twice as many.
    """
    scores = passes[0].score()
    which = np.zeros(len(scores), np.int64)
    for number, later in enumerate(passes[1:], 1):
        other = later.score()
        better = other > scores
        scores[better], which[better] = other[better], number
    # Equal to the last digits is equal: which order sums were made in must decide nothing.
    scores = np.round(scores, 9)
    rows = np.flatnonzero(scores > 0)
    found = scores[rows]
    done = 0
    while done < len(rows):
        wanted = min(done + at_once, len(rows))
        least = np.partition(found, len(found) - wanted)[len(found) - wanted]
        best = np.flatnonzero(found >= least)
        order = best[np.lexsort((-best, -found[best]))][done:wanted]
        yield [(int(row), passes[which[row]]) for row in rows[order]]
        done, at_once = wanted, at_once * 2
