"""What facts say, looked up by subject and attribute.

A *key* is (subject, attribute) for an attribute that has one value at a time, and (subject, attribute, value) for one
that may have many: all claims that can end each other have one key.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from umi.archival.facts import fact_from_row
from umi.archival.keys import name_key
from umi.archival.schema import FACT_COLUMNS
from umi.entity import Claim, Fact
from umi.storage import Changes, View

_F_COLUMNS = ", ".join(f"f.{name.strip()}" for name in FACT_COLUMNS.split(","))
_OF_KEY = (
    "FROM claim c JOIN fact f ON f.seq = c.fact_seq"
    " WHERE c.tenant = ?1 AND c.scope = ?2 AND c.subject = ?3 AND c.attribute = ?4"
)
_OF_VALUE = f"{_OF_KEY} AND c.value = ?5"
# What the commit must still find of a key: as many claims, none of them changed.
_UNCHANGED = "SELECT 1 WHERE (SELECT coalesce(max(f.revision), 0) {of}) = ?{n} AND (SELECT count(*) {of}) = ?{m}"


class Key(NamedTuple):
    subject: str
    attribute: str
    value: str | None = None  # None: any value


class Seen(NamedTuple):
    """The facts whose claims share a key, as a plan saw them."""

    key: Key
    facts: list[Fact]
    revision: int  # the greatest of theirs, forgotten ones included
    claims: int


def key_of(claim: Claim) -> Key:
    return Key(name_key(claim.subject), claim.attribute, name_key(claim.value) if claim.many else None)


async def of_keys(view: View, tenant: str, scope: str, keys: Iterable[Key]) -> list[Seen]:
    """The known facts that claim something under each key, all from one state."""
    keys = list(dict.fromkeys(keys))
    if not keys:
        return []
    queries: list[tuple[str, tuple[str, ...]]] = []
    for key in keys:
        of, params = _of(key)
        bound = (tenant, scope, *params)
        queries.append((f"SELECT DISTINCT f.seq, {_F_COLUMNS} {of} AND f.known_to_ms IS NULL ORDER BY f.seq", bound))
        queries.append((f"SELECT coalesce(max(f.revision), 0), count(*) {of}", bound))
    found = await view.all(*queries)
    return [
        Seen(key, [fact_from_row(row[1:]) for row in found[2 * n]], *found[2 * n + 1][0]) for n, key in enumerate(keys)
    ]


def plan_unchanged(tenant: str, scope: str, seen: Sequence[Seen]) -> Changes:
    """Guard "claims": nobody claimed anything under these keys, or changed what did, since they were read."""
    changes = Changes()
    for one in seen:
        of, params = _of(one.key)
        after = 3 + len(params)
        sql = _UNCHANGED.format(of=of, n=after, m=after + 1)
        changes.guard("claims", sql, tenant, scope, *params, one.revision, one.claims)
    return changes


def _of(key: Key) -> tuple[str, tuple[str, ...]]:
    if key.value is None:
        return _OF_KEY, (key.subject, key.attribute)
    return _OF_VALUE, (key.subject, key.attribute, key.value)
