"""An agent as it is stored: who it is, which model speaks for it, which tools and blocks it has."""

import re
from typing import Any

import msgspec

from kelpie.actors import ActorId, plan_forget
from kelpie.agents import limits
from kelpie.agents.rules import approving, rules
from kelpie.agents.rules.rules import Rule
from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.files import attached
from kelpie.groups import records as groups
from kelpie.identities import records as identities
from kelpie.models.thinking import NO_THINKING, Thinking
from kelpie.people import NOBODY, Speaker, scopes
from kelpie.tools import audit, blocks, collections, secrets, workspace
from kelpie.trajectories import runs
from kelpie.trajectories.records import MAIN
from kelpie.trajectories.schema import RUNS_OF_AGENT, of_agent_deleted
from umi import archival, core, embed
from umi.entity import check_text
from umi.limits import SCOPE_BYTES_MAX
from umi.storage import Changes, Migration, Page, Row, View, paged

ACTOR_KIND = "agent"
_NAME = re.compile(r"[\w '\-.,:()]+", re.UNICODE)

MIGRATIONS = [
    Migration(
        "kelpie.agents",
        1,
        """
        CREATE TABLE agent (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, version INTEGER NOT NULL,
            created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX agent_name ON agent (tenant, name);
        CREATE TABLE agent_tag (
            tenant TEXT NOT NULL, tag TEXT NOT NULL, agent_id TEXT NOT NULL,
            PRIMARY KEY (tenant, tag, agent_id),
            FOREIGN KEY (tenant, agent_id) REFERENCES agent (tenant, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX agent_tag_agent ON agent_tag (tenant, agent_id);
        CREATE TABLE agent_tool (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, tool_id TEXT NOT NULL, position INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent_id, tool_id),
            FOREIGN KEY (tenant, agent_id) REFERENCES agent (tenant, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant, tool_id) REFERENCES tool (tenant, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX agent_tool_tool ON agent_tool (tenant, tool_id);
        """,
    ),
    # The key of the speaker whose conversation an agent is; empty for one that is nobody's.
    Migration("kelpie.agents", 2, "ALTER TABLE agent ADD COLUMN belongs_to TEXT NOT NULL DEFAULT ''"),
    approving.MIGRATION,
    Migration("kelpie.agents", 4, "CREATE INDEX agent_belongs_to ON agent (tenant, belongs_to) WHERE belongs_to <> ''"),
]


class AgentMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an agent does with long-term memory.

    recall    before it answers, facts that bear on the message are shown to its model
    remember  after it answered, what its user said is remembered
    scope     whose memory it is, shared by all agents that name it; None: the agent's own
    """

    recall: bool = False
    remember: bool = False
    scope: str | None = None

    def scope_of(self, agent_id: str) -> str:
        return self.scope if self.scope is not None else agent_id


# Of agents that are made here. Those that come from elsewhere, or from before there was memory, are left as they were.
REMEMBERS = AgentMemory(recall=True, remember=True)


class Agent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the turn needs to know, and `extras`: fields of the wire that we keep and give back but don't act on."""

    tenant: str
    id: str
    name: str
    model: str  # the handle
    agent_type: str = "letta_v1_agent"
    system: str = ""
    embedding: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    timezone: str = "UTC"
    context_window_tokens: int | None = None  # None: the model's own
    output_tokens_max: int | None = None
    temperature: float | None = None
    parallel_tool_calls: bool = True
    hidden: bool = False
    memory: AgentMemory = AgentMemory()
    rules: list[Rule] = []  # of its tools
    thinking: Thinking = NO_THINKING
    response_format: dict[str, Any] | None = None  # as the chat completions API says it; None: any text
    forgets: bool = False  # each run begins with an empty history
    heartbeats_from_ms: int = 0  # before that moment its calls don't ask for another step
    extras: dict[str, Any] = {}
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Agent).decode

SELECT_AGENT = "SELECT body FROM agent WHERE tenant = ? AND id = ?"
_ATTACH_TOOL = (
    "INSERT INTO agent_tool SELECT ?1, ?2, ?3,"
    " (SELECT coalesce(max(position), -1) + 1 FROM agent_tool WHERE tenant = ?1 AND agent_id = ?2)"
    " WHERE {} ON CONFLICT DO NOTHING"
)


