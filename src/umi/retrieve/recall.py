"""Recall: which facts of a scope answer a query, best first, with what speaks for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umi import limits
from umi.archival import fact_from_row
from umi.archival.history import LATEST_MS
from umi.archival.schema import PAST_COLUMNS, columns_of
from umi.dst import Host
from umi.embed import Embedder, embedded
from umi.entity import Fact, Recalled, check_size, shown
from umi.errors import InvalidInput, UmiError
from umi.extract import Model
from umi.extract.dates import dates
from umi.filters import matches, parse
from umi.index import IndexCache
from umi.index.past import BELIEVED, PAST, believed_params, believed_with
from umi.retrieve.question import Question, meaning_of, named_speakers, read_question
from umi.retrieve.rewrite import rewritten
from umi.storage import Row, View

if TYPE_CHECKING:  # numpy is imported by the first recall
    import numpy as np
    from numpy.typing import NDArray

    from umi.index.scope_index import ScopeIndex
    from umi.retrieve.channels import Mask
    from umi.retrieve.ranking import Pass

_Span = tuple[int | None, int | None]
_COLUMNS = columns_of("f")
_PAST_COLUMNS = columns_of("f", PAST_COLUMNS)
_MENTIONS = (
    "SELECT m.fact_seq, e.seq, e.mentions FROM entity e JOIN mention m ON m.entity_seq = e.seq"
    " WHERE e.tenant = ? AND e.scope = ? AND e.mentions <= ? AND e.key IN ({marks})"
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the caller asked for. Times in ms since 1970; both ends of `time_range` are included."""

    limit: int
    time_range: _Span | None
    include_undated: bool
    as_of: _Span | None
    accepts: Callable[[Fact], bool] | None
    superseded: bool
    now_ms: int


async def recall(
    view: View,
    cache: IndexCache,
    tenant: str,
    scope: str,
    query: str,
    *,
    host: Host,
    embedder: Embedder | None = None,
    query_vector: "NDArray[np.float32] | None" = None,
    model: Model | None = None,
    limit: int = limits.MEMORY_RECALL_LIMIT_DEFAULT,
    time_range: _Span | None = None,
    include_undated: bool = False,
    as_of: _Span | None = None,
    filters: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    match_all_tags: bool = False,
    deep: bool | None = None,
    explain: bool = False,
    superseded: bool = False,
) -> list[Recalled]:
    """Facts that answer `query`, best first; none where nothing is known of what it asks.

    query_vector  of `query` by `embedder`, if the caller has it; else the embedder is asked, and where it fails words
                  alone decide
    time_range    (from, to) in ms, both included, either None: by when it happened, else was said, else was
                  remembered; include_undated adds what says neither of the first two
    as_of         (valid, known) in ms: what was held at `known` (None: now) to be true at `valid` (None: ever)
    tags          any of them, or all
    deep          True asks the model for other wordings, False never; None does where the answer is weak
    superseded    also what is true no longer
    Raises InvalidInput for a query that is no text, a limit, range or filter that can't be, LimitExceeded for one too
    long.
    """
    wanted = _Wanted(
        limit=_checked_limit(limit),
        time_range=_checked_range(time_range),
        include_undated=include_undated,
        as_of=as_of,
        accepts=_accepts(filters, tags, match_all_tags),
        superseded=superseded,
        now_ms=host.clock.now_ms(),
    )
    check_size("the query", query, limits.RETRIEVAL_QUERY_BYTES_MAX)
    search = _Search(view, cache, tenant, scope, embedder, host, wanted)
    question = _read(query, wanted.now_ms)
    if not question.terms or not await search.load(question.keys):
        return []
    first = await search.run(question, query_vector)
    passes = [first]
    if model is not None and (deep or (deep is None and search.is_weak(first))):
        passes += [await search.run(_read(other, wanted.now_ms)) for other in await rewritten(model, query, host)]
    return await search.answer(passes, explain=explain)


