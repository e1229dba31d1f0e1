"""What was believed when. Versions are the history: nothing else records what happened."""

from typing import Literal

import msgspec

from umi.archival.facts import Why, fact_from_row
from umi.archival.schema import FACT_COLUMNS, PAST_COLUMNS, WHY_COLUMNS
from umi.entity import Fact
from umi.errors import NotFound
from umi.storage import Row, View

_N = FACT_COLUMNS.count(",") + 1
_PAST = f"SELECT {PAST_COLUMNS}, {WHY_COLUMNS} FROM fact_past WHERE tenant = ? AND scope = ?"
# After every moment: what is known then is known now, also of a version that a standing clock dates a little ahead.
LATEST_MS = 2**62
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


async def believed(view: View, tenant: str, scope: str, *, valid_ms: int | None, known_ms: int | None) -> list[Fact]:
    """What this memory held at `known_ms` (None: now) to be true at `valid_ms` (None: at any time), oldest first."""
    known_ms = LATEST_MS if known_ms is None else known_ms
    when = " AND known_from_ms <= ? AND (known_to_ms IS NULL OR known_to_ms > ?)"
    params = [tenant, scope, known_ms, known_ms]
    if valid_ms is not None:
        when += " AND valid_from_ms <= ? AND (valid_to_ms IS NULL OR valid_to_ms > ?)"
        params += [valid_ms, valid_ms]
    past, latest = await view.all((_PAST + when, tuple(params)), (_LATEST + when, tuple(params)))
    facts = [fact_from_row(row[:_N]) for row in (*past, *latest)]
    return sorted(facts, key=lambda fact: (fact.created_at_ms, fact.id))


async def diff(view: View, tenant: str, scope: str, *, before_ms: int, after_ms: int | None) -> list[Difference]:
    """How what was believed at `after_ms` (None: now) differs from what was believed at `before_ms`, oldest first."""
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
    """The ids of the facts that one change wrote a version of. Raises NotFound for a change this scope never made."""
    past, latest = await view.all(
        (
            "SELECT DISTINCT fact_id FROM fact_past WHERE tenant = ? AND scope = ? AND change_id = ? ORDER BY fact_id",
            (tenant, scope, change_id),
        ),
        (
            "SELECT id FROM fact WHERE tenant = ? AND change_id = ? AND scope = ? ORDER BY seq",
            (tenant, change_id, scope),
        ),
    )
    if not past and not latest:
        raise NotFound(f"no change has the id '{change_id}'")
    return list(dict.fromkeys(row[0] for row in (*latest, *past)))