def agent_from_row(row: Row) -> Agent:
    return _decode(row[0])


def actor_id(tenant: str, agent_id: str) -> ActorId:
    return ActorId(ACTOR_KIND, agent_id, tenant)


def exists(who: ActorId) -> Changes:
    """The guard that an agent is there, for a commit that stands on it."""
    return Changes().guard("agent", SELECT_AGENT, who.tenant, who.key)


_BELONGS_TO = "SELECT 1 FROM agent WHERE tenant = ? AND id = ? AND belongs_to = ?"
_OF_SPEAKER = "SELECT id FROM agent WHERE tenant = ? AND belongs_to = ? LIMIT ?"
_NONE_OF_SPEAKER = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM agent WHERE tenant = ? AND belongs_to = ?)"
_TAKES_MESSAGES = f"{_BELONGS_TO} AND {approving.NONE_WAITS}"


def belongs_to(who: ActorId, speaker: Speaker) -> Changes:
    """The guard that an agent is there and is this speaker's conversation: two people never share one."""
    return Changes().guard("agent", _BELONGS_TO, who.tenant, who.key, speaker.key)


async def of_speaker(view: View, tenant: str, speaker: Speaker, most: int) -> list[str]:
    """Ids of agents that are this speaker's conversations."""
    return [row[0] for row in await view.fetch(_OF_SPEAKER, tenant, speaker.key, most)]


def has_none(tenant: str, speaker: Speaker) -> Changes:
    """The guard that no agent is this speaker's conversation."""
    return Changes().guard("conversation", _NONE_OF_SPEAKER, tenant, speaker.key)


def takes_messages(who: ActorId, speaker: Speaker, conversation_id: str) -> Changes:
    """The same, and that none of its tool calls waits for an answer in a conversation."""
    where = (who.tenant, who.key, conversation_id)
    return Changes().guard("agent", _TAKES_MESSAGES, who.tenant, who.key, speaker.key, *where)


def check(agent: Agent) -> None:
    """Raise InvalidInput or LimitExceeded for what can't be stored."""
    if not _NAME.fullmatch(agent.name):
        raise InvalidInput(f"the agent name {agent.name!r} may hold letters, digits, spaces and ' - . , : ( ) only")
    for what, size, maximum, unit in (
        ("the agent's name", len(agent.name), limits.AGENT_NAME_CHARS_MAX, "characters"),
        ("the agent's system prompt", len(agent.system), limits.AGENT_SYSTEM_CHARS_MAX, "characters"),
        ("the agent's list of tags", len(agent.tags), limits.AGENT_TAGS_MAX, "tags"),
    ):
        if size > maximum:
            raise LimitExceeded(what, size, maximum, unit)
    _check_scope(agent.memory.scope)
    rules.check(agent.rules)


def _check_scope(scope: str | None) -> None:
    if scope is None:
        return
    check_text("the scope of the agent's memory", scope)
    if not scope.strip():
        raise InvalidInput("the scope of the agent's memory is blank; leave it out for a memory of its own")
    if (size := len(scope.encode())) > SCOPE_BYTES_MAX:
        raise LimitExceeded("the scope of the agent's memory", size, SCOPE_BYTES_MAX, "bytes")
    if scopes.is_reserved(scope):
        raise InvalidInput(f"the scope '{scope}' is kept for what people hold to; no agent's memory may be there")


def plan_create(agent: Agent, speaker: Speaker = NOBODY) -> Changes:
    """Insert the agent and its tags. Blocks, tools and messages are added by their own plans in the same commit.

    speaker  whose conversation it is, for ever: no change of the agent touches that
    """
    check(agent)
    changes = Changes().write(
        "INSERT INTO agent VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
        agent.tenant,
        agent.id,
        agent.name,
        _encode(agent),
        agent.version,
        agent.created_at_ms,
        agent.updated_at_ms,
        speaker.key,
    )
    return changes.extend(_plan_tags(agent))


