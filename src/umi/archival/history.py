"""What was believed when, and taking changes back. Versions are the history: nothing else records what happened."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from umi.archival.facts import Why, fact_from_row, plan_change
from umi.archival.schema import FACT_COLUMNS, PAST_COLUMNS, WHY_COLUMNS
from umi.entity import Fact
from umi.errors import Conflict, NotFound
from umi.storage import Changes, Row, View

_N = FACT_COLUMNS.count(",") + 1
_PAST = f"SELECT {PAST_COLUMNS}, {WHY_COLUMNS} FROM fact_past WHERE tenant = ? AND scope = ?"
_LATEST = f"SELECT {FACT_COLUMNS}, {WHY_COLUMNS} FROM fact WHERE tenant = ? AND scope = ?"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a fact, and why it was written. `fact.known_to_ms` is when it was replaced, or None."""

    fact: Fact
    why: Why


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one fact between two moments: `before` and `after` are what was believed, None for nothing."""

    kind: Literal["added", "changed", "removed"]
    before: Fact | None = None
    after: Fact | None = None


def _version(row: Row) -> Version:
    action, actor, reason, change_id = row[_N:]
    return Version(
        fact=fact_from_row(row[:_N]), why=Why(action=action, actor=actor, reason=reason, change_id=change_id)
    )


async def of_fact(view: View, tenant: str, scope: str, fact_id: str) -> list[Version]:
    """Every version of a fact, oldest first. Raises NotFound for an id this scope never knew."""
    past, latest = await view.all(
        (f"{_PAST} AND fact_id = ? ORDER BY version", (tenant, scope, fact_id)),
        (f"{_LATEST} AND id = ?", (tenant, scope, fact_id)),
    )
    if not latest:
        raise NotFound(f"no fact has the id '{fact_id}'")
    return [_version(row) for row in (*past, *latest)]


async def of_scope(view: View, tenant: str, scope: str) -> list[Version]:
    """Every version of every fact of a scope, in the order they were written."""
    past, latest = await view.all(
        (f"{_PAST} ORDER BY seq", (tenant, scope)), (f"{_LATEST} ORDER BY seq", (tenant, scope))
    )
    versions = [_version(row) for row in (*past, *latest)]
    return sorted(versions, key=lambda one: (one.fact.known_from_ms, one.fact.created_at_ms, one.fact.version))


async def believed(view: View, tenant: str, scope: str, *, valid_ms: int | None, known_ms: int) -> list[Fact]:
    """What this memory held at `known_ms` to be true at `valid_ms` (at any time, if None), oldest first."""
    when = " AND known_from_ms <= ? AND (known_to_ms IS NULL OR known_to_ms > ?)"
    params = [tenant, scope, known_ms, known_ms]
    if valid_ms is not None:
        when += " AND valid_from_ms <= ? AND (valid_to_ms IS NULL OR valid_to_ms > ?)"
        params += [valid_ms, valid_ms]
    past, latest = await view.all((_PAST + when, tuple(params)), (_LATEST + when, tuple(params)))
    facts = [fact_from_row(row[:_N]) for row in (*past, *latest)]
    return sorted(facts, key=lambda fact: (fact.created_at_ms, fact.id))


async def diff(view: View, tenant: str, scope: str, *, before_ms: int, after_ms: int) -> list[Difference]:
    """How what was believed at `after_ms` differs from what was believed at `before_ms`, by the age of the facts."""
    before = {one.id: one for one in await believed(view, tenant, scope, valid_ms=None, known_ms=before_ms)}
    after = {one.id: one for one in await believed(view, tenant, scope, valid_ms=None, known_ms=after_ms)}
    differences = []
    for fact_id in dict.fromkeys((*before, *after)):
        old, new = before.get(fact_id), after.get(fact_id)
        if old is None:
            differences.append(Difference(kind="added", after=new))
        elif new is None:
            differences.append(Difference(kind="removed", before=old))
        elif old.version != new.version:
            differences.append(Difference(kind="changed", before=old, after=new))
    return differences


async def of_change(view: View, tenant: str, scope: str, change_id: str) -> list[str]:
    """The ids of the facts that one change touched, and that no later change touched since.

    Raises NotFound for a change this scope never made, Conflict where something changed since.
    """
    past, latest = await view.all(
        ("SELECT fact_id FROM fact_past WHERE tenant = ? AND scope = ? AND change_id = ?", (tenant, scope, change_id)),
        (
            "SELECT id FROM fact WHERE tenant = ? AND change_id = ? AND scope = ? ORDER BY seq",
            (tenant, change_id, scope),
        ),
    )
    if past:
        raise Conflict(f"fact '{past[0][0]}' has changed since change '{change_id}'; undo the later change first")
    if not latest:
        raise NotFound(f"no change has the id '{change_id}'")
    return [row[0] for row in latest]


def plan_undo(versions: Sequence[Version], why: Why, now_ms: int) -> tuple[Fact, Changes]:
    """Give a fact back the state it had before its last version. Its first version is undone by forgetting it."""
    latest = versions[-1].fact
    if len(versions) == 1:
        back = msgspec.structs.replace(latest, known_to_ms=now_ms)
    else:
        before = versions[-2].fact
        # A version that was replaced lived until then; one that said "forgotten" never lived.
        forgotten = before.known_to_ms == before.known_from_ms
        back = msgspec.structs.replace(before, known_to_ms=now_ms if forgotten else None)
    return plan_change(latest, back, why, now_ms)
