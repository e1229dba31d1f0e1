"""BM25F as plain Python, to compare the index with, and rows to fill an index."""

import math

from hypothesis import strategies as st

from umi.index.rows import IndexRow
from umi.index.terms import HEADER, own_terms

WORDS = ("cat", "dog", "tea", "the", "house", "river")


def row(seq, text, *, session=None, speaker=None, known_to_ms=None, valid_to_ms=None, importance=0.5):
    return IndexRow(
        seq=seq,
        session=session,
        speaker=speaker,
        terms=own_terms(text, speaker),
        text=None,
        document_time_ms=None,
        event_time_ms=None,
        valid_from_ms=0,
        valid_to_ms=valid_to_ms,
        known_to_ms=known_to_ms,
        importance=importance,
    )


@st.composite
def rows(draw):
    """Any state of one fact of a small scope."""
    return row(
        draw(st.integers(1, 12)),
        " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))),
        session=draw(st.sampled_from([None, "a", "b"])),
        speaker=draw(st.sampled_from([None, "Ada", "Bob"])),
        known_to_ms=draw(st.sampled_from([None, None, None, 5])),
        valid_to_ms=draw(st.sampled_from([None, 7])),
        importance=draw(st.sampled_from([0.0, 0.5])),
    )


def latest(batches):
    """What a scope holds in the end, in the order of seq."""
    state = {one.seq: one for batch in batches for one in batch}
    return [state[seq] for seq in sorted(state) if state[seq].known_to_ms is None]


def hashes(one):
    assert one.terms.startswith(HEADER)
    return [int.from_bytes(one.terms[at : at + 4], "little") for at in range(4, len(one.terms), 4)]


def scores(held, terms, shape):
    """The score of each row, term by term, neighbour by neighbour."""
    words = [hashes(one) for one in held]
    lengths = [sum(1 for number in own if not number & 1) for own in words]
    mean = max(1.0, sum(lengths) / max(1, len(lengths)))
    total = []
    for at, one in enumerate(held):
        session = [n for n, other in enumerate(held) if one.session is not None and other.session == one.session]
        place = session.index(at) if session else 0
        score = 0.0
        for term in terms:
            facts = sum(1 for own in words if term in own)
            frequency = words[at].count(term) / (1 - shape.b + shape.b * lengths[at] / mean)
            for distance, weight in enumerate(shape.before, 1):
                if session and place - distance >= 0:
                    frequency += weight * words[session[place - distance]].count(term)
            for distance, weight in enumerate(shape.after, 1):
                if session and place + distance < len(session):
                    frequency += weight * words[session[place + distance]].count(term)
            idf = math.log(1 + (len(held) - facts + 0.5) / (facts + 0.5))
            score += idf * (shape.k1 + 1) * frequency / (frequency + shape.k1)
        total.append(score)
    return total
