"""Groups as rows, with their members in the order in which they speak."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.groups import limits
from umi.entity import check_json, check_text
from umi.storage import Changes, Page, View, paged

GUARD = "group"
Kind = Literal["round_robin", "supervisor", "dynamic", "sleeptime"]
TERMINATION_TOKEN = "DONE!"  # noqa: S105 - Letta's word that ends a talk

_GET = "SELECT body FROM agent_group WHERE tenant = ? AND id = ?"
_MEMBERS = (
    "SELECT group_id, agent_id FROM group_member WHERE tenant = ? AND group_id IN (SELECT value FROM json_each(?))"
    " ORDER BY seq"
)
# For a JSON list of agents: the body of each group that one of them manages.
OF_MANAGERS = (
    "SELECT body FROM agent_group WHERE tenant = ? AND manager_id IN (SELECT value FROM json_each(?)) ORDER BY seq"
)
# The ids of the groups that an agent manages.
MANAGED = "SELECT id FROM agent_group WHERE tenant = ? AND manager_id = ?"
# A column for a query of agents: whether background agents are told what this one talks about.
HAS_BACKGROUND = (
    "EXISTS (SELECT 1 FROM agent_group g WHERE g.tenant = agent.tenant AND g.manager_id = agent.id"
    " AND g.kind = 'sleeptime')"
)


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    agents     its members, in the order in which they speak; the manager need not be one. Not stored in the row
    manager    who is spoken to (supervisor), who says whose turn it is (dynamic), whose turns are counted (sleeptime)
    token      the word with which a speaker ends a dynamic group's talk
    turns_max  how often somebody speaks in one run; None: each member once, of a dynamic group ten
    frequency  each so many turns of the manager the background agents are told
    turns      how many there were; `told` is the last message that the background agents were told of
    blocks     that were given to all of it
    extras     what clients say of it, kept for them
    """

    tenant: str
    id: str
    kind: Kind
    description: str
    agents: list[str] = []
    manager: str | None = None
    token: str | None = None
    turns_max: int | None = None
    frequency: int | None = None
    turns: int = 0
    told: str | None = None
    blocks: list[str] = []
    hidden: bool = False
    extras: dict[str, Any] = {}
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int | None = None

    @property
    def everybody(self) -> list[str]:
        """The members and the manager, each once."""
        return list(dict.fromkeys([*self.agents, *([self.manager] if self.manager else [])]))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Group).decode


def _packed(group: Group) -> bytes:
    return _encode(msgspec.structs.replace(group, agents=[]))


def check(group: Group) -> None:
    """Raise InvalidInput or LimitExceeded for what can't be stored."""
    check_text("the group's description", group.description)
    check_text("the group's termination token", group.token or "")
    check_json("what is kept of the group", group.extras, limits.GROUP_EXTRAS_BYTES_MAX)
    for what, size, most, unit in (
        ("the group's list of agents", len(group.agents), limits.GROUP_AGENTS_MAX, "agents"),
        ("the group's list of blocks", len(group.blocks), limits.GROUP_BLOCKS_MAX, "blocks"),
        ("the group's description", len(group.description), limits.GROUP_DESCRIPTION_CHARS_MAX, "characters"),
        ("the group's termination token", len(group.token or ""), limits.GROUP_TOKEN_CHARS_MAX, "characters"),
        ("the group's turns", group.turns_max or 0, limits.GROUP_TURNS_MAX, "turns"),
        ("the turns between two looks", group.frequency or 0, limits.GROUP_FREQUENCY_MAX, "turns"),
    ):
        if size > most:
            raise LimitExceeded(what, size, most, unit)
    if not group.agents:
        raise InvalidInput("a group needs at least one agent")
    if len(set(group.agents)) != len(group.agents):
        raise InvalidInput("an agent is in a group once")
    if group.kind != "round_robin" and group.manager is None:
        raise InvalidInput(f"a group of the kind {group.kind} needs a manager")
    if group.kind == "round_robin" and group.manager is not None:
        raise InvalidInput("a group in which each speaks in turn has no manager")
    if group.manager in group.agents:
        raise InvalidInput("a group's manager is not one of its agents")
    if min(group.turns_max or 1, group.frequency or 1) < 1:
        raise InvalidInput("a group's max_turns and frequency are at least 1")


def plan_create(group: Group) -> Changes:
    """Its agents are there. A second sleeptime group of one manager makes the commit fail with Conflict.

    Raises InvalidInput, LimitExceeded.
    """
    check(group)
    sql = "INSERT INTO agent_group VALUES (NULL, ?, ?, ?, ?, ?, 1)"
    changes = Changes().write(sql, group.tenant, group.id, group.kind, group.manager, _packed(group))
    return changes.extend(_plan_members(group))


