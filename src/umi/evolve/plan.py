"""The versions that follow when facts come and go: which are superseded, and which hold again."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from umi.archival import FACT_COLUMNS, Why, fact_from_row, plan_change
from umi.archival.claims import Key, Seen, is_under, key_of, keys_of, of_keys
from umi.archival.keys import name_key
from umi.entity import Claim, Fact
from umi.evolve.timeline import End, Statement, ends
from umi.storage import Changes, View

_IDS_PER_QUERY = 500
Kind = Literal["update", "extend", "derive", "contradict", "none"]
_EVOLUTION = (
    "INSERT INTO evolution (tenant, scope, old_id, new_id, kind, reason, confidence, at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class Evolution(msgspec.Struct, frozen=True, kw_only=True):
    """How a new fact bears on an older one.

    update      it holds from a later time on: the older one ended then
    contradict  it denies the older one, or says otherwise of the same moment
    extend      it adds to the older one, or confirms it
    derive      it names the older one as its source
    """

    kind: Kind
    old_id: str
    new_id: str
    reason: str
    confidence: float


class Evolved(msgspec.Struct, frozen=True, kw_only=True):
    """`added` are the new facts, with those claims ended that an existing fact of a later time ends. `changed` are the
    next versions of existing facts."""

    added: list[Fact]
    changed: list[Fact]
    evolutions: list[Evolution]
    changes: Changes


async def plan_evolution(
    view: View,
    tenant: str,
    scope: str,
    added: Sequence[Fact],
    removed: Sequence[Fact],
    why: Why,
    now_ms: int,
    *,
    revision: int | None = None,
) -> Evolved:
    """What happens to the facts of a scope when `added` come and `removed` go. A fact that is in both is rewritten.

    revision  of the scope when what `added` rests on was read, if that was before
    The changes are a guard and the versions of other facts; they follow one `revise` of the commit. Storing `added` and
    ending `removed` is the caller's. Guards "scope" and "fact": plan anew.
    """
    keys = keys_of((*added, *removed))
    seen = await of_keys(view, tenant, scope, keys)
    gone = {fact.id for fact in (*removed, *added)}
    before = {fact.id: fact for told in seen.facts.values() for fact in told if fact.id not in gone}
    facts = before | {fact.id: fact for fact in added}  # as they will be
    newcomers = _by_key(added, keys)
    for key in keys:
        new = dict.fromkeys(newcomers.get(key, ()))
        told = list(dict.fromkeys([fact.id for fact in seen.facts[key] if fact.id not in gone or fact.id in new]) | new)
        # One that is rewritten, or known again, is as old as it was.
        told.sort(key=lambda fact_id: facts[fact_id].created_at_ms)
        _retell(key, told, facts)
    changes = plan_unchanged(tenant, scope, seen.revision if revision is None else revision)
    changed = []
    for fact_id, old in before.items():
        if facts[fact_id] is not old:
            version, written = plan_change(old, facts[fact_id], _why(old, facts[fact_id], why), now_ms)
            changed.append(version)
            changes.extend(written)
    evolutions = _evolutions(seen, before, facts, newcomers)
    plan_noted(changes, tenant, scope, evolutions, now_ms)
    return Evolved(added=[facts[fact.id] for fact in added], changed=changed, evolutions=evolutions, changes=changes)


def plan_unchanged(tenant: str, scope: str, revision: int) -> Changes:
    """Guard "scope": nobody changed a fact of the scope since `revision`, but this commit's one `revise`."""
    sql = "SELECT 1 FROM fact_scope WHERE tenant = ? AND scope = ? AND revision = ?"
    return Changes().guard("scope", sql, tenant, scope, revision + 1)


def plan_noted(changes: Changes, tenant: str, scope: str, evolutions: Iterable[Evolution], now_ms: int) -> Changes:
    """Keep with the facts how they bear on each other."""
    for evolution in evolutions:
        row = (evolution.old_id, evolution.new_id, evolution.kind, evolution.reason, evolution.confidence)
        changes.write(_EVOLUTION, tenant, scope, *row, now_ms)
    return changes


def derivations(facts: Iterable[Fact]) -> list[Evolution]:
    """What facts say of others that they stand on: their source names those in "facts"."""
    return [
        Evolution(kind="derive", old_id=old_id, new_id=fact.id, reason="is named as its source", confidence=1.0)
        for fact in facts
        for old_id in derived_from(fact)
    ]


def derived_from(fact: Fact) -> list[str]:
    named = fact.source.get("facts", ())
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []


async def dependents(view: View, tenant: str, scope: str, facts: Sequence[Fact]) -> list[Fact]:
    """The known facts that stand on `facts` alone, directly or by others that do, without `facts` themselves."""
    going = {fact.id for fact in facts}
    found: dict[str, Fact] = {}
    new = list(going)
    while new:
        standing = []
        for part in _parts(new):
            sql = (
                f"SELECT {FACT_COLUMNS} FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL AND id IN"
                f" (SELECT new_id FROM evolution WHERE tenant = ? AND kind = 'derive' AND old_id IN"
                f" ({', '.join('?' * len(part))})) ORDER BY seq"
            )
            standing += [fact_from_row(row) for row in await view.fetch(sql, tenant, scope, tenant, *part)]
        left = await _known(view, tenant, scope, [one for fact in standing for one in derived_from(fact)]) - going
        fallen = [fact for fact in standing if fact.id not in going and left.isdisjoint(derived_from(fact))]
        found |= {fact.id: fact for fact in fallen}
        new = list(dict.fromkeys(fact.id for fact in fallen))
        going.update(new)
    return list(found.values())


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _IDS_PER_QUERY] for start in range(0, len(ids), _IDS_PER_QUERY)]


