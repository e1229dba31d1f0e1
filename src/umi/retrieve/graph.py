"""What facts relate: the neighbours of a thing, and the paths between two, over what facts claim.

The table `claim` says which facts may relate a name; what they claim is read from the version that is asked about.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from umi import limits
from umi.archival import fact_from_row
from umi.archival.keys import name_key
from umi.archival.schema import PAST_COLUMNS, columns_of
from umi.entity import Claim, Fact, check_size
from umi.errors import InvalidInput
from umi.index.past import BELIEVED, PAST, believed_params
from umi.storage import View

_KEYS_AT_ONCE = 500
_COLUMNS = columns_of("f")
_PAST_COLUMNS = columns_of("f", PAST_COLUMNS)
_SEQS = (
    "(SELECT fact_seq FROM claim WHERE tenant = ?1 AND scope = ?2 AND subject IN ({keys})"
    " UNION SELECT fact_seq FROM claim WHERE tenant = ?1 AND scope = ?2 AND value IN ({keys}))"
)
_LATEST = (
    f"SELECT f.seq, {_COLUMNS} FROM fact f WHERE f.tenant = ?1 AND f.scope = ?2 AND f.known_to_ms IS NULL"
    f" AND f.seq IN {_SEQS} ORDER BY f.seq LIMIT {limits.RETRIEVAL_EDGES_MAX}"
)
_BELIEVED = (
    f"SELECT f.seq, {_COLUMNS} FROM fact f WHERE {BELIEVED} AND f.seq IN {_SEQS}"
    f" ORDER BY f.seq LIMIT {limits.RETRIEVAL_EDGES_MAX}"
)
_BELIEVED_PAST = (
    f"SELECT now.seq, {_PAST_COLUMNS} FROM {PAST} WHERE {BELIEVED} AND now.seq IN {_SEQS}"
    f" ORDER BY now.seq LIMIT {limits.RETRIEVAL_EDGES_MAX}"
)
AsOf = tuple[int | None, int | None]


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """What one fact claims of a thing: `subject` stands in `relation` to `value`. Times in ms."""

    subject: str
    relation: str
    value: str
    fact: Fact
    confidence: float = 1.0
    ended_ms: int | None = None


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """How two things are related: each edge shares a thing with the next, in either direction.

    names  the things on the way, both ends included, as the first edge that names them spells them
    """

    names: list[str]
    edges: list[Edge]


async def neighbours(
    view: View, tenant: str, scope: str, entity: str, *, relation: str | None = None, as_of: AsOf | None = None
) -> list[Edge]:
    """What current facts relate a thing to, in either direction, oldest first.

    as_of  (valid, known) in ms: what was held at `known` (None: now) and true at `valid` (None: ever)
    Raises InvalidInput for a blank name, LimitExceeded for one that is too long.
    """
    key = _checked("the name", entity)
    found = await _edges(view, tenant, scope, [key], as_of)
    return [edge for edge in found if relation is None or edge.relation == relation]


async def paths(
    view: View, tenant: str, scope: str, start: str, end: str, *, hops_max: int = 3, as_of: AsOf | None = None
) -> list[Path]:
    """The ways from one thing to another over at most `hops_max` facts, shortest first; no way twice over a thing.

    Looks at RETRIEVAL_EDGES_MAX claims at most, those nearest to the start, and gives RETRIEVAL_PATHS_MAX at most.
    Raises InvalidInput, LimitExceeded as `neighbours` does.
    """
    if isinstance(hops_max, bool) or not isinstance(hops_max, int) or not 1 <= hops_max <= limits.RETRIEVAL_HOPS_MAX:
        raise InvalidInput(f"the number of hops is from 1 to {limits.RETRIEVAL_HOPS_MAX}, not {hops_max!r}")
    first, last = _checked("the start", start), _checked("the end", end)
    if first == last:
        return []
    seen, frontier = {first}, [first]
    edges: dict[tuple[str, str, str, str], Edge] = {}
    for _ in range(hops_max):
        for edge in await _edges(view, tenant, scope, frontier, as_of):
            if len(edges) < limits.RETRIEVAL_EDGES_MAX:
                edges.setdefault((edge.fact.id, name_key(edge.subject), edge.relation, name_key(edge.value)), edge)
        names = dict.fromkeys(name for edge in edges.values() for name in _ends(edge))
        frontier = [name for name in names if name not in seen and name != last]
        seen.update(frontier)
        if not frontier or len(edges) >= limits.RETRIEVAL_EDGES_MAX:
            break
    return _ways(list(edges.values()), first, last, hops_max)


def _ways(edges: Sequence[Edge], first: str, last: str, hops_max: int) -> list[Path]:
    by_name: dict[str, list[tuple[str, Edge]]] = {}
    for edge in edges:
        subject, value = _ends(edge)
        by_name.setdefault(subject, []).append((value, edge))
        if value != subject:
            by_name.setdefault(value, []).append((subject, edge))
    distance = _distances(by_name, last)
    found: list[Path] = []
    ways: deque[tuple[list[str], list[Edge]]] = deque([([first], [])])
    tried = 0
    while ways and len(found) < limits.RETRIEVAL_PATHS_MAX and tried < limits.RETRIEVAL_EDGES_MAX:
        names, taken = ways.popleft()
        tried += 1
        if names[-1] == last:
            found.append(Path(names=_spelled(names, taken), edges=taken))
            continue
        for other, edge in by_name.get(names[-1], ()):
            # Only towards the end, and only as far as there are hops left.
            if other not in names and len(taken) + 1 + distance.get(other, hops_max) <= hops_max:
                ways.append(([*names, other], [*taken, edge]))
    return found


def _distances(by_name: dict[str, list[tuple[str, Edge]]], last: str) -> dict[str, int]:
    distance = {last: 0}
    queue = deque([last])
    while queue:
        name = queue.popleft()
        for other, _ in by_name.get(name, ()):
            if other not in distance:
                distance[other] = distance[name] + 1
                queue.append(other)
    return distance


def _ends(edge: Edge) -> tuple[str, str]:
    return name_key(edge.subject), name_key(edge.value)


def _spelled(names: Sequence[str], edges: Sequence[Edge]) -> list[str]:
    spelling: dict[str, str] = {}
    for edge in edges:
        for name in (edge.subject, edge.value):
            spelling.setdefault(name_key(name), name)
    return [spelling[name] for name in names]


async def _edges(view: View, tenant: str, scope: str, keys: Sequence[str], as_of: AsOf | None) -> list[Edge]:
    """What facts claim of any of these names, in the order of the facts."""
    queries = []
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        part = keys[start : start + _KEYS_AT_ONCE]
        if as_of is None or as_of[1] is None:
            marks = ", ".join(f"?{n}" for n in range(3, 3 + len(part)))
            queries.append((_LATEST.format(keys=marks), (tenant, scope, *part)))
            continue
        at = believed_params(tenant, scope, as_of[0], as_of[1])
        marks = ", ".join(f"?{n}" for n in range(len(at) + 1, len(at) + 1 + len(part)))
        queries += [(sql.format(keys=marks), (*at, *part)) for sql in (_BELIEVED, _BELIEVED_PAST)]
    facts = {row[0]: fact_from_row(row[1:]) for rows in await view.all(*queries) for row in rows}
    wanted = frozenset(keys)
    return [
        Edge(
            subject=claim.subject,
            relation=claim.attribute,
            value=claim.value,
            fact=facts[seq],
            confidence=claim.confidence,
            ended_ms=claim.ended_ms,
        )
        for seq in sorted(facts)
        for claim in _standing(facts[seq], as_of)
        if not wanted.isdisjoint((name_key(claim.subject), name_key(claim.value)))
    ]


def _standing(fact: Fact, as_of: AsOf | None) -> Iterable[Claim]:
    """What a fact claims to be so, at the time asked about."""
    claims = [claim for claim in fact.claims if not claim.negated and claim.value.strip()]
    if as_of is None:
        return [] if fact.valid_to_ms is not None else [claim for claim in claims if claim.ended_ms is None]
    valid_ms = as_of[0]
    if valid_ms is None:
        return claims
    if not (fact.valid_from_ms <= valid_ms and (fact.valid_to_ms is None or valid_ms < fact.valid_to_ms)):
        return []
    return [claim for claim in claims if claim.ended_ms is None or valid_ms < claim.ended_ms]


def _checked(what: str, name: str) -> str:
    check_size(what, name, limits.ENTITY_NAME_BYTES_MAX)
    key = name_key(name)
    if not key:
        raise InvalidInput(f"{what} is blank; give the name of a thing")
    return key
