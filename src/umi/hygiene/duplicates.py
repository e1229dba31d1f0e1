"""Near duplicates: texts of one scope that say the same in other words. (Exact ones share `umi.archival.keys.digest`.)

Two texts are near duplicates if the same numbers and names stand in both in the same order, both deny as often, and
enough of their other words agree: "Ada is 31" is none of "Ada is 32", nor "Ada manages Bob" of "Bob manages Ada".

A scope is searched by MinHash and locality-sensitive hashing, in time proportional to its facts. Own code, some sixty
lines of numpy: the library for it, datasketch, needs scipy, which is three times as large as all else in the base
install together.
"""

import functools
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from umi import limits
from umi.hygiene.patterns import Pattern
from umi.index.terms import STOPWORDS, fold, stem, words_of

if TYPE_CHECKING:
    import numpy as np

_NEGATIONS = frozenset("no not never none nobody nothing neither nor nowhere cannot without hardly t nt".split())
# What tokenizing leaves of "doesn't" before its "t": it says nothing that "not" doesn't.
_CUT_SHORT = frozenset("don doesn didn isn wasn aren weren won couldn wouldn shouldn haven hasn hadn".split())
_CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays"
    " sundays january february march april june july august september october november december".split()
)
_NUMBER_WORDS = _CALENDAR | frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million first second"
    " third once twice half".split()
)
_SPELLED = Pattern(r"[^\W_]+")
_BANDS, _ROWS = 16, 4  # texts alike in 80 % of their words meet in some band with 99.98 %, in 50 % with 64 %


class Terms(NamedTuple):
    """A text as it is compared."""

    words: frozenset[str]  # stems, without stopwords, numbers and negations
    marks: tuple[str, ...]  # numbers and names in their order, folded
    plain: frozenset[str]  # folded words that stand in small letters somewhere in the text: no names there
    negations: int


class Near(NamedTuple):
    """`id` says what `of` says, which came before it. `score` is in (0, 1], 1 where all words agree."""

    id: Any
    of: Any
    score: float


def terms(text: str) -> Terms:
    words: set[str] = set()
    plain: set[str] = set()
    marks: list[str] = []
    negations = 0
    for spelled in _SPELLED.findall(text):
        for kind, word in _read(spelled):
            if kind == "negation":
                negations += 1
            elif kind == "mark":
                marks.append(word)
            elif kind == "word":
                words.add(word)
            else:
                plain.add(word)
    return Terms(frozenset(words), tuple(marks), frozenset(plain), negations)


@functools.lru_cache(maxsize=limits.NEAR_DUPLICATE_STEMS_CACHED_MAX)
def _read(spelled: str) -> tuple[tuple[str, str], ...]:
    """What one run of letters and digits means."""
    read: list[tuple[str, str]] = []
    for word in words_of(spelled):
        if word in _NEGATIONS:
            read.append(("negation", word))
            continue
        if word in _CUT_SHORT:
            continue
        if spelled[0].islower():
            read.append(("plain", word))
        is_name = spelled[0].isupper() and word not in STOPWORDS
        if is_name or word in _NUMBER_WORDS or any(map(str.isnumeric, word)):
            read.append(("mark", word))
        elif word not in STOPWORDS:
            read.append(("word", _stem(word)))
    return tuple(read)


def near(a: Terms, b: Terms) -> float:
    """How much two texts say the same: 0 where numbers, names or denials differ, else the share of words they share.

    A word with a capital is no name where the other text has it in small letters: "Yesterday it rained" is near "It
    rained yesterday".
    """
    if a.negations != b.negations:
        return 0.0
    marks_a, marks_b = _names(a, b), _names(b, a)
    if marks_a != marks_b:
        return 0.0
    words_a, words_b = a.words | _demoted(a, b), b.words | _demoted(b, a)
    together = words_a | words_b
    if not together:
        return 1.0 if marks_a != ((), []) else 0.0
    # Names that agree count as words that do: with few other words, one that differs would else weigh too much.
    agreeing = len({*marks_a[0], *marks_a[1]})
    return (len(words_a & words_b) + agreeing) / (len(together) + agreeing)


def near_duplicates(rows: Iterable[tuple[Any, str]], threshold: float = limits.NEAR_DUPLICATE_THRESHOLD) -> list[Near]:
    """For each of (id, text) that says what an earlier one says (`near` at least `threshold`): which, and how much."""
    sketches = Sketches()
    compared: list[Terms] = []
    for one, text in rows:
        read = terms(text)
        compared.append(read)
        sketches.add(one, read)
    found: list[Near] = []
    repeats: set[int] = set()
    for later, earlier in sketches.pairs():
        if later in repeats or earlier in repeats:
            continue
        score = near(compared[later], compared[earlier])
        if score >= threshold:
            repeats.add(later)
            found.append(Near(sketches.ids[later], sketches.ids[earlier], score))
    return found


