"""The numbers that decide what is found, measured on conversations (docs/experiments-retrieval.md).

They are few and coarse on purpose: on another conversation each of them may be off by a third, and recall stays.
"""

from dataclasses import dataclass

from umi.index.bm25 import Shape

SHAPE = Shape(k1=0.8, b=0.3, before=(0.5, 0.25), after=(0.4, 0.2))


@dataclass(frozen=True, slots=True)
class Weights:
    """What each channel may add, before all are divided by the sum of those that a query uses.

    text     words of the fact and, less, of its neighbours (Shape)
    vector   what the fact means; window: it together with the fact before it
    speaker  the query names one speaker, and the fact is theirs
    time     the fact is of a time that the query names, or says when, if that is what the query asks
    entity   the fact mentions a thing that the query names, spelled out or not
    question what remains of a fact that asks something: who asks doesn't look for another question
    """

    text: float = 0.5
    vector: float = 0.2
    window: float = 0.3
    speaker: float = 0.2
    time: float = 0.15
    entity: float = 0.15
    question: float = 0.8


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much a query must find before an answer is worth giving (calibrated, see docs/experiments-retrieval.md).

    A query that names something the scope knows always is. One that names only what was never heard of is not, unless
    a fact is as similar as `name`. One without names must find one of these two:

    share       of the weight of its words, in one fact and its neighbours
    similarity  of its vector with that of a fact

    row         similarity that makes one fact part of an answer although no word of the query is near it
    weak_share, weak_similarity   below both, an answer is weak: a model is asked for other words
    """

    share: float = 0.3
    similarity: float = 0.35
    name: float = 0.6
    row: float = 0.25
    weak_share: float = 0.5
    weak_similarity: float = 0.5


WEIGHTS = Weights()
EVIDENCE = Evidence()
