"""Keep a convention, override one for good, forget one: one call each."""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents.turn.scene import Workshop
from kelpie.analyst import limits
from kelpie.analyst.conventions.convention import Convention, Scope, Wish, convention_of, wish
from kelpie.analyst.conventions.holding import Holder, changeable, facts_of, holders, may_change
from kelpie.errors import LimitExceeded, NotFound, NotPermitted
from kelpie.people import Speaker
from umi.archival import history
from umi.archival.keys import name_key
from umi.entity import Fact
from umi.memory import Archive, Draft
from umi.storage import Changes, View

BY_API = {"kind": "api"}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept, the ids of those of the same holder that ended with it, and what takes it back (umi's undo)."""

    convention: Convention
    superseded: list[str] = []
    change_id: str


async def plan_keep(
    view: View, archive: Archive, tenant: str, speaker: Speaker, holder: Holder, wanted: Wish, source: dict[str, Any]
) -> tuple[Kept, Changes]:
    """The holder's one convention of this topic from now on. Guards of umi, and `holder.standing`: plan anew.

    source  what it stands on: the message it was said in, or BY_API
    Raises LimitExceeded.
    """
    (draft,) = archive.without_secrets([_draft(speaker, wanted, source)])
    there = await facts_of(view, tenant, holder)
    same = [fact for fact in there if _topic(fact) == (wanted.attribute, name_key(wanted.topic))]
    if not same and len(there) >= limits.CONVENTIONS_PER_SCOPE_MAX:
        raise LimitExceeded("the list of conventions", len(there) + 1, limits.CONVENTIONS_PER_SCOPE_MAX, "conventions")
    stated = archive.stated(tenant, holder.scope, [draft])
    said = next((fact for fact in same if _value(fact) == _value(stated[0].fact)), None)
    why = archive.why("add" if said is None else "update", speaker.name or None)
    superseded: list[str] = []
    if said is None:
        done, changes = await archive.plan_remember(view, tenant, holder.scope, stated, why, same_text_is_known=False)
        fact, superseded = done.fact, [one.id for one in done.superseded]
    else:  # umi ends what says otherwise; the same said again is the same fact, as it is said now
        names = ("text", "claims", "importance", "metadata", "source", "speaker", "valid_from_ms")
        fields = {name: getattr(stated[0].fact, name) for name in names}
        fact, changes = await archive.plan_update(view, said, fields, why, [])
    convention = convention_of(fact, holder.kind, holder.whose)
    changes.extend(holder.standing).after(lambda: archive.wake(tenant, holder.scope))
    return Kept(convention=convention, superseded=superseded, change_id=why.change_id or ""), changes


def _draft(speaker: Speaker, wanted: Wish, source: dict[str, Any]) -> Draft:
    return Draft(
        text=wanted.text,
        subject=wanted.topic,
        attribute=wanted.attribute,
        value=wanted.value,
        many=False,
        importance=wanted.weight,
        metadata={"kind": wanted.kind},
        source=source,
        speaker=speaker.name or None,
    )


async def keep(
    view: View,
    archive: Archive,
    tenant: str,
    speaker: Speaker,
    wanted: Wish,
    *,
    scope: Scope | None = None,
    team: str | None = None,
) -> Kept:
    """Keep it, committed. Raises NotPermitted, InvalidInput, LimitExceeded, Conflict."""
    holder = await changeable(view, tenant, speaker, scope, team)

    async def plan() -> tuple[Kept, Changes]:
        # Anew each time: somebody who left the team meanwhile is refused, not tried again.
        now = await changeable(view, tenant, speaker, holder.kind, holder.whose if holder.kind == "team" else None)
        return await plan_keep(view, archive, tenant, speaker, now, wanted, BY_API)

    return await archive.commit(tenant, holder.scope, plan)


async def override(
    view: View, archive: Archive, tenant: str, speaker: Speaker, convention_id: str, value: str, weight: float
) -> Kept:
    """Let another value hold for the speaker for good, as closely to them as may be: what it overrides stays as it is
    for others. Raises NotFound, NotPermitted, InvalidInput, Conflict."""
    holder, fact = await _find(view, tenant, speaker, convention_id)
    other = convention_of(fact, holder.kind, holder.whose)
    return await keep(view, archive, tenant, speaker, wish(other.kind, other.topic, value, weight))


async def forget(workshop: Workshop, tenant: str, speaker: Speaker, convention_id: str, *, hard: bool = False) -> int:
    """Let a convention hold no more, nor what it had replaced; returns how many facts went.

    What the agent remembered of the message that it was said in goes along. Undone by umi's undo, unless it is `hard`:
    then no byte is left of it and of all that was ever kept there of its topic. Raises NotFound, NotPermitted.
    """
    archive, view = workshop.archive, View(workshop.database)
    holder, convention = await _find(view, tenant, speaker, convention_id)
    if not may_change(speaker, holder):
        raise NotPermitted("the organisation's conventions are forgotten without 'as', by a key not limited to people")
    if hard:
        every = {version.fact.id: version.fact for version in await history.of_scope(view, tenant, holder.scope)}
    else:
        known = await history.believed(view, tenant, holder.scope, valid_ms=None, known_ms=None)
        every = {fact.id: fact for fact in known}
    gone = [fact for fact in every.values() if _topic(fact) == _topic(convention)]
    count = await archive.forget(
        tenant, holder.scope, [fact.id for fact in gone], hard=hard, actor=speaker.name or None
    )
    await _forget_messages(workshop, tenant, gone, hard=hard)
    return count


async def _forget_messages(workshop: Workshop, tenant: str, gone: Sequence[Fact], *, hard: bool) -> None:
    """An agent that remembers would recall what its user said of it."""
    for source in {fact.source["message_id"]: fact.source for fact in gone if "message_id" in fact.source}.values():
        try:
            agent = await agents.get(View(workshop.database), tenant, source["agent_id"])
        except NotFound:
            continue
        scope = agent.memory.scope_of(agent.id)
        await workshop.outbox.settle(tenant, scope, limits.CONVENTION_FORGET_PATIENCE_MS_MAX)
        await workshop.archive.forget_source(tenant, scope, source, hard=hard)


async def _find(view: View, tenant: str, speaker: Speaker, convention_id: str) -> tuple[Holder, Fact]:
    for holder in await holders(view, tenant, speaker):
        for fact in await facts_of(view, tenant, holder):
            if fact.id == convention_id:
                return holder, fact
    raise NotFound(f"no convention that holds here has the id '{convention_id[:100]}'")


def _topic(fact: Fact) -> tuple[str, str]:
    claim = fact.claims[0]
    return claim.attribute, name_key(claim.subject)


def _value(fact: Fact) -> str:
    """As umi compares values."""
    return name_key(fact.claims[0].value)
