"""Taking changes back: a fact gets the state it had before, and the timeline is told anew from what is then known."""

from collections.abc import Sequence

import msgspec

from umi import archival
from umi.archival import Why, history
from umi.archival.history import Version
from umi.entity import Fact
from umi.errors import Conflict
from umi.evolve import plan_evolution
from umi.storage import Changes, View

# What followed from other facts, and will follow anew.
_FOLLOWED = frozenset(("supersede", "restore"))


class Undone(msgspec.Struct, frozen=True):
    """The facts that a change is taken back from, as they were and as they will be, and the changes that do it."""

    before: list[Fact]
    after: list[Fact]
    changes: Changes


async def plan_undo_change(view: View, tenant: str, scope: str, change_id: str, why: Why, now_ms: int) -> Undone:
    """Take back all that one change did. Raises NotFound, Conflict where somebody changed one of its facts since."""
    targets = []
    for fact_id in await history.of_change(view, tenant, scope, change_id):
        versions = await history.of_fact(view, tenant, scope, fact_id)
        place = next((n for n, one in enumerate(versions) if _is_own(one) and one.why.change_id == change_id), None)
        if place is not None:
            _refuse_changed(versions, place, change_id)
            targets.append((versions, place))
    return await _plan_back(view, tenant, scope, targets, why, now_ms)


async def plan_undo_last(view: View, tenant: str, scope: str, fact_id: str, why: Why, now_ms: int) -> Undone:
    """Take back the last change of one fact, with what the same call forgot. One that was superseded holds again, and
    what had ended it is told not to end it any more; both hold from then on. Raises NotFound."""
    versions = await history.of_fact(view, tenant, scope, fact_id)
    latest, last = versions[-1].fact, versions[-1].why
    if last.action == "supersede":
        return await _plan(view, tenant, scope, [latest], [_kept(latest)], why, now_ms)
    place = max(n for n, one in enumerate(versions) if _is_own(one))
    own = versions[place].why
    if own.action == "forget" and own.change_id is not None:
        return await plan_undo_change(view, tenant, scope, own.change_id, why, now_ms)
    return await _plan_back(view, tenant, scope, [(versions, place)], why, now_ms)


def _is_own(version: Version) -> bool:
    return version.why.action not in _FOLLOWED


def _refuse_changed(versions: Sequence[Version], place: int, change_id: str) -> None:
    """Raise Conflict if anybody changed the fact after `place` and didn't take it back."""
    standing = 0
    for later in filter(_is_own, versions[place + 1 :]):
        standing += -1 if later.why.action == "undo" and standing else 1
    if standing:
        fact_id = versions[place].fact.id
        raise Conflict(f"fact '{fact_id}' has changed since change '{change_id}'; undo the later change first")


async def _plan_back(
    view: View, tenant: str, scope: str, targets: Sequence[tuple[Sequence[Version], int]], why: Why, now_ms: int
) -> Undone:
    latest = [versions[-1].fact for versions, _ in targets]
    return await _plan(
        view, tenant, scope, latest, [_state_before(versions, place) for versions, place in targets], why, now_ms
    )


def _state_before(versions: Sequence[Version], place: int) -> Fact | None:
    """What was known before the version at `place`; None if nothing was."""
    if place == 0:
        return None
    before = versions[place - 1].fact
    # A version that was replaced lived until then; one that said "forgotten" never lived.
    return None if before.known_to_ms == before.known_from_ms else msgspec.structs.replace(before, known_to_ms=None)


async def _plan(
    view: View, tenant: str, scope: str, latest: Sequence[Fact], back: Sequence[Fact | None], why: Why, now_ms: int
) -> Undone:
    """Write `back` (None: forgotten) as the next versions of `latest`."""
    known = [fact for fact in back if fact is not None]
    changes = archival.revise(Changes(), tenant, scope)
    evolved = await plan_evolution(view, tenant, scope, known, latest, why, now_ms)
    changes.extend(evolved.changes)
    told = {fact.id: fact for fact in evolved.added}
    after = []
    for old in latest:
        new = told.get(old.id) or msgspec.structs.replace(old, known_to_ms=now_ms)
        version, written = archival.plan_change(old, new, why, now_ms)
        after.append(version)
        changes.extend(written)
    return Undone(list(latest), after, changes)


def _kept(superseded: Fact) -> Fact:
    """The fact with its claims kept from what had ended them."""
    claims = [
        msgspec.structs.replace(claim, kept=[*claim.kept, claim.ended_by]) if claim.ended_by is not None else claim
        for claim in superseded.claims
    ]
    return msgspec.structs.replace(superseded, claims=claims)
