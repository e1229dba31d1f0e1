"""ScopeIndex: the facts of one scope as columns, sorted postings and vectors.

A version of an index never changes: `with_rows` and `with_vectors` give the next one, which shares what is equal. Rows
are in the order of `seq`. Postings are numbers `hash << 32 | row`: most of them sorted, the latest behind them as they
came, until they are worth a sort.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from umi.index.columns import Growing
from umi.index.rows import ROW_BITS, ROW_MASK, Array, IndexRow, Rows, moved, pack

TYPES: dict[str, Any] = {
    "seq": np.int64,
    "session": np.int32,  # a number for each session, -1 for none
    "speaker": np.int32,
    "length": np.int32,  # words, without stopwords
    "stamp": np.uint32,  # of what the index took from the row's text, speaker and session
    "document_ms": np.int64,  # NEVER_MS where it is unknown, as in the next
    "event_ms": np.int64,
    "valid_from_ms": np.int64,
    "valid_to_ms": np.int64,
    "importance": np.float32,
    "previous": np.int32,  # the row before this one in its session, -1 for none
    "slot": np.int32,  # where its vector is, -1 for none
}
_CHANGEABLE = ("document_ms", "event_ms", "valid_from_ms", "valid_to_ms", "importance")
_UNSORTED_MIN = 4_096  # postings: a search through so many takes less than sorting them would
_SESSIONS_SEARCHED_MAX = 8


@dataclass(frozen=True, eq=False)
class ScopeIndex:
    """Everything of one scope that a search reads. `ScopeIndex()` is empty; `with_rows` fills it."""

    columns: dict[str, Growing] = field(default_factory=lambda: {name: Growing(kind) for name, kind in TYPES.items()})
    sorted: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    unsorted: Growing = field(default_factory=lambda: Growing(np.uint64))
    vectors: Growing | None = None
    slot_row: Growing = field(default_factory=lambda: Growing(np.int32))  # -1: nobody's any more
    sessions: dict[str, int] = field(default_factory=dict)  # shared by all versions: names come and never go
    speakers: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.columns["seq"].size

    def __getitem__(self, column: str) -> Array:
        """A column of TYPES, one value a row. Not to be written to."""
        return self.columns[column].values

    @cached_property
    def bytes(self) -> int:
        """What this version keeps in memory; versions that share buffers count them each."""
        arrays = [
            *self.columns.values(),
            self.unsorted,
            self.slot_row,
            *([] if self.vectors is None else [self.vectors]),
        ]
        return sum(array.bytes for array in arrays) + self.sorted.nbytes + 4_000

    @cached_property
    def following(self) -> NDArray[np.int32]:
        """The row after each one in its session, -1 for none."""
        previous = self["previous"]
        following = np.full(len(previous), -1, np.int32)
        later = np.flatnonzero(previous >= 0)
        following[previous[later]] = later
        return following

    @cached_property
    def mean_length(self) -> float:
        """Words a row, without stopwords; never less than one."""
        return max(1.0, float(self["length"].mean())) if len(self) else 1.0

    def rows_of(self, seqs: Array) -> NDArray[np.int64]:
        """The row of each seq, -1 where the index has none."""
        known = self["seq"]
        rows = np.searchsorted(known, seqs)
        found = rows < len(known)
        found[found] = known[rows[found]] == seqs[found]
        return np.where(found, rows, -1)

    def postings(self, term: int) -> NDArray[np.int64]:
        """The rows that hold a term, ascending, once for each time they hold it."""
        first, last = np.searchsorted(self.sorted, np.array([term << 32, (term << 32) | 0xFFFFFFFF], np.uint64))
        keys = self.sorted[first:last]
        if self.unsorted.size:
            latest = self.unsorted.values
            latest = latest[(latest >> ROW_BITS) == np.uint64(term)]
            if len(latest):
                keys = np.concatenate((keys, latest))  # the latest are rows behind all the sorted ones
        return (keys & ROW_MASK).astype(np.int64)

    def holds_any(self, terms: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """For each row, whether it holds one of the terms, which come sorted."""
        keys = terms << ROW_BITS
        spans = zip(
            np.searchsorted(self.sorted, keys).tolist(),
            np.searchsorted(self.sorted, keys | ROW_MASK).tolist(),
            strict=True,
        )
        found = [self.sorted[first:last] for first, last in spans if first < last]
        if self.unsorted.size:
            latest = self.unsorted.values
            hashes = latest >> ROW_BITS
            nearest = terms[np.minimum(np.searchsorted(terms, hashes), len(terms) - 1)]
            found.append(latest[nearest == hashes])
        holds = np.zeros(len(self), bool)
        if found:
            holds[(np.concatenate(found) & ROW_MASK).astype(np.int64)] = True
        return holds

    @property
    def dimensions(self) -> int | None:
        return None if self.vectors is None else int(self.vectors.values.shape[1])

    def similarities(self, query: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """The inner product of `query` with each row's vector, NaN where it has none. None if no row has one, or the
        query has other dimensions."""
        if self.vectors is None or self.vectors.values.shape[1:] != query.shape:
            return None
        # Not `@`: BLAS wakes a thread for each core, and where cores are busy that costs five times the sum itself.
        products: NDArray[np.float32] = np.einsum("ij,j->i", self.vectors.values, query)
        if self._slots_are_rows:
            return products
        slots = self["slot"]
        found = np.full(len(slots), np.nan, np.float32)
        has = slots >= 0
        found[has] = products[slots[has]]
        return found

    @cached_property
    def _slots_are_rows(self) -> bool:
        slots = self["slot"]
        return len(slots) == self.slot_row.size and bool((slots == np.arange(len(slots), dtype=np.int32)).all())

    def with_rows(self, rows: Sequence[IndexRow]) -> "ScopeIndex":
        """A version in which `rows` are new, or stand for earlier versions of themselves, or are gone."""
        ordered = sorted({row.seq: row for row in rows}.values())
        gone = self.rows_of(np.array([row.seq for row in ordered if row.known_to_ms is not None], np.int64))
        incoming = pack([row for row in ordered if row.known_to_ms is None], self.sessions, self.speakers)
        if not len(self):
            return _with_appended(self, incoming) if len(incoming.counts) else self
        at = self.rows_of(incoming.columns["seq"])
        is_same = at >= 0
        is_same[is_same] = self["stamp"][at[is_same]] == incoming.columns["stamp"][is_same]
        changed = self
        if is_same.any():
            changed = _with_values(self, at[is_same], incoming.only(is_same))
            incoming, at = incoming.only(~is_same), at[~is_same]
        leaving = np.concatenate((gone, at))
        leaving = leaving[leaving >= 0]
        seqs = incoming.columns["seq"]
        if len(leaving) or (len(seqs) and len(self) and seqs[0] < self["seq"][-1]):
            return _rebuilt(changed, leaving, incoming)
        return _with_appended(changed, incoming) if len(seqs) else changed

    def with_vectors(self, seqs: Array, vectors: NDArray[np.float32]) -> "ScopeIndex":
        """A version in which the rows of `seqs` have these vectors, each seq once. Unknown seqs are left out.

        Vectors are of unit length. Those of other dimensions than the index has replace all it has.
        """
        rows = self.rows_of(np.asarray(seqs, np.int64))
        rows, given = rows[rows >= 0], vectors[rows >= 0]
        if not len(rows):
            return self
        held, owners, slot = self.vectors, self.slot_row, self.columns["slot"]
        if held is None or held.values.shape[1] != given.shape[1]:
            held, owners = Growing(np.float32, given.shape[1]), Growing(np.int32)
            slot = Growing(np.int32).append(np.full(len(self), -1, np.int32))
        earlier = slot.values[rows]
        if (earlier >= 0).any():
            owners = owners.replaced(earlier[earlier >= 0], -1)
        slot = slot.replaced(rows, np.arange(held.size, held.size + len(rows), dtype=np.int32))
        columns = {**self.columns, "slot": slot}
        owners = owners.append(rows.astype(np.int32))
        return _without_orphans(replace(self, columns=columns, vectors=held.append(given), slot_row=owners))


def _with_values(index: ScopeIndex, at: Array, rows: Rows) -> ScopeIndex:
    """Rows whose words stay: only what changed is copied."""
    columns = dict(index.columns)
    for name in _CHANGEABLE:
        if not np.array_equal(index[name][at], rows.columns[name]):
            columns[name] = columns[name].replaced(at, rows.columns[name])
    return replace(index, columns=columns)


def _with_appended(index: ScopeIndex, rows: Rows) -> ScopeIndex:
    """New rows behind all others: what a scope that only grows needs."""
    size, count = len(index), len(rows.counts)
    columns = {name: index.columns[name].append(values) for name, values in rows.columns.items()}
    columns["slot"] = index.columns["slot"].append(np.full(count, -1, np.int32))
    columns["previous"] = index.columns["previous"].append(_previous_from(columns["session"].values, size))
    latest = index.unsorted.append(rows.postings(np.arange(size, size + count)))
    # Latest postings are in the order of rows, which `postings` relies on.
    if size and latest.size <= max(_UNSORTED_MIN, len(index.sorted) >> 3):
        return replace(index, columns=columns, unsorted=latest)
    everything = np.sort(np.concatenate((index.sorted, latest.values)))
    return replace(index, columns=columns, sorted=everything, unsorted=Growing(np.uint64))


def _rebuilt(index: ScopeIndex, leaving: Array, rows: Rows) -> ScopeIndex:
    """Without the rows `leaving`, and with others anywhere in the order."""
    stays = np.ones(len(index), bool)
    stays[leaving] = False
    order = np.argsort(np.concatenate((index["seq"][stays], rows.columns["seq"])), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    to = np.full(len(index), -1, np.int64)
    to[stays] = place[: np.count_nonzero(stays)]
    # A row with another text keeps the vector it had until its new one comes.
    slot = np.full(len(rows.counts), -1, np.int32)
    at = index.rows_of(rows.columns["seq"])
    slot[at >= 0] = index["slot"][at[at >= 0]]
    columns = {
        name: Growing(TYPES[name]).append(np.concatenate((index[name][stays], values))[order])
        for name, values in (*rows.columns.items(), ("slot", slot))
    }
    columns["previous"] = Growing(np.int32).append(_previous(columns["session"].values))
    postings = (
        *(moved(index.sorted, to), moved(index.unsorted.values, to)),
        rows.postings(place[np.count_nonzero(stays) :]),
    )
    slots = columns["slot"].values
    owners = np.full(index.slot_row.size, -1, np.int32)
    owners[slots[slots >= 0]] = np.flatnonzero(slots >= 0)
    return _without_orphans(
        replace(
            index,
            columns=columns,
            sorted=np.sort(np.concatenate(postings)),
            unsorted=Growing(np.uint64),
            slot_row=Growing(np.int32).append(owners),
        )
    )


def _without_orphans(index: ScopeIndex) -> ScopeIndex:
    """Drop the vectors that are nobody's any more, once they are a quarter of all."""
    owners = index.slot_row.values
    owned = np.flatnonzero(owners >= 0)
    if index.vectors is None or len(owners) - len(owned) <= len(owners) >> 2:
        return index
    slots = np.full(len(index), -1, np.int32)
    slots[owners[owned]] = np.arange(len(owned))
    return replace(
        index,
        columns={**index.columns, "slot": Growing(np.int32).append(slots)},
        vectors=Growing(np.float32, index.dimensions).append(index.vectors.values[owned]),
        slot_row=Growing(np.int32).append(owners[owned]),
    )


def _previous(sessions: Array) -> NDArray[np.int32]:
    """For each row the row before it in its session, -1 for none."""
    previous = np.full(len(sessions), -1, np.int32)
    order = np.argsort(sessions, kind="stable")
    ordered = sessions[order]
    follows = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0))
    previous[order[follows + 1]] = order[follows]
    return previous


def _previous_from(sessions: Array, size: int) -> NDArray[np.int32]:
    """The same for the rows from `size` on."""
    if size == 0:
        return _previous(sessions)
    fresh = sessions[size:]
    names = np.unique(fresh[fresh >= 0])
    if len(names) > _SESSIONS_SEARCHED_MAX:
        return _previous(sessions)[size:]
    previous = _previous(fresh)
    previous[previous >= 0] += size
    for name in names:
        earlier = np.flatnonzero(sessions[:size] == name)
        if len(earlier):
            previous[np.argmax(fresh == name)] = earlier[-1]
    return previous
