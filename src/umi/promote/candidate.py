"""Entities that may be promoted, as the store knows them."""

from collections.abc import Collection
from typing import Any

import msgspec

from umi import limits
from umi.storage import View

_COLUMNS = (
    "seq, id, type, name, key, summary, summary_fact, importance, mentions, accesses, first_seen_ms, last_seen_ms,"
    " last_access_ms"
)
_SCOPE = "FROM entity WHERE tenant = ?1 AND scope = ?2"
# Only what is sorted is read for sorting: rows are wide.
_LEADING = (
    f"SELECT {_COLUMNS} FROM entity WHERE seq IN ("
    + " UNION ".join(
        f"SELECT seq FROM (SELECT seq {_SCOPE} AND {which} LIMIT ?3) AS {name}"
        for name, which in {
            "themselves": "type = 'self' ORDER BY seq",
            "important": "importance > 0 ORDER BY importance DESC, last_seen_ms DESC, seq DESC",
            "seen": "last_seen_ms > 0 ORDER BY last_seen_ms DESC, seq DESC",
            "recalled": "last_access_ms IS NOT NULL ORDER BY last_access_ms DESC, seq DESC",
            "frequent": "mentions + accesses > 1 ORDER BY mentions + accesses DESC, seq DESC",
        }.items()
    )
    + ")"
)
_IDS_AT_ONCE = 500  # SQLite bounds the number of bound parameters


class Candidate(msgspec.Struct, frozen=True):
    """What policies judge. The fields stand in the order of `_COLUMNS`.

    mentions, accesses  how often a fact mentioned it, and how often it was recalled
    last_access_ms      when it was last recalled, or None
    """

    seq: int
    id: str
    type: str
    name: str
    key: str
    summary: str
    summary_fact: str | None
    importance: float
    mentions: int
    accesses: int
    first_seen_ms: int
    last_seen_ms: int
    last_access_ms: int | None

    @property
    def is_self(self) -> bool:
        return self.type == "self"

    @property
    def uses(self) -> int:
        return self.mentions + self.accesses

    @property
    def touched_ms(self) -> int:
        """When it was last named or recalled."""
        return max(self.last_seen_ms, self.last_access_ms or 0)


async def candidates(view: View, tenant: str, scope: str, incumbents: Collection[str]) -> list[Candidate]:
    """Those in core memory (by id), Self, and of the others the first by importance, by recency and by frequency: an
    entity that none of these lists names is outranked by many that one does."""
    most = limits.UNIFIED_MEMORY_PROMOTION_CANDIDATES_MAX
    rows = await view.fetch(f"SELECT {_COLUMNS} {_SCOPE} LIMIT ?3", tenant, scope, most + 1)
    if len(rows) > most:  # else these are all there are
        queries: list[tuple[str, tuple[Any, ...]]] = [(_LEADING, (tenant, scope, most))]
        ids = sorted(incumbents)
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            marks = ", ".join(f"?{number}" for number in range(3, len(some) + 3))
            queries.append((f"SELECT {_COLUMNS} {_SCOPE} AND id IN ({marks})", (tenant, scope, *some)))
        rows = [row for found in await view.all(*queries) for row in found]
    by_seq = {row[0]: row for row in rows}
    return [Candidate(*by_seq[seq]) for seq in sorted(by_seq)]