class _Search:
    """One recall under way: the index it reads, and what it may show."""

    def __init__(
        self,
        view: View,
        cache: IndexCache,
        tenant: str,
        scope: str,
        embedder: Embedder | None,
        host: Host,
        wanted: _Wanted,
    ) -> None:
        self._view = view
        self._cache = cache
        self._of = (tenant, scope)
        self._embedder = embedder
        self._host = host
        self._wanted = wanted
        self._index: ScopeIndex
        self._visible: Mask
        self._mentions: dict[int, float] = {}

    async def load(self, keys: Sequence[str]) -> bool:
        """Bring the index up to date. False if it has nothing to show."""
        name = None if self._embedder is None else self._embedder.name
        marks = ", ".join("?" * len(keys))
        params = (*self._of, limits.RETRIEVAL_MENTIONS_COUNT_MAX, *keys)
        others = [(_MENTIONS.format(marks=marks), params)] if keys else []
        if self._wanted.as_of is None:
            self._index, answers = await self._cache.fresh_with(self._view, *self._of, others, embedder=name)
        else:
            self._index, answers = await believed_with(self._view, *self._of, *self._at(), others, embedder=name)
        self._visible = _visible(self._index, self._wanted)
        if answers and answers[0]:
            self._mentions = _telling(self._index, answers[0])
        return bool(self._visible.any())

    def _at(self) -> tuple[int | None, int]:
        assert self._wanted.as_of is not None, "asked of another time"
        valid_ms, known_ms = self._wanted.as_of
        return valid_ms, LATEST_MS if known_ms is None else known_ms

    async def run(self, question: Question, vector: "NDArray[np.float32] | None" = None) -> "Pass":
        from umi.retrieve.channels import run
        from umi.retrieve.ranking import judged

        if vector is None:
            vector = await self._meaning(question)
        channels = run(self._index, question, self._visible, vector=vector, mentions=self._mentions)
        return judged(question, channels, self._visible)

    def is_weak(self, found: "Pass") -> bool:
        from umi.retrieve.ranking import is_weak

        return is_weak(found, self._visible)

    async def _meaning(self, question: Question) -> "NDArray[np.float32] | None":
        if self._embedder is None or self._index.dimensions != self._embedder.dimensions:
            return None
        text = meaning_of(question.text, named_speakers(question.text, list(self._index.speakers)))
        try:
            rows = await embedded(self._embedder, [text], self._host, timeout_ms=limits.EMBED_QUERY_TIMEOUT_MS)
        except UmiError:
            return None
        vector: NDArray[np.float32] = rows[0]
        return vector

    async def answer(self, passes: "Sequence[Pass]", *, explain: bool) -> list[Recalled]:
        """The best facts that the caller accepts, read in parts until there are enough."""
        from dataclasses import replace

        from umi.retrieve.ranking import REWRITTEN, ranked

        passes = [passes[0], *(replace(other, counts=REWRITTEN) for other in passes[1:])]
        accepts, limit = self._wanted.accepts, self._wanted.limit
        found: list[Recalled] = []
        for part in ranked(passes, limit):
            seqs = [int(self._index["seq"][row]) for row, _ in part]
            facts = await self._facts(seqs)
            for seq, (row, by) in zip(seqs, part, strict=True):
                fact = facts.get(seq)  # one that was forgotten a moment ago is not there
                if fact is None or (accepts is not None and not accepts(fact)):
                    continue
                parts = {name: given * by.counts for name, given in by.channels.explain(row).items()}
                found.append(Recalled(fact, sum(parts.values()), parts if explain else {}))
                if len(found) == limit:
                    return found
        return found

    async def _facts(self, seqs: Sequence[int]) -> dict[int, Fact]:
        queries = []
        for start in range(0, len(seqs), limits.RETRIEVAL_PAGE_FACTS_MAX):
            part = seqs[start : start + limits.RETRIEVAL_PAGE_FACTS_MAX]
            marks = ", ".join("?" * len(part))
            if self._wanted.as_of is None:
                sql = f"SELECT f.seq, {_COLUMNS} FROM fact f WHERE f.tenant = ? AND f.scope = ?"
                queries.append((f"{sql} AND f.known_to_ms IS NULL AND f.seq IN ({marks})", (*self._of, *part)))
                continue
            at = believed_params(*self._of, *self._at())
            marks = ", ".join(f"?{n}" for n in range(len(at) + 1, len(at) + len(part) + 1))
            latest = f"SELECT f.seq, {_COLUMNS} FROM fact f WHERE {BELIEVED} AND f.seq IN ({marks})"
            past = f"SELECT now.seq, {_PAST_COLUMNS} FROM {PAST} WHERE {BELIEVED} AND now.seq IN ({marks})"
            queries += [(latest, (*at, *part)), (past, (*at, *part))]
        return {row[0]: fact_from_row(row[1:]) for rows in await self._view.all(*queries) for row in rows}