def _plan_tags(agent: Agent) -> Changes:
    changes = Changes()
    for tag in dict.fromkeys(agent.tags):
        changes.write("INSERT INTO agent_tag VALUES (?, ?, ?)", agent.tenant, tag, agent.id)
    return changes


def plan_update(old: Agent, new: Agent, now_ms: int) -> tuple[Agent, Changes]:
    """Replace `old` by `new` if nobody changed it since it was read (guard "agent"). Returns it as it will be."""
    stored = msgspec.structs.replace(new, version=old.version + 1, updated_at_ms=now_ms)
    check(stored)
    changes = Changes().guard(
        "agent",
        "UPDATE agent SET name = ?, body = ?, version = ?, updated_at_ms = ?"
        " WHERE tenant = ? AND id = ? AND version = ?",
        stored.name,
        _encode(stored),
        stored.version,
        now_ms,
        old.tenant,
        old.id,
        old.version,
    )
    if stored.tags != old.tags:
        changes.write("DELETE FROM agent_tag WHERE tenant = ? AND agent_id = ?", old.tenant, old.id)
        changes.extend(_plan_tags(stored))
    return stored, changes


async def edit(view: View, tenant: str, agent_id: str, now_ms: int, fields: dict[str, Any]) -> Agent:
    """Change some fields, whoever else is changing others. Raises NotFound, Conflict, InvalidInput."""
    for _ in range(limits.STORE_CALL_ATTEMPTS_MAX):
        old = await get(view, tenant, agent_id)
        stored, changes = plan_update(old, msgspec.structs.replace(old, **fields), now_ms)
        try:
            await view.database.commit(changes)
        except GuardFailed:
            continue
        return stored
    raise Conflict(f"agent '{agent_id}' is being changed by too many writers at once; try again")


def plan_delete(tenant: str, agent_id: str) -> Changes:
    """Remove the agent and all that is its alone: histories, runs, steps, facts, what was promoted of them, files,
    secrets, placement. What the audit says of it stays; calls at work are cut off. Other blocks are detached and
    stay: they may be shared. So does a memory that the agent shared with others. A turn that is at work is fenced.
    Guard "agent": it must exist."""
    changes = Changes().guard("agent", "DELETE FROM agent WHERE tenant = ? AND id = ?", tenant, agent_id)
    changes.extend(core.plan_delete_typed(tenant, agent_id)).extend(core.plan_detach_all(tenant, agent_id))
    changes.extend(core.plan_delete_within(tenant, blocks.scope_of(agent_id, MAIN)))
    changes.extend(audit.plan_cut_off(tenant, RUNS_OF_AGENT, agent_id))  # before the runs it looks for are gone
    for sql, params in of_agent_deleted(tenant, agent_id):
        changes.write(sql, *params)
    changes.extend(archival.plan_forget_scope(tenant, agent_id)).extend(embed.plan_forget_scope(tenant, agent_id))
    changes.extend(secrets.plan_forget_agent(tenant, agent_id)).extend(workspace.plan_forget_agent(tenant, agent_id))
    changes.extend(attached.plan_forget_agent(tenant, agent_id)).extend(approving.plan_forget_agent(tenant, agent_id))
    changes.extend(collections.plan_forget_agent(tenant, agent_id))
    changes.extend(identities.plan_forget("agent", tenant, agent_id))
    # Groups that it manages go with it, and what others said there is theirs alone from now on. First, while their
    # groups can still be found.
    changes.extend(runs.plan_leave_groups(tenant, groups.MANAGED, tenant, agent_id))
    changes.extend(groups.plan_forget_agent(tenant, agent_id))
    return changes.extend(plan_forget(actor_id(tenant, agent_id)))


def plan_attach_tool(tenant: str, agent_id: str, tool_id: str, *, where: str = "true") -> Changes:
    """Attach a tool as the last; attaching it twice is harmless.

    where  must hold when it is committed, in SQL: ?1 is the tenant, ?2 the agent
    """
    return Changes().write(_ATTACH_TOOL.format(where), tenant, agent_id, tool_id)


def plan_detach_tool(tenant: str, agent_id: str, tool_id: str) -> Changes:
    return Changes().write(
        "DELETE FROM agent_tool WHERE tenant = ? AND agent_id = ? AND tool_id = ?", tenant, agent_id, tool_id
    )