class Sketches:
    """What is kept of each text until all are seen: 64 numbers, however long it is."""

    def __init__(self) -> None:
        self.ids: list[Any] = []
        self._features: list[list[int]] = []
        self._strata: list[int] = []  # texts of two strata are never near
        self._signatures: list[np.ndarray[Any, Any]] = []

    def add(self, one: Any, read: Terms) -> None:
        numbers = tuple(mark for mark in read.marks if any(map(str.isnumeric, mark)))
        self.ids.append(one)
        self._features.append([zlib.crc32(word.encode()) for word in {*read.words, *map(_stem, read.marks)} or {""}])
        self._strata.append(_stratum(numbers, read.negations))
        if len(self._features) >= limits.AUDIT_PAGE_FACTS:
            self._sketch()

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(later, earlier), as positions in `ids`, of all that may be near; each once, by the later one."""
        import numpy as np

        self._sketch()
        if not self._signatures:
            return
        signatures = np.concatenate(self._signatures)
        strata = np.array(self._strata, dtype=np.uint64)
        met: defaultdict[int, set[int]] = defaultdict(set)
        for band in range(_BANDS):
            keys = strata.copy()
            for row in range(_ROWS):
                keys = (keys ^ signatures[:, band * _ROWS + row]) * np.uint64(0x9E3779B97F4A7C15)
                keys ^= keys >> np.uint64(29)
            order = np.argsort(keys, kind="stable")
            starts = np.concatenate(([0], np.flatnonzero(np.diff(keys[order])) + 1, [len(keys)]))
            for bucket in np.flatnonzero(np.diff(starts) > 1):
                _meet(order[starts[bucket] : starts[bucket + 1]].tolist(), met)
        for later in sorted(met):
            for earlier in sorted(met[later]):
                yield later, earlier

    def _sketch(self) -> None:
        """Turn the features that wait into signatures."""
        import numpy as np

        if not self._features:
            return
        factors, shifts = _permutations()
        starts = np.cumsum([0, *map(len, self._features[:-1])])
        features = np.array([one for each in self._features for one in each], dtype=np.uint64)
        self._features = []
        columns = [
            np.minimum.reduceat((features * factor + shift) >> np.uint64(16), starts)
            for factor, shift in zip(factors, shifts, strict=True)
        ]
        self._signatures.append(np.stack(columns, axis=1))


def _stratum(numbers: tuple[str, ...], negations: int) -> int:
    text = "\x00".join(numbers)
    return zlib.crc32(text.encode()) << 32 | zlib.crc32(f"{negations}".encode())


def _meet(bucket: list[int], met: dict[int, set[int]]) -> None:
    """In a crowd each is compared with the first few alone: who is near a later one is mostly near those too."""
    for place, later in enumerate(bucket):
        met[later].update(bucket[: min(place, limits.NEAR_DUPLICATE_CANDIDATES_MAX)])


@functools.cache
def _permutations() -> "tuple[list[np.uint64], list[np.uint64]]":
    """Odd factors and shifts for 64 hash functions, the same everywhere."""
    import numpy as np

    mixed = []
    state = 0x2545F4914F6CDD1D
    for _ in range(2 * _BANDS * _ROWS):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        mixed.append(np.uint64(state | 1))
    return mixed[::2], mixed[1::2]


@functools.lru_cache(maxsize=limits.NEAR_DUPLICATE_STEMS_CACHED_MAX)
def _stem(word: str) -> str:
    return stem(fold(word))


def _names(a: Terms, b: Terms) -> tuple[tuple[str, ...], list[str]]:
    """The marks of `a`, days and months apart (where they stand in a sentence means nothing), without what only begins
    its sentence with a capital, as the other text shows."""
    marks = [mark for mark in a.marks if mark not in b.plain or not mark.isalpha() or mark in _NUMBER_WORDS]
    return tuple(mark for mark in marks if mark not in _CALENDAR), sorted(mark for mark in marks if mark in _CALENDAR)


def _demoted(a: Terms, b: Terms) -> set[str]:
    return {_stem(mark) for mark in a.marks if mark in b.plain and mark.isalpha() and mark not in _NUMBER_WORDS}
