"""What agents have of folders: which they were given, and which files they hold open.

An open file is a window that stays in the agent's context until it is closed. Its text is copied when it is opened: a
file never changes, and a step then reads no more than it shows.
"""

from collections.abc import Sequence

import msgspec

from kelpie.errors import Conflict, InvalidInput, NotFound
from kelpie.files import files, limits
from kelpie.files.folders import Folder, folder_from_body
from kelpie.files.lines import Window, window
from umi.dst.threads import in_thread
from umi.storage import Changes, Page, Row, View, paged

GUARD = "open files"
# Whether the agent of a query on the table `agent` has a folder: what a step asks before it looks for more.
HAS_FOLDERS = "EXISTS (SELECT 1 FROM agent_folder f WHERE f.tenant = agent.tenant AND f.agent_id = agent.id)"
# What is decided by whoever commits, among others who give and take folders at the same time: that the agent ?2 has no
# folder, and of a row of agent_tool, that its agent has none, or the folder ?3 and no other.
NO_FOLDER = "NOT EXISTS (SELECT 1 FROM agent_folder f WHERE f.tenant = ?1 AND f.agent_id = ?2)"
_OF_ROW = "EXISTS (SELECT 1 FROM agent_folder f WHERE f.tenant = agent_tool.tenant AND f.agent_id = agent_tool.agent_id"
WITHOUT_FOLDER = f"NOT {_OF_ROW})"
ONLY_THIS_FOLDER = f"{_OF_ROW} AND f.folder_id = ?3) AND NOT {_OF_ROW} AND f.folder_id <> ?3)"
_FOLDERS = (
    "SELECT d.body FROM agent_folder a JOIN folder d ON d.tenant = a.tenant AND d.id = a.folder_id"
    " WHERE a.tenant = ? AND a.agent_id = ? ORDER BY a.seq"
)
_OF_AGENT = (
    " FROM agent_folder a JOIN folder d ON d.tenant = a.tenant AND d.id = a.folder_id"
    " JOIN file ON file.tenant = a.tenant AND file.folder_id = a.folder_id"
    " LEFT JOIN agent_file o ON o.tenant = a.tenant AND o.agent_id = a.agent_id AND o.file_id = file.id"
    " WHERE a.tenant = ? AND a.agent_id = ?"
)
_FILES = (
    "SELECT file.id, file.name, file.folder_id, d.name, file.state, file.error, file.chars, coalesce(o.is_open, 0),"
    f" o.first_line, o.last_line, coalesce(o.shown, ''), o.opened_at_ms, coalesce(o.turn, 0){_OF_AGENT}"
)
_COUNTS = f"SELECT file.folder_id, count(*){_OF_AGENT} GROUP BY file.folder_id"
_HELD_OPEN = "SELECT count(*) FROM agent_file WHERE tenant = ? AND agent_id = ? AND is_open = 1"
_OPEN = (
    "INSERT INTO agent_file (tenant, agent_id, file_id, folder_id, is_open, first_line, last_line, shown, turn,"
    " opened_at_ms) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (tenant, agent_id, file_id) DO UPDATE SET"
    " is_open = 1, first_line = excluded.first_line, last_line = excluded.last_line, shown = excluded.shown,"
    " turn = excluded.turn, opened_at_ms = excluded.opened_at_ms"
)
_CLOSE = (
    "UPDATE agent_file SET is_open = 0, first_line = NULL, last_line = NULL, shown = ''"
    " WHERE tenant = ? AND agent_id = ? AND file_id = ?"
)


class Bounds(msgspec.Struct, frozen=True):
    """How many files one agent holds open at most, and how many characters it sees of each."""

    files_open: int
    view_chars: int


class AgentFile(msgspec.Struct, frozen=True):
    """A file as one agent has it. `first_line`, `last_line` (from 1) of an open one; `turn` grows with each opening."""

    id: str
    name: str
    folder_id: str
    folder_name: str
    state: str
    error: str | None
    chars: int
    is_open: bool
    first_line: int | None
    last_line: int | None
    shown: str
    opened_at_ms: int | None
    turn: int

    @property
    def path(self) -> str:
        """How the agent names it."""
        return f"{self.folder_name}/{self.name}"


