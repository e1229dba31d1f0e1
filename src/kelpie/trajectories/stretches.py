"""Which of an agent's messages a conversation shows: stretches of positions, each of one source.

A conversation shows what was said in it. One that was forked shows its own after a part of another's, by reference: a
message is stored once, and lives as long as a conversation shows it. Stretches of a conversation never overlap and are
in the order of their positions; the last is its own and is open to the end.
"""

from typing import NamedTuple

from kelpie.trajectories.records import MAIN, StoredMessage
from umi.storage import Changes, View

POSITION_MAX = 2**62  # further than any agent talks: the end of a stretch that is still growing

_OF = (
    "SELECT source_id, since, until FROM stretch WHERE tenant = ? AND agent_id = ? AND conversation_id = ?"
    " ORDER BY since"
)
_ADD = "INSERT INTO stretch (tenant, agent_id, conversation_id, source_id, since, until) VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM stretch WHERE tenant = ? AND agent_id = ? AND conversation_id = ?"
_KEEP_MAIN = (
    "INSERT INTO stretch (tenant, agent_id, conversation_id, source_id, since, until) SELECT ?1, ?2, ?3, ?3, 0, ?4"
    " WHERE NOT EXISTS (SELECT 1 FROM stretch WHERE tenant = ?1 AND agent_id = ?2 AND conversation_id = ?3)"
)
# The messages of one source that no conversation shows any more.
_UNSEEN = (
    "FROM message WHERE tenant = ?1 AND agent_id = ?2 AND conversation_id = ?3 AND NOT EXISTS (SELECT 1 FROM stretch s"
    " WHERE s.tenant = ?1 AND s.agent_id = ?2 AND s.source_id = ?3 AND message.position BETWEEN s.since AND s.until)"
)
_SWEEP = (
    f"DELETE FROM message_text WHERE rowid IN (SELECT seq {_UNSEEN})",
    f"UPDATE call SET result_message_id = NULL WHERE tenant = ?1 AND result_message_id IN (SELECT id {_UNSEEN})",
    f"DELETE {_UNSEEN}",
)


class Stretch(NamedTuple):
    """`source_id` is the conversation in which its messages were said; both positions are included."""

    source_id: str
    since: int
    until: int


async def of(view: View, tenant: str, agent_id: str, conversation_id: str) -> list[Stretch]:
    """What a conversation shows, oldest first; nothing for one that isn't there."""
    found = [Stretch(*row) for row in await view.fetch(_OF, tenant, agent_id, conversation_id)]
    if not found and conversation_id == MAIN:
        return [Stretch(MAIN, 0, POSITION_MAX)]  # as long as nobody forked it or began it anew, without a row
    return found


def plan_set(tenant: str, agent_id: str, conversation_id: str, shown: list[Stretch]) -> Changes:
    """Let a conversation show this from now on."""
    changes = Changes().write(_FORGET, tenant, agent_id, conversation_id)
    for one in shown:
        changes.write(_ADD, tenant, agent_id, conversation_id, *one)
    return changes


def plan_keep_main(tenant: str, agent_id: str) -> Changes:
    """Give an agent's main conversation its row, as something is forked from it: see `plan_sweep`."""
    return Changes().write(_KEEP_MAIN, tenant, agent_id, MAIN, POSITION_MAX)


def plan_sweep(tenant: str, agent_id: str, source_ids: list[str]) -> Changes:
    """Remove what no conversation shows any more of the messages that were said in these. The main one's count only
    once its stretch has a row."""
    changes = Changes()
    for source_id in dict.fromkeys(source_ids):
        for sql in _SWEEP:
            changes.write(sql, tenant, agent_id, source_id)
    return changes


def within(shown: list[Stretch], first: int, last: int) -> list[Stretch]:
    """The parts of stretches from one position to another, both included."""
    cut = (Stretch(one.source_id, max(one.since, first), min(one.until, last)) for one in shown)
    return [one for one in cut if one.since <= one.until]


def shows(shown: list[Stretch], message: StoredMessage) -> bool:
    """Whether a message of the same agent is in any of them."""
    return any(one.source_id == message.conversation_id and one.since <= message.position <= one.until for one in shown)
