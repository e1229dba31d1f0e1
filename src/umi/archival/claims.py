"""What facts say, looked up by subject and attribute.

A *key* is what claims that may end each other share: (subject, attribute). Of an attribute that has many values at once
a new value is ended, and ends, by its own value alone; its key names the value, so that a thousand others aren't read.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from umi.archival.facts import fact_from_row
from umi.archival.keys import name_key
from umi.archival.schema import REVISION, columns_of
from umi.entity import Claim, Fact
from umi.storage import Row, View

_KEYS_PER_QUERY = 100
_F_COLUMNS = columns_of("f")
_OF_KEYS = (
    f"SELECT f.seq, c.subject, c.attribute, c.value, {_F_COLUMNS} FROM claim c JOIN fact f ON f.seq = c.fact_seq"
    " WHERE c.tenant = ? AND c.scope = ? AND f.known_to_ms IS NULL AND {these} ORDER BY f.seq"
)


class Key(NamedTuple):
    subject: str
    attribute: str
    value: str | None = None  # None: any value


class Seen(NamedTuple):
    """The known facts that claim something under each key, oldest first, and the scope's revision as of then."""

    facts: dict[Key, list[Fact]]
    revision: int


def key_of(claim: Claim) -> Key:
    value = name_key(claim.value) if claim.many and not claim.negated else None
    return Key(name_key(claim.subject), claim.attribute, value)


def keys_of(facts: Iterable[Fact]) -> list[Key]:
    """The keys of all claims; one with a value is left out where the whole attribute is among them."""
    keys = dict.fromkeys(key_of(claim) for fact in facts for claim in fact.claims)
    return [key for key in keys if key.value is None or Key(key.subject, key.attribute) not in keys]


def is_under(claim: Claim, key: Key) -> bool:
    """Whether a claim is read under a key; a denial of any value is, under each."""
    if claim.attribute != key.attribute or name_key(claim.subject) != key.subject:
        return False
    return key.value is None or name_key(claim.value) in {key.value, ""}


async def of_keys(view: View, tenant: str, scope: str, keys: Sequence[Key]) -> Seen:
    """The facts under `keys`, all from one state."""
    queries: list[tuple[str, tuple[str, ...]]] = [(REVISION, (tenant, scope))]
    whole = [key[:2] for key in keys if key.value is None]
    single = [(*key[:2], value) for key in keys if key.value is not None for value in (key.value, "")]
    for columns, these in (("c.subject, c.attribute", whole), ("c.subject, c.attribute, c.value", single)):
        for start in range(0, len(these), _KEYS_PER_QUERY):
            part = these[start : start + _KEYS_PER_QUERY]
            marks = ", ".join([f"({', '.join('?' * len(part[0]))})"] * len(part))
            sql = _OF_KEYS.format(these=f"({columns}) IN (VALUES {marks})")
            queries.append((sql, (tenant, scope, *(text for one in part for text in one))))
    revision, *answers = await view.all(*queries)
    return Seen(_by_key(keys, [row for rows in answers for row in rows]), revision[0][0] if revision else 0)


def _by_key(keys: Sequence[Key], rows: Iterable[Row]) -> dict[Key, list[Fact]]:
    facts: dict[int, Fact] = {}
    found: dict[Key, dict[int, Fact]] = {key: {} for key in keys}
    for seq, subject, attribute, value, *columns in rows:
        fact = facts.get(seq)
        if fact is None:
            fact = facts[seq] = fact_from_row(tuple(columns))
        under = [Key(subject, attribute), Key(subject, attribute, value)]
        if value == "":
            under = [key for key in keys if key[:2] == (subject, attribute)]
        for key in under:
            if key in found:
                found[key][seq] = fact
    return {key: [under[seq] for seq in sorted(under)] for key, under in found.items()}
