"""Folders of agents: given, taken away, deleted, and their files opened by somebody else than the agent.

The tools for files come with an agent's first folder and go with its last. Which is the first and which the last is
decided in the commit: two who take an agent's last two folders at the same time each saw the other one there.
"""

from collections.abc import Sequence

from kelpie.agents import agent as agents
from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.context.directories import bounds_of
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, LimitExceeded, ModelError, NotFound
from kelpie.files import attached, folders
from kelpie.files import limits as file_limits
from kelpie.files.attached import Bounds, Wish
from kelpie.models.model import ModelCard
from kelpie.tools import custom
from kelpie.tools.files import FILE_TOOLS
from umi.storage import Changes, Page, View

_TOOL_IDS = tuple(custom.builtin_id(tool.name) for tool in FILE_TOOLS)


async def plan_attach(view: View, tenant: str, agent_id: str, folder_ids: Sequence[str]) -> Changes:
    """Give an agent folders, and with its first one the tools for files. Guard "folder". Raises NotFound,
    LimitExceeded."""
    if not folder_ids:
        return Changes()
    had = [folder.id for folder in await attached.folders_of(view, tenant, agent_id)]
    wanted = list(dict.fromkeys([*had, *folder_ids]))
    if len(wanted) > file_limits.AGENT_FOLDERS_MAX:
        raise LimitExceeded("the agent's list of folders", len(wanted), file_limits.AGENT_FOLDERS_MAX, "folders")
    changes = Changes()
    for tool_id in await _tools(view, tenant):
        changes.extend(agents.plan_attach_tool(tenant, agent_id, tool_id, where=attached.NO_FOLDER))
    for folder_id in folder_ids:
        await folders.get(view, tenant, folder_id)
        changes.extend(attached.plan_attach(tenant, agent_id, folder_id))
    return changes


async def plan_replace(view: View, tenant: str, agent_id: str, folder_ids: Sequence[str]) -> Changes:
    """Make these exactly the folders of an agent. Guard "folder". Raises NotFound, LimitExceeded."""
    had = [folder.id for folder in await attached.folders_of(view, tenant, agent_id)]
    changes = Changes()
    for folder_id in had:
        if folder_id not in folder_ids:
            changes.extend(attached.plan_detach(tenant, agent_id, folder_id))
    if had and not folder_ids:
        changes.extend(_plan_detach_tools(tenant, f"agent_id = ?3 AND {attached.WITHOUT_FOLDER}", agent_id))
    seen = View(view.database, Changes().extend(view.changes or Changes()).extend(changes))
    return changes.extend(await plan_attach(seen, tenant, agent_id, [one for one in folder_ids if one not in had]))


async def _tools(view: View, tenant: str) -> list[str]:
    """A tenant may have a tool of its own by one of the names; then it has no such tool of ours."""
    rows = await custom.list_tools(view, tenant, Page(limit=len(_TOOL_IDS)), ids=list(_TOOL_IDS))
    return [row.id for row in rows]


async def attach(workshop: Workshop, tenant: str, agent_id: str, folder_id: str) -> None:
    """Give an agent a folder; twice is harmless. Raises NotFound, LimitExceeded."""
    view = View(workshop.database)
    await agents.get(view, tenant, agent_id)
    changes = await plan_attach(view, tenant, agent_id, [folder_id])
    try:
        await workshop.database.commit(agents.exists(agents.actor_id(tenant, agent_id)).extend(changes))
    except GuardFailed as error:
        gone = f"agent has the id '{agent_id}'" if error.guard == "agent" else f"folder has the id '{folder_id}'"
        raise NotFound(f"no {gone}") from None


async def detach(workshop: Workshop, tenant: str, agent_id: str, folder_id: str) -> None:
    """Take a folder from an agent, whether it has it or not. Raises NotFound."""
    view = View(workshop.database)
    await agents.get(view, tenant, agent_id)
    await folders.get(view, tenant, folder_id)
    of_agent = f"agent_id = ?4 AND {attached.ONLY_THIS_FOLDER}"
    changes = _plan_detach_tools(tenant, of_agent, folder_id, agent_id)
    changes.extend(attached.plan_detach(tenant, agent_id, folder_id))
    await workshop.database.commit(changes)


async def delete(workshop: Workshop, tenant: str, folder_id: str) -> None:
    """Remove a folder with its files, and from every agent. Raises NotFound."""
    view = View(workshop.database)
    folder = await folders.get(view, tenant, folder_id)
    changes = _plan_detach_tools(tenant, attached.ONLY_THIS_FOLDER, folder_id).extend(folders.plan_delete(folder))
    try:
        await workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"no folder has the id '{folder_id}'") from None


def _plan_detach_tools(tenant: str, where: str, *params: str) -> Changes:
    changes = Changes()
    for tool_id in _TOOL_IDS:
        changes.extend(agents.plan_detach_tool_where(tenant, tool_id, where, *params))
    return changes


async def open_file(workshop: Workshop, tenant: str, agent_id: str, file_id: str) -> list[str]:
    """Open a file from its beginning in an agent's context. Returns the paths of the files that were closed for it.

    Raises NotFound, InvalidInput, Conflict.
    """
    view = View(workshop.database)
    for _ in range(limits.STORE_CALL_ATTEMPTS_MAX):
        agent = await agents.get(view, tenant, agent_id)
        wish = Wish(await attached.get(view, tenant, agent_id, file_id))
        now_ms = workshop.host.clock.now_ms()
        opened = await attached.plan_open(view, tenant, agent_id, [wish], _bounds(workshop, agent), now_ms)
        try:
            await workshop.database.commit(opened.changes)
        except GuardFailed:
            continue  # somebody opened another file, or took the folder away, since it was read
        return opened.closed
    raise Conflict(f"the files of agent '{agent_id}' are being opened by too many at once; try again")


async def close_file(workshop: Workshop, tenant: str, agent_id: str, file_id: str) -> None:
    """Raises NotFound."""
    view = View(workshop.database)
    await agents.get(view, tenant, agent_id)
    await attached.get(view, tenant, agent_id, file_id)
    await workshop.database.commit(attached.plan_close(tenant, agent_id, file_id))


async def close_all(workshop: Workshop, tenant: str, agent_id: str) -> list[str]:
    """The paths of the files that were open. Raises NotFound."""
    view = View(workshop.database)
    await agents.get(view, tenant, agent_id)
    closed, changes = await attached.plan_close_all(view, tenant, agent_id)
    if changes:
        await workshop.database.commit(changes)
    return closed


def _bounds(workshop: Workshop, agent: Agent) -> Bounds:
    card: ModelCard | None
    try:
        card = workshop.models.resolve_or_fall_back(agent.model, agent.tenant)[0]
    except ModelError:
        card = None  # nobody serves its model any more: it may hold open what the smallest window allows
    return bounds_of(agent, card)
