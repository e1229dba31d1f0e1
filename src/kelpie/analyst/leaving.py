"""Who leaves takes everything along: their conversations with the analyst, what was answered there, their conventions.

Conversations go first, each in a commit of its own; the person or team goes in one that none of them survives. A
removal that was cut off is asked for again, and goes on where it stood.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from kelpie.agents import agent as agents
from kelpie.agents.turn.scene import Workshop
from kelpie.analyst import learned, limits, results
from kelpie.errors import Conflict, GuardFailed
from kelpie.people import records
from kelpie.people.records import Person, Team
from kelpie.people.speaker import Speaker
from umi import core
from umi.storage import Changes, View

Leaving = TypeVar("Leaving", Person, Team)


async def remove_person(workshop: Workshop, tenant: str, id_or_handle: str) -> Person:
    """Raises NotFound, and Conflict while they go on asking faster than it is forgotten."""
    view = View(workshop.database)
    return await _leave(
        workshop,
        lambda: records.plan_remove_person(view, tenant, id_or_handle),
        lambda gone: Speaker(gone.id, gone.name, ()),
    )


async def remove_team(workshop: Workshop, tenant: str, id_or_name: str) -> Team:
    """Its people stay; a team of the same name begins with nothing of it. Raises NotFound, Conflict."""
    view = View(workshop.database)
    return await _leave(
        workshop,
        lambda: records.plan_remove_team(view, tenant, id_or_name),
        lambda gone: Speaker(None, gone.name, (gone.name,)),
    )


async def _leave(
    workshop: Workshop,
    plan: Callable[[], Awaitable[tuple[Leaving, Changes]]],
    speaks: Callable[[Leaving], Speaker],
) -> Leaving:
    for _ in range(limits.LEAVING_ATTEMPTS_MAX):
        gone, changes = await plan()
        speaker = speaks(gone)
        await _forget_conversations(workshop, gone.tenant, speaker)
        try:
            changes.extend(learned.plan_forget_holder(gone.tenant, speaker.key))
            await workshop.database.commit(changes.extend(agents.has_none(gone.tenant, speaker)))
        except (GuardFailed, Conflict):
            continue
        return gone
    raise Conflict("people are being changed by too many writers at once; try again")


async def _forget_conversations(workshop: Workshop, tenant: str, speaker: Speaker) -> None:
    view = View(workshop.database)
    while left := await agents.of_speaker(view, tenant, speaker, limits.SESSIONS_FORGOTTEN_AT_ONCE):
        for agent_id in left:
            changes = core.plan_delete_within(tenant, agent_id)  # what a session noted is nobody else's
            changes.extend(agents.plan_delete(tenant, agent_id)).extend(results.plan_forget_agent(tenant, agent_id))
            try:
                await workshop.database.commit(changes)
            except GuardFailed:
                continue  # somebody deleted it meanwhile