def _read(query: str, now_ms: int) -> Question:
    return read_question(query, [(when.start_ms, when.end_ms) for when in dates(query, now_ms)])


def _visible(index: "ScopeIndex", wanted: _Wanted) -> "Mask":
    import numpy as np

    from umi.index.rows import NEVER_MS

    visible: Mask = np.ones(len(index), bool)
    if wanted.as_of is None and not wanted.superseded:
        visible &= index["valid_to_ms"] > wanted.now_ms
    if wanted.time_range is not None:
        told = np.where(index["event_ms"] == NEVER_MS, index["document_ms"], index["event_ms"])
        undated = told == NEVER_MS
        told = np.where(undated, index["valid_from_ms"], told)
        start_ms, end_ms = wanted.time_range
        inside = np.ones(len(index), bool)
        if start_ms is not None:
            inside &= told >= start_ms
        if end_ms is not None:
            inside &= told <= end_ms
        visible &= inside | undated if wanted.include_undated else inside
    return visible


def _telling(index: "ScopeIndex", rows: Sequence[Row]) -> dict[int, float]:
    """row → how much it tells that its fact mentions what the query names: the fewer do, the more."""
    import numpy as np

    size = len(index)
    named = {entity: mentions for _, entity, mentions in rows}
    most = np.log1p((size - 0.5) / 1.5) or 1.0
    weight = {
        entity: float(np.log1p((max(size - mentions, 0) + 0.5) / (mentions + 0.5)) / most) / len(named)
        for entity, mentions in named.items()
    }
    telling: dict[int, float] = {}
    places = index.rows_of(np.array([row[0] for row in rows], np.int64))
    for place, (_, entity, _) in zip(places.tolist(), rows, strict=True):
        if place >= 0:
            telling[place] = min(1.0, telling.get(place, 0.0) + weight[entity])
    return telling


def _accepts(
    filters: Mapping[str, Any] | None, tags: Sequence[str], match_all_tags: bool
) -> Callable[[Fact], bool] | None:
    tests: list[Callable[[Fact], bool]] = []
    if tags:
        wanted = frozenset(tags)
        tests.append(lambda fact: wanted.issubset(fact.tags) if match_all_tags else not wanted.isdisjoint(fact.tags))
    if filters is not None:
        tree = parse(filters)
        tests.append(lambda fact: matches(tree, fact))
    if not tests:
        return None
    return lambda fact: all(test(fact) for test in tests)


def _checked_limit(limit: int) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= limits.MEMORY_RECALL_LIMIT_MAX:
        raise InvalidInput(f"the limit is a number from 1 to {limits.MEMORY_RECALL_LIMIT_MAX}, not {shown(limit)}")
    return limit


def _checked_range(time_range: _Span | None) -> _Span | None:
    if time_range is not None and None not in time_range and time_range[0] > time_range[1]:  # type: ignore[operator]
        raise InvalidInput("the time range ends before it begins; give (from, to)")
    return time_range
