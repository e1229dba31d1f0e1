"""Rows of facts on their way into an index: tuples of the store become columns and hashes."""

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from umi.index.terms import HEADER, own_terms

NEVER_MS = int(np.iinfo(np.int64).max)
ROW_BITS = np.uint64(32)
ROW_MASK = np.uint64(0xFFFFFFFF)

Array = NDArray[Any]


class IndexRow(NamedTuple):
    """What an index needs of a fact. `text` only where `terms` is empty or of an older version."""

    seq: int
    session: str | None
    speaker: str | None
    terms: bytes
    text: str | None
    document_time_ms: int | None
    event_time_ms: int | None
    valid_from_ms: int
    valid_to_ms: int | None
    known_to_ms: int | None  # a row that is known no more leaves the index
    importance: float


class Rows(NamedTuple):
    """Packed rows, in the order of `seq`."""

    columns: dict[str, Array]  # those of `scope_index.TYPES` but previous and slot
    hashes: NDArray[np.uint32]
    counts: Array  # how many of the hashes are each row's

    def only(self, mask: Array) -> "Rows":
        columns = {name: values[mask] for name, values in self.columns.items()}
        return Rows(columns, self.hashes[np.repeat(mask, self.counts)], self.counts[mask])

    def postings(self, rows: Array) -> NDArray[np.uint64]:
        """`hash << 32 | row` for each word, `rows` being where these rows come to stand."""
        return (self.hashes.astype(np.uint64) << ROW_BITS) | np.repeat(rows.astype(np.uint64), self.counts)


def pack(rows: Sequence[IndexRow], sessions: dict[str, int], speakers: dict[str, int]) -> Rows:
    """`sessions` and `speakers` number the names; new names are added to them."""
    blobs = [_terms_of(row) for row in rows]
    counts = np.array([len(blob) >> 2 for blob in blobs], np.int64)
    packed = np.frombuffer(b"".join(blobs), "<u4")
    is_term = np.ones(len(packed), bool)
    is_term[np.cumsum(counts) - counts] = False  # the headers
    hashes = packed[is_term].astype(np.uint32, copy=False)
    counts -= 1
    counted = np.concatenate(([0], np.cumsum((hashes & 1) == 0)))  # bit 0 says that it is a stopword
    ends = np.cumsum(counts)
    seq, session, speaker, _, _, document_ms, event_ms, valid_from_ms, valid_to_ms, _, importance = (
        zip(*rows, strict=True) if rows else ((),) * len(IndexRow._fields)
    )
    columns = {
        "seq": np.array(seq, np.int64),
        "session": _numbered(sessions, session),
        "speaker": _numbered(speakers, speaker),
        "length": (counted[ends] - counted[ends - counts]).astype(np.int32),
        "stamp": _stamps(session, speaker, blobs),
        "document_ms": _times(document_ms),
        "event_ms": _times(event_ms),
        "valid_from_ms": _times(valid_from_ms),
        "valid_to_ms": _times(valid_to_ms),
        "importance": np.array(importance, np.float32),
    }
    return Rows(columns, hashes, counts)


def moved(postings: NDArray[np.uint64], to: Array) -> NDArray[np.uint64]:
    """The same postings after each row went to `to[row]`, without those of rows that went to -1."""
    rows = to[(postings & ROW_MASK).astype(np.int64)]
    stays = rows >= 0
    kept: NDArray[np.uint64] = (postings[stays] & ~ROW_MASK) | rows[stays].astype(np.uint64)
    return kept


def _terms_of(row: IndexRow) -> bytes:
    if row.terms.startswith(HEADER):
        return row.terms
    assert row.text is not None, "a row without terms of this version brings its text"
    return own_terms(row.text, row.speaker, row.document_time_ms)


def _stamps(
    sessions: Sequence[str | None], speakers: Sequence[str | None], blobs: Sequence[bytes]
) -> NDArray[np.uint32]:
    begun: dict[tuple[str | None, str | None], int] = {}
    for pair in zip(sessions, speakers, strict=True):
        if pair not in begun:
            begun[pair] = zlib.crc32(repr(pair).encode())
    who = map(begun.__getitem__, zip(sessions, speakers, strict=True))
    return np.array(list(map(zlib.crc32, blobs, who)), np.uint32)


def _numbered(numbers: dict[str, int], names: Sequence[str | None]) -> NDArray[np.int32]:
    for name in dict.fromkeys(names):
        if name is not None:
            numbers.setdefault(name, len(numbers))
    return np.array([-1 if name is None else numbers[name] for name in names], np.int32)


def _times(times: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([NEVER_MS if time is None else time for time in times], np.int64)