class Directory(msgspec.Struct, frozen=True):
    """A folder in an agent's context. `total` counts all its files; closed ones may be left out of `files`."""

    folder: Folder
    files: list[AgentFile]
    total: int


class Wish(msgspec.Struct, frozen=True):
    """A file to open: `start` is the first line to show, from 0; `length` how many, None for all that fit. `text`: what
    it says, if it is stored in the same commit."""

    file: AgentFile
    start: int = 0
    length: int | None = None
    text: str | None = None


class Opened(msgspec.Struct, frozen=True):
    """What opening comes to: what is shown of each file, in the order of the wishes, and which were closed for it."""

    shown: list[str]
    closed: list[str]
    changes: Changes


def _file(row: Row) -> AgentFile:
    fields = dict(zip(AgentFile.__struct_fields__, row, strict=True))
    return AgentFile(**{**fields, "is_open": bool(fields["is_open"])})


# ---- folders of agents


def plan_attach(tenant: str, agent_id: str, folder_id: str) -> Changes:
    """Give an agent a folder, as the last; twice is harmless. Guard "folder"."""
    changes = Changes().guard("folder", "SELECT 1 FROM folder WHERE tenant = ? AND id = ?", tenant, folder_id)
    return changes.write(
        "INSERT INTO agent_folder (tenant, agent_id, folder_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        *(tenant, agent_id, folder_id),
    )


