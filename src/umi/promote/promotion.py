"""Promotion: plan, commit, take back.

A run compares what core memory holds of promoted facts with what it should hold, and writes the difference: lines that
are new, lines whose fact was superseded, lines that have to leave. It states the version of each block it rewrites and
of each fact it says, so that an edit or a forgetting in between makes it plan anew. Running it twice changes nothing.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from umi import core, limits
from umi.core import budget as bounds
from umi.core import ledger
from umi.dst import Host
from umi.errors import Conflict, GuardFailed, InvalidInput
from umi.promote import lines
from umi.promote.candidate import Candidate, candidates
from umi.promote.choose import Budget, Item, choose, rank
from umi.promote.lines import Shelf, Wanted
from umi.promote.mapping import EntityToBlockMapping
from umi.promote.policy import Mapping as BlockMapping
from umi.promote.policy import Policy
from umi.promote.statement import Statement, statements
from umi.storage import Changes, View

_UNCHANGED = "SELECT 1 FROM fact WHERE tenant = ? AND scope = ? AND id = ? AND version = ?"
_EVERY = Budget()


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """An entity with a line in core memory, or one that has left: its block's type then says where it was.

    name, type  empty for an entity that is gone from archival memory too
    """

    entity_id: str
    name: str
    type: str
    block: str
    score: float


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, each list by score.

    kept     were in before and stay, also those whose line changed
    covered  need no line of their own: that of another entity says the same in the same block
    """

    promoted: list[Placed] = []
    evicted: list[Placed] = []
    kept: list[Placed] = []
    covered: list[Placed] = []


async def plan_promote(
    view: View,
    tenant: str,
    scope: str,
    host: Host,
    *,
    policy: Policy | None = None,
    mapping: BlockMapping | None = None,
    budget: Budget = _EVERY,
) -> tuple[Promotion, Changes]:
    """What promotion would do to the scope's core memory now, and the changes that do it.

    Raises LimitExceeded if what is known of Self doesn't fit, also if the blocks of people leave it no room, and
    InvalidInput for a policy or a mapping that answers with what isn't a score or a type of block.
    """
    policy, mapping = policy or Policy(), mapping or EntityToBlockMapping()
    now_ms = host.clock.now_ms()
    shelf = Shelf(await core.of_scope(view, tenant, scope), scope)
    incumbents = shelf.incumbents()
    found = {one.id: one for one in await candidates(view, tenant, scope, incumbents)}
    scores = {one.id: _score(policy, one, now_ms) for one in found.values()}
    eligible = [one for one in found.values() if _may_stand(policy, one, scores[one.id], incumbents, now_ms)]
    eligible.sort(key=lambda one: rank(one.is_self, scores[one.id], one.id in incumbents, one.importance, one.id))
    items: list[Item] = []
    chosen: list[Item] = []
    said: dict[str, Statement] = {}
    taken = shelf.taken(typed_only=budget.typed_only)
    # As many as can stand at once are looked up at a time: mostly the first are enough.
    step = budget.lines_max + 1
    for start in range(0, len(eligible), step):
        said |= await statements(view, tenant, scope, eligible[start : start + step], now_ms)
        items = _items(eligible[: start + step], said, shelf, scores, mapping)
        chosen = choose(items, taken, budget)
        if len(chosen) >= budget.lines_max:
            break
    changes = await _plan_blocks(view, tenant, scope, host, shelf, _by_block(chosen, said))
    if chosen and changes:
        most, blocks_max = budget.core_bytes_max, budget.blocks_max
        changes.extend(bounds.plan_within(tenant, scope, most, blocks_max=blocks_max, typed_only=budget.typed_only))
        changes.extend(_plan_facts_unchanged(tenant, scope, chosen, said))
    return _outcome(items, chosen, found, incumbents, scores), changes


