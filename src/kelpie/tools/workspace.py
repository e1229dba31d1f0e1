"""An agent's files, as rows. A tool that works on them gets all of them, and what it leaves is planned as changes: they
are committed with the call's results, or not at all.

Every file has a version, which its next change states (guard "workspace"): two calls that change one file at once
can't both win, and the one that loses is told. The bounds are looked at in the commit itself.
"""

from collections.abc import Mapping

import msgspec

from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound, ToolFailed
from kelpie.tools import limits
from umi.storage import Changes, View

GUARD = "workspace"
_WHERE = "tenant = ? AND agent_id = ?"
_FITS = (
    f"SELECT 1 FROM (SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes FROM workspace_file WHERE {_WHERE}) w"
    " WHERE w.files <= ? AND w.bytes <= ?"
)
_IN_THE_WAY = (
    f"SELECT path FROM workspace_file WHERE {_WHERE}"
    " AND (path >= ? AND path < ? OR path IN (SELECT value FROM json_each(?)))"
)


class WorkspaceFile(msgspec.Struct, frozen=True):
    """One file; `version` counts its changes from 1."""

    path: str
    content: bytes
    version: int
    updated_at_ms: int


class FileEntry(msgspec.Struct, frozen=True):
    """A file in a list, without its content."""

    path: str
    bytes: int
    version: int
    updated_at_ms: int


def checked_path(path: str) -> str:
    """`path` if it names a file below the workspace, in one way only. Raises InvalidInput, LimitExceeded."""
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(f"{path[:100]!r} is no path of a workspace: write folder/file, without ., .. or / in front")
    if "\\" in path or not path.isprintable():
        raise InvalidInput(f"{path[:100]!r} is no path of a workspace: it holds a backslash or a control character")
    if len(parts) > limits.WORKSPACE_PATH_PARTS_MAX:
        raise LimitExceeded("a path of a workspace", len(parts), limits.WORKSPACE_PATH_PARTS_MAX, "folders deep")
    size = len(path.encode())
    if size > limits.WORKSPACE_PATH_BYTES_MAX:
        raise LimitExceeded("a path of a workspace", size, limits.WORKSPACE_PATH_BYTES_MAX, "bytes")
    return path


async def read_all(view: View, tenant: str, agent_id: str) -> dict[str, WorkspaceFile]:
    """Every file of the agent, by path."""
    rows = await view.fetch(
        f"SELECT path, content, version, updated_at_ms FROM workspace_file WHERE {_WHERE} ORDER BY path",
        tenant,
        agent_id,
    )
    return {row[0]: WorkspaceFile(*row) for row in rows}


async def read(view: View, tenant: str, agent_id: str, path: str) -> WorkspaceFile:
    """Raises NotFound."""
    row = await view.one(
        f"SELECT path, content, version, updated_at_ms FROM workspace_file WHERE {_WHERE} AND path = ?",
        tenant,
        agent_id,
        path,
    )
    if row is None:
        raise NotFound(f"the workspace has no file '{path}'")
    return WorkspaceFile(*row)


async def listed(view: View, tenant: str, agent_id: str, *, after: str, limit: int) -> list[FileEntry]:
    """Up to `limit` files in the order of their paths, from the first one behind `after`."""
    rows = await view.fetch(
        f"SELECT path, bytes, version, updated_at_ms FROM workspace_file WHERE {_WHERE} AND path > ?"
        " ORDER BY path LIMIT ?",
        tenant,
        agent_id,
        after,
        limit,
    )
    return [FileEntry(*row) for row in rows]


async def plan_put(view: View, tenant: str, agent_id: str, path: str, content: bytes, now_ms: int) -> Changes:
    """Write one file. Guard "workspace"; raises InvalidInput, LimitExceeded, and Conflict where a file is a folder."""
    _check_size(checked_path(path), content)
    sql = f"SELECT count(*), coalesce(sum(bytes), 0) FROM workspace_file WHERE {_WHERE} AND path <> ?"
    ((files, total),) = await view.fetch(sql, tenant, agent_id, path)
    _check_total(files + 1, total + len(content))
    if await view.fetch(_IN_THE_WAY, tenant, agent_id, *_in_the_way(path)):
        raise Conflict(f"'{path}' can't be written: a file of the workspace is, or needs, a folder of that name")
    row = await view.one(f"SELECT version FROM workspace_file WHERE {_WHERE} AND path = ?", tenant, agent_id, path)
    changes = _plan_write(tenant, agent_id, path, content, now_ms, row[0] if row else 0)
    return changes.extend(_fits(tenant, agent_id))