def plan_detach_tool_where(tenant: str, tool_id: str, where: str, *params: str) -> Changes:
    """Take a tool from all agents of which something holds when it is committed: SQL on a row of agent_tool, with
    `params` from ?3 on."""
    return Changes().write(
        f"DELETE FROM agent_tool WHERE tenant = ?1 AND tool_id = ?2 AND {where}", tenant, tool_id, *params
    )


def plan_detach_all_tools(tenant: str, agent_id: str) -> Changes:
    """Take every tool from an agent, also those attached since it was read."""
    return Changes().write("DELETE FROM agent_tool WHERE tenant = ? AND agent_id = ?", tenant, agent_id)


def plan_forget_tool(tenant: str, tool_id: str) -> Changes:
    """Detach a tool from every agent: it is being deleted."""
    return Changes().write("DELETE FROM agent_tool WHERE tenant = ? AND tool_id = ?", tenant, tool_id)


async def tool_ids(view: View, tenant: str, agent_id: str) -> list[str]:
    """The attached tools in the order they were attached."""
    rows = await view.fetch(
        "SELECT tool_id FROM agent_tool WHERE tenant = ? AND agent_id = ? ORDER BY position", tenant, agent_id
    )
    return [row[0] for row in rows]


async def get(view: View, tenant: str, agent_id: str) -> Agent:
    row = await view.one(SELECT_AGENT, tenant, agent_id)
    if row is None:
        raise NotFound(f"no agent has the id '{agent_id}'")
    return agent_from_row(row)


def _matching(
    select: str,
    tenant: str,
    name: str | None,
    tags: list[str] | None,
    match_all_tags: bool,
    text: str | None,
    ids: list[str] | None,
) -> tuple[str, list[Any]]:
    select, params = f"{select} FROM agent WHERE tenant = ?", [tenant]
    if name is not None:
        select += " AND name = ?"
        params.append(name)
    if text is not None:
        select += " AND instr(lower(name), lower(?))"
        params.append(text)
    if ids is not None:
        select += " AND id IN (SELECT value FROM json_each(?))"
        params.append(msgspec.json.encode(ids).decode())
    if tags:
        wanted = len(set(tags)) if match_all_tags else 1
        select += (
            " AND (SELECT count(*) FROM agent_tag t WHERE t.tenant = agent.tenant AND t.agent_id = agent.id"
            f" AND t.tag IN (SELECT value FROM json_each(?))) >= {wanted}"
        )
        params.append(msgspec.json.encode(tags).decode())
    return select, params


async def list_agents(
    view: View,
    tenant: str,
    page: Page,
    *,
    name: str | None = None,
    tags: list[str] | None = None,
    match_all_tags: bool = False,
    text: str | None = None,
    ids: list[str] | None = None,
) -> list[Agent]:
    """A page of a tenant's agents by age; `text` is a substring of the name."""
    select, params = _matching("SELECT body", tenant, name, tags, match_all_tags, text, ids)
    sql, bound = paged(select, params, page, table="agent", tenant=tenant)
    return [agent_from_row(row) for row in await view.fetch(sql, *bound)]


async def ids(view: View, tenant: str) -> list[str]:
    """Of all agents of a tenant, the oldest first."""
    return [row[0] for row in await view.fetch("SELECT id FROM agent WHERE tenant = ? ORDER BY seq", tenant)]


async def tags(view: View, tenant: str) -> list[str]:
    """Every tag that an agent has, by name."""
    rows = await view.fetch("SELECT DISTINCT tag FROM agent_tag WHERE tenant = ? ORDER BY tag", tenant)
    return [row[0] for row in rows]


async def count(
    view: View,
    tenant: str,
    *,
    name: str | None = None,
    tags: list[str] | None = None,
    match_all_tags: bool = False,
    text: str | None = None,
    ids: list[str] | None = None,
) -> int:
    """How many agents list_agents would go through."""
    select, params = _matching("SELECT count(*)", tenant, name, tags, match_all_tags, text, ids)
    total: int = (await view.fetch(select, *params))[0][0]
    return total