async def promote(
    view: View,
    tenant: str,
    scope: str,
    host: Host,
    *,
    policy: Policy | None = None,
    mapping: BlockMapping | None = None,
    budget: Budget = _EVERY,
) -> Promotion:
    """plan_promote, committed; planned anew if somebody edited a block or a fact meanwhile, so that no edit is lost.

    Raises what plan_promote raises, and Conflict if others write without end.
    """
    for _ in range(limits.PROMOTION_ATTEMPTS_MAX):
        promotion, changes = await plan_promote(
            view, tenant, scope, host, policy=policy, mapping=mapping, budget=budget
        )
        try:
            await view.database.commit(changes)
        except (GuardFailed, Conflict):
            continue
        return promotion
    raise _too_busy(scope)


async def in_core(view: View, tenant: str, scope: str) -> dict[str, str]:
    """The entities that have a promoted line in core memory, each with the type of its block."""
    return Shelf(await core.of_scope(view, tenant, scope), scope).incumbents()


async def plan_retract(view: View, tenant: str, scope: str, fact_ids: Collection[str], now_ms: int) -> Changes:
    """Take the promoted lines that say these facts out of core memory: part of the commit that forgets them for good.
    A line that a person changed stays."""
    shelf = Shelf(await core.of_scope(view, tenant, scope), scope)
    ids = set(fact_ids)
    gone = {entity_id for entity_id, line in shelf.lines().items() if not ids.isdisjoint(line.facts)}
    return await _plan_without(view, scope, shelf, gone, now_ms)


async def plan_withdraw(view: View, tenant: str, scope: str, now_ms: int) -> Changes:
    """Take out everything that promotion wrote, Self too: the scope's owner is gone. Lines of people's stay."""
    shelf = Shelf(await core.of_scope(view, tenant, scope), scope)
    return await _plan_without(view, scope, shelf, set(shelf.lines()), now_ms)


async def evict(
    view: View,
    tenant: str,
    scope: str,
    host: Host,
    *,
    count: int = limits.EVICTION_BATCH_SIZE,
    policy: Policy | None = None,
) -> list[Placed]:
    """Take the `count` promoted facts with the lowest scores out of core memory, never Self. The next promotion may
    bring them back. Raises Conflict if others write without end."""
    policy = policy or Policy()
    for _ in range(limits.PROMOTION_ATTEMPTS_MAX):
        now_ms = host.clock.now_ms()
        shelf = Shelf(await core.of_scope(view, tenant, scope), scope)
        incumbents = shelf.incumbents()
        found = {one.id: one for one in await candidates(view, tenant, scope, incumbents)}
        scores = {one.id: _score(policy, one, now_ms) for one in found.values()}
        mortal = [entity_id for entity_id, line in shelf.lines().items() if not line.is_self]
        gone = sorted(mortal, key=lambda one: (scores.get(one, 0.0), one))[: max(0, count)]
        try:
            await view.database.commit(await _plan_without(view, scope, shelf, set(gone), now_ms))
        except GuardFailed:
            continue
        return [_placed(one, incumbents[one], found, scores) for one in gone]
    raise _too_busy(scope)


def _too_busy(scope: str) -> Conflict:
    return Conflict(f"the core memory of '{scope}' is being changed by too many writers at once; try again")


def _score(policy: Policy, one: Candidate, now_ms: int) -> float:
    score = policy.ranking.score(one, now_ms)
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise InvalidInput(f"{type(policy.ranking).__name__} scored '{one.name}' {score!r}; a score is from 0 to 1")
    return score


def _may_stand(policy: Policy, one: Candidate, score: float, incumbents: Collection[str], now_ms: int) -> bool:
    if one.is_self:
        return True
    if policy.eviction.evicts(one, score, now_ms):
        return False
    return one.id in incumbents or policy.promotion.admits(one, score, now_ms)


def _items(
    eligible: Sequence[Candidate],
    said: Mapping[str, Statement],
    shelf: Shelf,
    scores: Mapping[str, float],
    mapping: BlockMapping,
) -> list[Item]:
    incumbents, released = shelf.incumbents(), set(shelf.released().values())
    items = []
    for one in eligible:
        statement = said.get(one.id)
        # A line that a person changed or removed doesn't come back before there is something new to say.
        if statement is None or ledger.digest(statement.line) in released:
            continue
        items.append(
            Item(
                entity_id=one.id,
                block=_block_of(mapping, one.type),
                line=statement.line,
                score=scores[one.id],
                importance=one.importance,
                incumbent=one.id in incumbents,
                is_self=one.is_self,
            )
        )
    return items