async def _known(view: View, tenant: str, scope: str, ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for part in _parts(list(dict.fromkeys(ids))):
        marks = ", ".join("?" * len(part))
        sql = f"SELECT id FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL AND id IN ({marks})"
        known.update(row[0] for row in await view.fetch(sql, tenant, scope, *part))
    return known


def _by_key(added: Sequence[Fact], keys: Sequence[Key]) -> dict[Key, list[str]]:
    """The ids of the new facts that claim something under each key."""
    wanted = frozenset(keys)
    found: dict[Key, list[str]] = {}
    for fact in added:
        for claim in fact.claims:
            key = key_of(claim)
            for one in {key, Key(key.subject, key.attribute)} & wanted:
                ids = found.setdefault(one, [])
                if not ids or ids[-1] != fact.id:
                    ids.append(fact.id)
    return found


def _retell(key: Key, told: Iterable[str], facts: dict[str, Fact]) -> None:
    """Bring the claims under one key up to date in `facts`; `told` are the facts that make them, oldest first.

    Under a key with a value not all is known that may end a claim of one value at a time: those stay as they are.
    """
    statements = [
        _statement(facts[fact_id], place, claim)
        for fact_id in told
        for place, claim in enumerate(facts[fact_id].claims)
        if is_under(claim, key)
    ]
    found = ends(statements)
    for one in statements:
        if key.value is None or one.many or (one.negated and one.value):
            facts[one.fact_id] = _ended(facts[one.fact_id], one.place, found.get((one.fact_id, one.place)))


def _statement(fact: Fact, place: int, claim: Claim) -> Statement:
    return Statement(
        fact_id=fact.id,
        place=place,
        from_ms=fact.valid_from_ms,
        value=name_key(claim.value),
        negated=claim.negated,
        many=claim.many,
        confidence=claim.confidence,
        kept=frozenset(claim.kept),
        own_end_ms=claim.ended_ms if claim.ended_by is None else None,
    )


def _ended(fact: Fact, place: int, end: End | None) -> Fact:
    """`fact` with one claim ended, or holding again; the same object if that is what it says already."""
    claim = fact.claims[place]
    told = msgspec.structs.replace(claim, ended_ms=end.at_ms if end else None, ended_by=end.by if end else None)
    if told == claim:
        return fact
    claims = [*fact.claims[:place], told, *fact.claims[place + 1 :]]
    whole = [one for one in claims if one.whole]
    valid_to_ms = fact.valid_to_ms
    if whole:
        over = [one.ended_ms for one in whole if one.ended_ms is not None]
        valid_to_ms = max(*over, fact.valid_from_ms) if len(over) == len(whole) else None
    return msgspec.structs.replace(fact, claims=claims, valid_to_ms=valid_to_ms)


def _why(old: Fact, new: Fact, why: Why) -> Why:
    """Ids alone: a reason outlives the fact that it speaks of."""
    for was, told in zip(old.claims, new.claims, strict=True):
        if told.ended_by and told.ended_by != was.ended_by:
            return msgspec.structs.replace(why, action="supersede", reason=f"ended by {told.ended_by}")
    return msgspec.structs.replace(why, action="restore", reason="what had ended it is no longer known")


def _evolutions(
    seen: Seen, before: dict[str, Fact], facts: dict[str, Fact], newcomers: dict[Key, list[str]]
) -> list[Evolution]:
    """How each new fact bears on those that were known, one entry for a pair: the strongest."""
    found: dict[tuple[str, str], Evolution] = {}
    for key, told in seen.facts.items():
        for new_id in newcomers.get(key, ()):
            new = facts[new_id]
            claim = next(claim for claim in new.claims if is_under(claim, key))
            for old in told:
                if old.id not in before:
                    continue
                said = _evolution(before[old.id], facts[old.id], new, claim, key)
                pair = (old.id, new_id)
                if said is not None and (pair not in found or found[pair].kind == "extend"):
                    found[pair] = said
    return list(found.values())


def _evolution(before: Fact, after: Fact, new: Fact, claim: Claim, key: Key) -> Evolution | None:
    theirs = [(was, is_) for was, is_ in zip(before.claims, after.claims, strict=True) if is_under(was, key)]
    for was, is_ in theirs:
        if is_.ended_by == new.id and was.ended_by != new.id:
            same_moment = new.valid_from_ms == before.valid_from_ms
            kind: Kind = "contradict" if claim.negated or same_moment else "update"
            denied = "denies" if claim.negated else "says otherwise than"
            reason = f"{denied} '{was.value}' for {was.attribute} of {was.subject}"
            return Evolution(kind=kind, old_id=before.id, new_id=new.id, reason=reason, confidence=claim.confidence)
    if any(name_key(was.value) == name_key(claim.value) and was.negated == claim.negated for was, _ in theirs):
        reason = f"confirms '{claim.value}' for {claim.attribute} of {claim.subject}"
        return Evolution(kind="extend", old_id=before.id, new_id=new.id, reason=reason, confidence=claim.confidence)
    return None
