"""Conversations of an agent, with the blocks that each has for itself: begun, forked, taken away."""

from collections.abc import Sequence

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents.context.history import History
from kelpie.agents.rules import approving
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, InvalidInput, NotFound
from kelpie.tools import audit
from kelpie.tools.blocks import scope_of
from kelpie.trajectories import conversations
from kelpie.trajectories.records import MAIN, Conversation, StoredMessage
from umi import core
from umi.dst import Host
from umi.entity import Block
from umi.storage import Changes, View


async def begin(workshop: Workshop, one: Conversation, isolated: Sequence[str] = ()) -> Conversation:
    """A new conversation.

    isolated  labels of the agent's blocks of which it gets copies: what it writes there the others don't see
    Raises NotFound (the agent), InvalidInput (a label it hasn't), LimitExceeded, ModelError (a handle nobody serves).
    """
    view = View(workshop.database)
    await agents.get(view, one.tenant, one.agent_id)
    if one.model is not None:
        workshop.models.resolve(one.model, one.tenant)
    found = {block.label: block for block in await core.of_scope(view, one.tenant, one.agent_id)}
    for label in isolated:
        if label not in found:
            raise InvalidInput(
                f"agent '{one.agent_id}' has no block labelled '{label}'; it has {', '.join(found) or 'none'}"
            )
    copies = [found[label] for label in dict.fromkeys(isolated)]
    await _commit(workshop, one, conversations.plan_create(one), copies)
    return one


async def fork(
    workshop: Workshop, source_id: str, one: Conversation, upto: StoredMessage | None = None
) -> Conversation:
    """A new conversation that goes on where another of the agent is now, or was at one of its messages, with copies of
    the blocks that it has for itself.

    source_id  the other; the agent's main one is MAIN
    Raises NotFound (the other, or a message it doesn't show), LimitExceeded.
    """
    view = View(workshop.database)
    changes = await conversations.plan_fork(view, source_id, one, upto)
    isolated: list[Block] = []
    if source_id != MAIN:
        isolated = await core.of_scope(view, one.tenant, scope_of(one.agent_id, source_id))
    await _commit(workshop, one, changes, isolated)
    return one


async def _commit(workshop: Workshop, one: Conversation, changes: Changes, copied: Sequence[Block]) -> None:
    changes.extend(agents.exists(agents.actor_id(one.tenant, one.agent_id)))
    changes.extend(_plan_copies(workshop.host, one, copied))
    try:
        await workshop.database.commit(changes)
    except GuardFailed as error:
        what = "agent" if error.guard == "agent" else "conversation that was to be forked"
        raise NotFound(f"the {what} is gone") from None
    except Conflict:
        raise Conflict("a block of the agent was renamed meanwhile; try again") from None


def _plan_copies(host: Host, one: Conversation, blocks: Sequence[Block]) -> Changes:
    now_ms, changes = host.clock.now_ms(), Changes()
    for block in blocks:
        copy = msgspec.structs.replace(
            block, id=host.ids.new("block"), type=None, version=1, created_at_ms=now_ms, updated_at_ms=now_ms
        )
        changes.extend(core.plan_create(copy))
        changes.extend(core.plan_attach(one.tenant, scope_of(one.agent_id, one.id), copy.id, copy.label))
    return changes


async def plan_drop(view: View, one: Conversation) -> Changes:
    """Remove a conversation and all that is its alone: messages that no fork of it shows, runs, blocks of its own, and
    what waits there for an answer. A run at work can't commit any more. Guard "conversation": it is there."""
    changes = audit.plan_cut_off(one.tenant, conversations.RUNS, one.id)  # first: it looks for the runs
    changes.extend(await conversations.plan_delete(view, one))
    changes.extend(core.plan_delete_within(one.tenant, scope_of(one.agent_id, one.id)))
    return changes.extend(approving.plan_forget(one.tenant, one.agent_id, one.id))


async def isolated_ids(view: View, tenant: str, found: Sequence[Conversation]) -> dict[str, list[str]]:
    """The ids of the blocks that each of these conversations has for itself."""
    scopes = {scope_of(one.agent_id, one.id): one.id for one in found}
    ids: dict[str, list[str]] = {one.id: [] for one in found}
    for scope, *row in await view.fetch(core.OF_SCOPES, tenant, msgspec.json.encode([*scopes]).decode()):
        ids[scopes[scope]].append(core.block_from_row(tuple(row)).id)
    return ids


async def in_context_ids(view: View, one: Conversation) -> list[str]:
    """The ids of the messages that a conversation's model may be shown: its summary, and what came after."""
    history = await History.load(view, one.tenant, one.agent_id, one.id)
    head = [] if history.summary is None else [history.summary]
    return [message.id for message in (*head, *history.window)]