def _block_of(mapping: BlockMapping, entity_type: str) -> str:
    block = mapping.map(entity_type)
    if block not in core.TYPES:
        known = ", ".join(core.TYPES)
        raise InvalidInput(f"{type(mapping).__name__} sends '{entity_type}' to {block!r}; the types are {known}")
    return block


def _by_block(chosen: Sequence[Item], said: Mapping[str, Statement]) -> dict[str, dict[str, Wanted]]:
    found: dict[str, dict[str, Wanted]] = {}
    for item in chosen:
        found.setdefault(item.block, {})[item.entity_id] = Wanted(item, sorted(said[item.entity_id].facts))
    return found


async def _plan_blocks(
    view: View, tenant: str, scope: str, host: Host, shelf: Shelf, wanted: Mapping[str, Mapping[str, Wanted]]
) -> Changes:
    changes = Changes()
    for kind in core.TYPES:
        if kind in shelf.promoted:
            shelved = shelf.promoted[kind]
            new = lines.rewritten(shelved, wanted.get(kind, {}))
            changes.extend(await lines.plan_replace(view, scope, shelved.block, new, host.clock.now_ms()))
        elif kind in wanted:
            new = lines.rewritten(lines.blank(shelf, tenant, scope, kind, host), wanted[kind])
            changes.extend(core.plan_create(new)).extend(core.plan_attach(tenant, scope, new.id, new.label))
    return changes


async def _plan_without(view: View, scope: str, shelf: Shelf, gone: AbstractSet[str], now_ms: int) -> Changes:
    changes = Changes()
    for shelved in shelf.promoted.values():
        if not gone.isdisjoint(shelved.book.lines):
            new = lines.rewritten(shelved, {one: None for one in shelved.book.lines if one not in gone})
            changes.extend(await lines.plan_replace(view, scope, shelved.block, new, now_ms))
    return changes


def _plan_facts_unchanged(tenant: str, scope: str, chosen: Sequence[Item], said: Mapping[str, Statement]) -> Changes:
    """Guard "fact": what the lines say is still known as it was read. What is forgotten doesn't come in after it."""
    changes = Changes()
    versions = {fact_id: version for item in chosen for fact_id, version in said[item.entity_id].facts.items()}
    for fact_id, version in sorted(versions.items()):
        changes.guard("fact", _UNCHANGED, tenant, scope, fact_id, version)
    return changes


def _outcome(
    items: Sequence[Item],
    chosen: Sequence[Item],
    found: Mapping[str, Candidate],
    incumbents: Mapping[str, str],
    scores: Mapping[str, float],
) -> Promotion:
    standing = {item.entity_id for item in chosen}
    said = {(item.block, item.line) for item in chosen}
    same = {one.entity_id: one.block for one in items if (one.block, one.line) in said}
    covered = {one: kind for one, kind in same.items() if one not in standing}
    placed = [_placed(item.entity_id, item.block, found, scores) for item in chosen]
    left = {one: kind for one, kind in incumbents.items() if one not in standing and one not in covered}

    def by_score(some: Mapping[str, str]) -> list[Placed]:
        return sorted(
            (_placed(one, kind, found, scores) for one, kind in some.items()),
            key=lambda one: (-one.score, one.entity_id),
        )

    return Promotion(
        promoted=[one for one in placed if one.entity_id not in incumbents],
        kept=[one for one in placed if one.entity_id in incumbents],
        evicted=by_score(left),
        covered=by_score(covered),
    )


def _placed(entity_id: str, block: str, found: Mapping[str, Candidate], scores: Mapping[str, float]) -> Placed:
    one = found.get(entity_id)
    return Placed(
        entity_id=entity_id,
        name=one.name if one else "",
        type=one.type if one else "",
        block=block,
        score=scores.get(entity_id, 0.0),
    )