def _plan_members(group: Group) -> Changes:
    changes = Changes()
    for agent_id in group.agents:
        changes.write("INSERT INTO group_member VALUES (NULL, ?, ?, ?)", group.tenant, group.id, agent_id)
    return changes


def plan_update(old: Group, fields: Mapping[str, Any], now_ms: int) -> tuple[Group, Changes]:
    """Guard "group": nobody changed it since it was read. Raises InvalidInput, LimitExceeded."""
    new = msgspec.structs.replace(old, **fields, version=old.version + 1, updated_at_ms=now_ms)
    check(new)
    sql = "UPDATE agent_group SET manager_id = ?, body = ?, version = ? WHERE tenant = ? AND id = ? AND version = ?"
    changed = (new.manager, _packed(new), new.version, old.tenant, old.id, old.version)
    changes = Changes().guard(GUARD, sql, *changed)
    if new.agents != old.agents:
        changes.write("DELETE FROM group_member WHERE tenant = ? AND group_id = ?", old.tenant, old.id)
        changes.extend(_plan_members(new))
    return new, changes


async def edit(
    view: View, tenant: str, group_id: str, now_ms: int, fields: Mapping[str, Any], also: Changes | None = None
) -> Group:
    """Change some fields, whoever else is changing others. Raises NotFound, Conflict, InvalidInput, LimitExceeded.

    also  what commits with it
    """
    for _ in range(limits.GROUP_WRITE_ATTEMPTS_MAX):
        new, changes = plan_update(await get(view, tenant, group_id), fields, now_ms)
        try:
            await view.database.commit(changes.extend(also or Changes()))
        except GuardFailed as error:
            if error.guard == GUARD:
                continue
            raise
        return new
    raise Conflict(f"group '{group_id}' is being changed by too many writers at once; try again")


def plan_delete(tenant: str, group_id: str) -> Changes:
    """Its agents stay, and what they said. A run of it that is under way ends. Guard "group"."""
    changes = Changes().guard(GUARD, "DELETE FROM agent_group WHERE tenant = ? AND id = ?", tenant, group_id)
    for table in ("group_member", "group_run", "group_turn"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND group_id = ?", tenant, group_id)
    return changes


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    """Take an agent that is being deleted from its groups; those that it manages are deleted with it."""
    changes = Changes().write("DELETE FROM group_member WHERE tenant = ? AND agent_id = ?", tenant, agent_id)
    for table in ("group_member", "group_run", "group_turn"):
        sql = f"DELETE FROM {table} WHERE tenant = ? AND group_id IN ({MANAGED})"
        changes.write(sql, tenant, tenant, agent_id)
    return changes.write("DELETE FROM agent_group WHERE tenant = ? AND manager_id = ?", tenant, agent_id)


# ---- reading


async def get(view: View, tenant: str, group_id: str) -> Group:
    row = await view.one(_GET, tenant, group_id)
    if row is None:
        raise NotFound(f"no group has the id '{group_id}'")
    return (await with_members(view, tenant, [row[0]]))[0]


async def with_members(view: View, tenant: str, bodies: Sequence[bytes]) -> list[Group]:
    """The groups whose rows these are, in their order."""
    groups = [_decode(body) for body in bodies]
    if not groups:
        return []
    members: dict[str, list[str]] = {group.id: [] for group in groups}
    ids = msgspec.json.encode(list(members)).decode()
    for group_id, agent_id in await view.fetch(_MEMBERS, tenant, ids):
        members[group_id].append(agent_id)
    return [msgspec.structs.replace(group, agents=members[group.id]) for group in groups]


async def list_groups(
    view: View, tenant: str, page: Page, *, kind: str | None = None, agent_id: str | None = None
) -> list[Group]:
    """A page of a tenant's groups by age: of a kind, those that an agent is in or manages."""
    select, params = "SELECT body FROM agent_group WHERE tenant = ?", [tenant]
    if kind is not None:
        select += " AND kind = ?"
        params.append(kind)
    if agent_id is not None:
        select += " AND (manager_id = ? OR id IN (SELECT group_id FROM group_member WHERE tenant = ? AND agent_id = ?))"
        params += [agent_id, tenant, agent_id]
    sql, bound = paged(select, params, page, table="agent_group", tenant=tenant)
    return await with_members(view, tenant, [row[0] for row in await view.fetch(sql, *bound)])


async def count(view: View, tenant: str) -> int:
    total: int = (await view.fetch("SELECT count(*) FROM agent_group WHERE tenant = ?", tenant))[0][0]
    return total


async def told_by(view: View, tenant: str, manager: str) -> Group | None:
    """The group whose background agents are told what this agent talks about."""
    sql = "SELECT body FROM agent_group WHERE tenant = ? AND manager_id = ? AND kind = 'sleeptime'"
    row = await view.one(sql, tenant, manager)
    return None if row is None else (await with_members(view, tenant, [row[0]]))[0]