async def plan_delete(view: View, tenant: str, agent_id: str, path: str) -> Changes:
    """Remove one file. Guard "workspace". Raises NotFound."""
    file = await read(view, tenant, agent_id, path)
    return _plan_remove(tenant, agent_id, path, file.version)


def plan_sync(
    tenant: str, agent_id: str, before: Mapping[str, WorkspaceFile], after: Mapping[str, bytes], now_ms: int
) -> tuple[Changes, list[str]]:
    """Make of the files a call was given those that it left. Guard "workspace".

    Returns the changes and the paths they touch, sorted. Raises ToolFailed, which the model reads, for what can't be
    kept: nothing of it is, then.
    """
    try:
        for path, content in after.items():
            _check_size(checked_path(path), content)
        _check_total(len(after), sum(map(len, after.values())))
    except (InvalidInput, LimitExceeded) as error:
        raise ToolFailed(f"the files it left were not kept, nor was anything else of it: {error}") from None
    gone = [path for path in before if path not in after]
    written = [path for path, content in after.items() if path not in before or before[path].content != content]
    changes = Changes()
    for path in gone:
        changes.extend(_plan_remove(tenant, agent_id, path, before[path].version))
    for path in written:
        version = before[path].version if path in before else 0
        changes.extend(_plan_write(tenant, agent_id, path, after[path], now_ms, version))
    if written:
        changes.extend(_fits(tenant, agent_id))
    return changes, sorted([*gone, *written])


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    return Changes().write(f"DELETE FROM workspace_file WHERE {_WHERE}", tenant, agent_id)


def _plan_write(tenant: str, agent_id: str, path: str, content: bytes, now_ms: int, version: int) -> Changes:
    if version:
        return Changes().guard(
            GUARD,
            "UPDATE workspace_file SET content = ?, bytes = ?, version = version + 1, updated_at_ms = ?"
            f" WHERE {_WHERE} AND path = ? AND version = ?",
            content,
            len(content),
            now_ms,
            tenant,
            agent_id,
            path,
            version,
        )
    changes = Changes().guard(GUARD, _IN_THE_WAY, tenant, agent_id, *_in_the_way(path), rows=0)
    return changes.write(
        "INSERT INTO workspace_file VALUES (?, ?, ?, ?, ?, 1, ?)", tenant, agent_id, path, content, len(content), now_ms
    )


def _plan_remove(tenant: str, agent_id: str, path: str, version: int) -> Changes:
    sql = f"DELETE FROM workspace_file WHERE {_WHERE} AND path = ? AND version = ?"
    return Changes().guard(GUARD, sql, tenant, agent_id, path, version)


def _fits(tenant: str, agent_id: str) -> Changes:
    """The guard that all files together keep the bounds: behind the writes, so that it counts them."""
    return Changes().guard(GUARD, _FITS, tenant, agent_id, limits.WORKSPACE_FILES_MAX, limits.WORKSPACE_BYTES_MAX)


def _in_the_way(path: str) -> tuple[str, str, str]:
    """Parameters that find the files below `path`, and those that `path` lies below: "/" + 1 is "0"."""
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    return f"{path}/", f"{path}0", msgspec.json.encode(above).decode()


def _check_size(path: str, content: bytes) -> None:
    if len(content) > limits.WORKSPACE_FILE_BYTES_MAX:
        raise LimitExceeded(f"the file '{path}'", len(content), limits.WORKSPACE_FILE_BYTES_MAX, "bytes")


def _check_total(files: int, total: int) -> None:
    if files > limits.WORKSPACE_FILES_MAX:
        raise LimitExceeded("the workspace", files, limits.WORKSPACE_FILES_MAX, "files")
    if total > limits.WORKSPACE_BYTES_MAX:
        raise LimitExceeded("the workspace", total, limits.WORKSPACE_BYTES_MAX, "bytes")
