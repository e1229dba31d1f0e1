"""Summaries: messages that stand for others. What a conversation's model is shown begins with its newest one; the
messages it stands for stay where they are."""

from kelpie.trajectories import stretches
from kelpie.trajectories.messages import COLUMNS, IN_STRETCH, list_messages, message_from_row
from kelpie.trajectories.records import MAIN, StoredMessage
from umi.storage import Page, View

_NEWEST = f"SELECT {COLUMNS} FROM message WHERE {IN_STRETCH} AND compacted IS NOT NULL ORDER BY position DESC LIMIT 1"
# The system message that a conversation begins with is compiled anew for every request: it is never summarised.
_COUNT = (
    f"SELECT count(*) FROM message WHERE {IN_STRETCH} AND compacted IS NULL AND NOT (role = 'system' AND position = ?6)"
)

_ID = f"SELECT id FROM message WHERE {IN_STRETCH} AND compacted IS NULL"


async def newest(view: View, tenant: str, agent_id: str, conversation_id: str = MAIN) -> StoredMessage | None:
    """The summary with which a conversation's window begins; None if all of it is shown."""
    for part in reversed(await stretches.of(view, tenant, agent_id, conversation_id)):
        if row := await view.one(_NEWEST, tenant, agent_id, *part):
            return message_from_row(row)
    return None


async def count(view: View, tenant: str, agent_id: str, conversation_id: str, first: int, last: int) -> int:
    """How many messages a summary from one position to another, both included, stands for."""
    shown = await stretches.of(view, tenant, agent_id, conversation_id)
    begins_at = shown[0].since if shown else 0
    parts = stretches.within(shown, first, last)
    return sum([int((await view.fetch(_COUNT, tenant, agent_id, *part, begins_at))[0][0]) for part in parts])


async def list_summaries(
    view: View, tenant: str, page: Page, *, agent_id: str, conversation_id: str = MAIN
) -> list[StoredMessage]:
    """A page of the summaries that a conversation shows, in the order they were made."""
    return await list_messages(
        view, tenant, page, agent_id=agent_id, conversation_id=conversation_id, summaries_only=True
    )


async def ends(view: View, summary: StoredMessage) -> tuple[str | None, str | None]:
    """The ids of the first and the last message that a summary stands for."""
    record = summary.compacted
    assert record is not None, "a summary"
    parts = stretches.within(
        await stretches.of(view, summary.tenant, summary.agent_id, summary.conversation_id),
        record.from_position,
        record.upto_position,
    )
    if not parts:
        return None, None
    first = await view.one(f"{_ID} ORDER BY position LIMIT 1", summary.tenant, summary.agent_id, *parts[0])
    last = await view.one(f"{_ID} ORDER BY position DESC LIMIT 1", summary.tenant, summary.agent_id, *parts[-1])
    return (first[0] if first else None), (last[0] if last else None)