def plan_detach(tenant: str, agent_id: str, folder_id: str) -> Changes:
    """Take a folder from an agent, and its files out of the agent's context."""
    at = (tenant, agent_id, folder_id)
    changes = Changes().write("DELETE FROM agent_file WHERE tenant = ? AND agent_id = ? AND folder_id = ?", *at)
    return changes.write("DELETE FROM agent_folder WHERE tenant = ? AND agent_id = ? AND folder_id = ?", *at)


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    """An agent is deleted; its folders stay."""
    changes = Changes()
    for table in ("agent_file", "agent_folder"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND agent_id = ?", tenant, agent_id)
    return changes


async def folders_of(view: View, tenant: str, agent_id: str) -> list[Folder]:
    """In the order in which they were attached."""
    return [folder_from_body(row[0]) for row in await view.fetch(_FOLDERS, tenant, agent_id)]


async def agents_of(view: View, tenant: str, folder_id: str) -> list[str]:
    """The agents that have a folder, in the order in which they got it."""
    rows = await view.fetch(
        "SELECT agent_id FROM agent_folder WHERE tenant = ? AND folder_id = ? ORDER BY seq", tenant, folder_id
    )
    return [row[0] for row in rows]


# ---- files of agents


async def directories(view: View, tenant: str, agent_id: str) -> list[Directory]:
    """What an agent's context shows: all its folders, every open file, and so many closed ones as may be named."""
    at = (tenant, agent_id)
    sql = f"{_FILES} ORDER BY coalesce(o.is_open, 0) DESC, file.seq LIMIT ?"
    bodies, rows, counts = await view.all(
        (_FOLDERS, at),
        (sql, (*at, limits.AGENT_FILES_OPEN_MAX + limits.AGENT_FILES_SHOWN_MAX)),
        (_COUNTS, at),
    )
    found = [_file(row) for row in rows]
    totals: dict[str, int] = {row[0]: row[1] for row in counts}
    folders = [folder_from_body(row[0]) for row in bodies]
    return [
        Directory(folder, [one for one in found if one.folder_id == folder.id], totals.get(folder.id, 0))
        for folder in folders
    ]


async def list_files(
    view: View, tenant: str, agent_id: str, page: Page, *, is_open: bool | None = None
) -> list[AgentFile]:
    """A page of the files of an agent's folders, by age."""
    select, params = _FILES, [tenant, agent_id]
    if is_open is not None:
        select += f" AND coalesce(o.is_open, 0) = {int(is_open)}"
    sql, bound = paged(select, params, page, table="file", tenant=tenant)
    return [_file(row) for row in await view.fetch(sql, *bound)]


async def first_files(view: View, tenant: str, agent_id: str, limit: int) -> list[AgentFile]:
    """The oldest of an agent's files."""
    return [_file(row) for row in await view.fetch(f"{_FILES} ORDER BY file.seq LIMIT ?", tenant, agent_id, limit)]


async def get(view: View, tenant: str, agent_id: str, file_id: str) -> AgentFile:
    """Raises NotFound, also for a file of a folder that the agent hasn't got."""
    row = await view.one(f"{_FILES} AND file.id = ?", tenant, agent_id, file_id)
    if row is None:
        raise NotFound(f"agent '{agent_id}' has no file with the id '{file_id}'")
    return _file(row)


async def by_path(view: View, tenant: str, agent_id: str, path: str) -> AgentFile:
    """A file by folder/file, or by its own name where only one folder has it. Raises NotFound, InvalidInput."""
    folder, _, name = path.rpartition("/")
    select, params = f"{_FILES} AND file.name = ?", [tenant, agent_id, name]
    if folder:
        select += " AND d.name = ?"
        params.append(folder)
    found = [_file(row) for row in await view.fetch(f"{select} ORDER BY file.seq LIMIT 10", *params)]
    if not found:
        raise NotFound(f"no file named '{path[:200]}' is in a folder of this agent; name it folder/file")
    if len(found) > 1:
        raise InvalidInput(f"'{path[:200]}' may be {' or '.join(one.path for one in found)}")
    return found[0]


async def plan_open(
    view: View,
    tenant: str,
    agent_id: str,
    wishes: Sequence[Wish],
    bounds: Bounds,
    now_ms: int,
    *,
    close_others: bool = False,
) -> Opened:
    """Open files, and close those that were not opened for the longest time where there would be too many. Guard GUARD.

    Raises InvalidInput for more files than may be open, a file without a text and a line behind its end, and Conflict
    for a file that is still being read.
    """
    ids = [wish.file.id for wish in wishes]
    if len(ids) > bounds.files_open:
        raise InvalidInput(f"{len(ids)} files can't be opened: this agent holds {bounds.files_open} open at most")
    if len(set(ids)) < len(ids):
        raise InvalidInput("a file can be opened once only: ask for one range of its lines")
    held = [_file(row) for row in await view.fetch(f"{_FILES} AND o.is_open = 1 ORDER BY o.turn", tenant, agent_id)]
    others = [one for one in held if one.id not in ids]
    surplus = len(others) if close_others else max(0, len(others) + len(ids) - bounds.files_open)
    turn = held[-1].turn if held else 0
    changes, shown = Changes(), []
    for one in others[:surplus]:
        changes.write(_CLOSE, tenant, agent_id, one.id)
    for number, wish in enumerate(wishes, 1):
        seen = await _window(view, tenant, wish, bounds)
        shown.append(seen.text)
        at = (tenant, agent_id, wish.file.id, wish.file.folder_id)
        changes.guard(GUARD, f"SELECT 1{_OF_AGENT} AND file.id = ?", tenant, agent_id, wish.file.id)
        changes.write(_OPEN, *at, seen.first, seen.last, seen.text, turn + number, now_ms)
    changes.guard(GUARD, f"SELECT 1 WHERE ({_HELD_OPEN}) <= ?", tenant, agent_id, bounds.files_open)
    return Opened(shown, [one.path for one in others[:surplus]], changes)


async def _window(view: View, tenant: str, wish: Wish, bounds: Bounds) -> Window:
    file = wish.file
    if file.state == "failed":
        raise InvalidInput(f"'{file.path}' has no text: {file.error}")
    text = await files.text_of(view, tenant, file.id) if wish.text is None else wish.text
    if text is None:
        raise Conflict(f"'{file.path}' is still being read; try again in a moment")
    seen = await in_thread(window, text, wish.start, wish.length, bounds.view_chars)
    if wish.start and wish.start >= seen.total:
        raise InvalidInput(f"'{file.path}' has {seen.total:,} lines; the offset {wish.start:,} is behind its end")
    return seen


def plan_close(tenant: str, agent_id: str, file_id: str) -> Changes:
    """Closing a closed file is harmless."""
    return Changes().write(_CLOSE, tenant, agent_id, file_id)


async def plan_close_all(view: View, tenant: str, agent_id: str) -> tuple[list[str], Changes]:
    """The paths of the files that were open, and the changes."""
    held = [_file(row) for row in await view.fetch(f"{_FILES} AND o.is_open = 1 ORDER BY o.turn", tenant, agent_id)]
    changes = Changes()
    for one in held:
        changes.extend(plan_close(tenant, agent_id, one.id))
    return [one.path for one in held], changes
