"""From what is said to what is stored: compare it with what is known, plan one commit.

Reading (see reading.py) happens once and before any commit; comparing is repeated when another writer was first.
"""

from collections.abc import Sequence

import msgspec

from umi.archival import Why, check, entities, plan_add
from umi.archival.facts import revise
from umi.archival.keys import digest, name_key
from umi.dst import Host
from umi.entity import Claim, Fact, Mention
from umi.evolve import Evolution, derivations, plan_evolution, plan_noted, plan_unchanged
from umi.memory.reading import Before, Prepared, said_before
from umi.storage import Changes, View


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of what was said.

    facts       what was stored, in its order; `known` was known already, and wasn't stored again
    mentions    the named things found in it
    evolutions  how the new facts bear on older ones
    superseded  the facts that ended with them, as they are now
    change_id   takes it all back: `memory.undo(change_id)`
    """

    facts: list[Fact]
    known: list[Fact] = []
    mentions: list[Mention] = []
    evolutions: list[Evolution] = []
    superseded: list[Fact] = []
    change_id: str = ""

    @property
    def fact(self) -> Fact:
        """The first of what was said, whether it was new or known. IndexError if nothing was worth keeping."""
        return (self.facts or self.known)[0]


async def plan_remember(
    view: View,
    host: Host,
    tenant: str,
    scope: str,
    prepared: Sequence[Prepared],
    why: Why,
    *,
    same_text_is_known: bool,
    before: Before | None = None,
) -> tuple[Remembered, Changes]:
    """Store what isn't known yet, and supersede what it ends. Guards "scope" and "fact": plan anew.

    same_text_is_known  a text is known if it was said before, by whoever; else only if all of it was the same
    before              what is known of the same texts, if it was read just now
    """
    if before is None:
        before = await said_before(view, tenant, scope, [one.fact.text for one in prepared])
    new, known = _sort_out(prepared, before.facts, same_text_is_known=same_text_is_known)
    if not new:
        return Remembered(facts=[], known=known, change_id=why.change_id or ""), Changes()
    now_ms = host.clock.now_ms()
    facts = [one.fact for one in new]
    changes = revise(Changes(), tenant, scope)
    evolutions: list[Evolution] = []
    superseded: list[Fact] = []
    if any(fact.claims for fact in facts):
        evolved = await plan_evolution(view, tenant, scope, facts, [], why, now_ms, revision=before.revision)
        facts, evolutions, superseded = evolved.added, evolved.evolutions, evolved.changed
        changes.extend(evolved.changes)
    else:
        changes.extend(plan_unchanged(tenant, scope, before.revision))
    derived = derivations(facts)
    evolutions += derived
    changes.extend(plan_add(facts, why, revised=True))
    plan_noted(changes, tenant, scope, derived, now_ms)
    for one, fact in zip(new, facts, strict=True):
        plan_mentions(changes, fact, one.mentions)
    return (
        Remembered(
            facts=facts,
            known=known,
            mentions=[mention for one in new for mention in one.mentions],
            evolutions=evolutions,
            superseded=superseded,
            change_id=why.change_id or "",
        ),
        changes,
    )


def plan_mentions(changes: Changes, fact: Fact, mentions: Sequence[Mention]) -> Changes:
    """Add to `changes` what a fact mentions."""
    told_ms = fact.known_from_ms if fact.document_time_ms is None else fact.document_time_ms
    for mention in mentions:
        changes.extend(
            entities.plan_mention(
                fact.tenant,
                fact.scope,
                fact.id,
                mention,
                importance=fact.importance,
                seen_ms=told_ms,
            )
        )
    return changes


def _sort_out(
    prepared: Sequence[Prepared], before: dict[bytes, list[Fact]], *, same_text_is_known: bool
) -> tuple[list[Prepared], list[Fact]]:
    """What is new of `prepared`, and the facts that the rest was known as."""
    held = {key: list(facts) for key, facts in before.items()}
    new: list[Prepared] = []
    known: dict[str, Fact] = {}
    for one in prepared:
        others = held.setdefault(digest(one.fact.tenant, one.fact.scope, one.fact.text), [])
        same = next((other for other in others if _is_known(one.fact, other, by_text=same_text_is_known)), None)
        if same is None:
            new.append(one)
            others.append(one.fact)
        else:
            check(one.fact)  # what is refused when it is new is refused when it is known
            known[same.id] = same
    fresh = {one.fact.id for one in new}
    return new, [fact for fact in known.values() if fact.id not in fresh]


def _is_known(fact: Fact, other: Fact, *, by_text: bool) -> bool:
    """Whether `other` says the same. What happened at another time is another fact, whatever its words."""
    if fact.event_time_ms != other.event_time_ms or _said(fact.claims) != _said(other.claims):
        return False
    if other.valid_to_ms is not None and fact.event_time_ms is None:
        return False  # it was true until then, and is said again now
    return by_text or (
        fact.speaker == other.speaker
        and fact.session == other.session
        and fact.document_time_ms == other.document_time_ms
        and fact.source == other.source
        and fact.metadata == other.metadata
        and fact.tags == other.tags
    )


def _said(claims: Sequence[Claim]) -> list[tuple[str, str, str, bool]]:
    return [(name_key(one.subject), one.attribute, name_key(one.value), one.negated) for one in claims]
