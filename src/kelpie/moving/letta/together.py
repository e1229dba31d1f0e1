"""Identities and groups: brought after the agents and blocks that they name, with what of those came over."""

from collections.abc import Awaitable, Callable
from typing import Any

from kelpie.agents.together.furnishing import plan_managers_tool
from kelpie.api.wire.agent_files.checking import check_texts
from kelpie.errors import CallerError, Conflict, InvalidInput, NotFound
from kelpie.groups import limits as group_limits
from kelpie.groups import records as groups
from kelpie.groups.records import Group
from kelpie.identities import Identity, Property
from kelpie.identities import records as identities
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.reading import Row, Source
from kelpie.moving.letta.report import Report
from kelpie.moving.letta.rows import kept_id, told_ms
from kelpie.trajectories import messages
from umi.storage import Changes

_DELETED = "it was deleted there"
_KINDS = ("round_robin", "supervisor", "dynamic", "sleeptime")
_TYPES = ("org", "user", "other")
# What an identity or a group is linked to: their column, and why a link is not taken.
_LINKED = {"agent_id": "its agent is not taken", "block_id": "its block is not taken"}


class Together:
    """`has_agent` and `has_block` say of an id of theirs whether it came over, now or before."""

    def __init__(
        self,
        source: Source,
        here: Here,
        report: Report,
        has_agent: Callable[[str], bool],
        has_block: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._source, self._here, self._report = source, here, report
        self._has_agent, self._has_block = has_agent, has_block
        self._overheard: set[str] = set()  # managers of sleeptime groups that came in this run

    async def bring_identities(self, where: str, params: tuple[Any, ...]) -> None:
        async for row in self._source.rows("identities", where, *params):
            tables = ("identities_agents", "identities_blocks")
            identity_id = kept_id("identity", row["id"])
            if await self._is_here(identities.get, identity_id):
                await self._skip("identities", tables, "identity_id = %s", row["id"])
                continue
            try:
                one = await self._identity(row, identity_id)
            except CallerError as error:
                await self._lose("identities", tables, "identity_id = %s", row["id"], str(error))
                continue
            changes = identities.plan_create(one)
            for owner in ("agent", "block"):
                for other in await self._linked(f"identities_{owner}s", "identity_id", row["id"], f"{owner}_id"):
                    tenant, owner_id = self._here.tenant, kept_id(owner, other)
                    changes.extend(identities.plan_attach(owner, tenant, one.id, owner_id))
            await self._here.commit(changes)
            self._report.taken["identities"] += 1

    async def _identity(self, row: Row, identity_id: str) -> Identity:
        """Raises CallerError."""
        here, now_ms = self._here, self._here.host.clock.now_ms()
        check_texts("its row", row)
        if row["is_deleted"]:
            raise InvalidInput(_DELETED)
        if row["identity_type"] not in _TYPES:
            raise InvalidInput(f"there is no type of identity '{row['identity_type']}'")
        if await identities.with_key(here.view, here.tenant, row["identifier_key"]) is not None:
            raise Conflict(f"another identity has the key '{row['identifier_key'][:64]}' here")
        properties = [
            Property(key=str(one.get("key")), value=one.get("value"), type=one.get("type", "string"))
            for one in row["properties"] or []
        ]
        made = Identity(
            tenant=here.tenant,
            id=identity_id,
            key=row["identifier_key"],
            name=row["name"],
            kind=row["identity_type"],
            properties=properties,
            created_at_ms=told_ms(row, now_ms),
        )
        identities.check(made)
        return made

    async def bring_groups(self, where: str, params: tuple[Any, ...]) -> None:
        async for row in self._source.rows("groups", where, *params):
            tables = ("groups_agents", "groups_blocks")
            group_id = kept_id("group", row["id"])
            if await self._is_here(groups.get, group_id):
                await self._skip("groups", tables, "group_id = %s", row["id"])
                continue
            try:
                one = await self._group(row, group_id)
            except CallerError as error:
                await self._lose("groups", tables, "group_id = %s", row["id"], str(error))
                continue
            for owner in ("agent", "block"):
                await self._linked(f"groups_{owner}s", "group_id", row["id"], f"{owner}_id")
            await self._here.commit((await self._plan_tool(one)).extend(groups.plan_create(one)))
            self._report.taken["groups"] += 1
            if one.kind == "sleeptime" and one.manager is not None:
                self._overheard.add(one.manager)

    async def _group(self, row: Row, group_id: str) -> Group:
        """Raises CallerError for a group that can't be here."""
        here, kind, manager = self._here, row["manager_type"], row["manager_agent_id"]
        check_texts("its row", row)
        if row["is_deleted"]:
            raise InvalidInput(_DELETED)
        if kind not in _KINDS:
            raise InvalidInput(f"groups of the kind '{kind}' can't be here")
        if manager is not None and not self._has_agent(manager):
            raise InvalidInput("the agent that manages it is not taken")
        blocks = [link["block_id"] async for link in self._source.rows("groups_blocks", "group_id = %s", row["id"])]
        made = Group(
            tenant=here.tenant,
            id=group_id,
            kind=kind,
            description=row["description"] or "",
            agents=[kept_id("agent", one) for one in row["agent_ids"] or [] if self._has_agent(one)],
            manager=None if manager is None else kept_id("agent", manager),
            token=row["termination_token"] if kind == "dynamic" else None,
            turns_max=row["max_turns"] if kind in ("round_robin", "dynamic") else None,
            frequency=row["sleeptime_agent_frequency"] or group_limits.GROUP_FREQUENCY_DEFAULT
            if kind == "sleeptime"
            else None,
            turns=max(0, row["turns_counter"] or 0),
            told=await self._told(row["last_processed_message_id"]),
            blocks=[kept_id("block", one) for one in blocks if await self._has_block(one)],
            hidden=bool(row["hidden"]),
            extras={} if row["project_id"] is None else {"project_id": row["project_id"]},
            created_at_ms=told_ms(row, here.host.clock.now_ms()),
        )
        groups.check(made)
        if kind == "sleeptime" and made.manager is not None:
            known = await groups.told_by(here.view, here.tenant, made.manager)
            if known is not None or made.manager in self._overheard:
                raise Conflict("the agent that manages it has another sleeptime group")
        return made

    async def _told(self, message_id: str | None) -> str | None:
        """The last message its background agents were told of, if that came over."""
        if message_id is None:
            return None
        ours = kept_id("message", message_id)
        return ours if await self._is_here(messages.get, ours) else None

    async def _plan_tool(self, group: Group) -> Changes:
        """What its manager leads with."""
        return Changes() if self._here.is_rehearsal else await plan_managers_tool(self._here.view, group)

    # ---- links

    async def _linked(self, table: str, column: str, row_id: str, other: str) -> list[str]:
        """The ids of theirs that it is linked to and that came over; the others are reported."""
        taken: list[str] = []
        async for link in self._source.rows(table, f"{column} = %s", row_id):
            linked = link[other]
            if self._has_agent(linked) if other == "agent_id" else await self._has_block(linked):
                taken.append(linked)
            else:
                self._report.miss(table, f"{row_id}/{linked}", _LINKED[other])
        self._report.taken[table] += len(taken)
        return taken

    async def _skip(self, table: str, links: tuple[str, ...], where: str, row_id: str) -> None:
        """One that is here already."""
        self._report.already[table] += 1
        for one in links:
            self._report.already[one] += await self._source.count(one, where, row_id)

    async def _lose(self, table: str, links: tuple[str, ...], where: str, row_id: str, why: str) -> None:
        self._report.miss(table, row_id, why)
        for one in links:
            async for key in self._source.keys(one, where, row_id):
                self._report.miss(one, key, f"its {'identity' if table == 'identities' else 'group'} is not taken")

    async def _is_here(self, get: Callable[..., Awaitable[Any]], ours: str) -> bool:
        try:
            await get(self._here.view, self._here.tenant, ours)
        except NotFound:
            return False
        return True
