"""Folders: named collections of files, which agents are given. A folder's chunks are a scope of umi's memory."""

from typing import Any

import msgspec

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.files import limits
from kelpie.people import scopes
from umi import archival, embed
from umi.entity import check_json, check_text
from umi.storage import Changes, Page, View, paged


class Folder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row.

    instructions   for agents that have it: what it is good for
    chunk_tokens   about how long the pieces are that search finds
    embedding      what a client says of embeddings; it is kept for the client and changes nothing
    """

    tenant: str
    id: str
    name: str
    description: str | None = None
    instructions: str | None = None
    metadata: dict[str, Any] | None = None
    chunk_tokens: int = limits.CHUNK_TOKENS_DEFAULT
    embedding: dict[str, Any] = {}
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0

    @property
    def scope(self) -> str:
        """Where its chunks are; no agent's own memory can be there."""
        return scopes.of_folder(self.id)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Folder).decode
_GET = "SELECT body FROM folder WHERE tenant = ? AND id = ?"
OF_AGENTS = (
    "SELECT a.agent_id, f.body FROM agent_folder a JOIN folder f ON f.tenant = a.tenant AND f.id = a.folder_id"
    " WHERE a.tenant = ? AND a.agent_id IN (SELECT value FROM json_each(?)) ORDER BY a.seq"
)
_EVERYTHING = ("file_content", "file_text")


def folder_from_body(body: bytes) -> Folder:
    return _decode(body)


def check(folder: Folder) -> None:
    """Raise InvalidInput or LimitExceeded for what can't be stored."""
    for what, text in (
        ("the folder's name", folder.name),
        ("the folder's description", folder.description),
        ("the folder's instructions", folder.instructions),
    ):
        check_text(what, text or "")
    # The path folder/file is how agents name a file.
    if not folder.name.strip() or "/" in folder.name or not folder.name.isprintable():
        raise InvalidInput(f"the folder name {folder.name[:100]!r} must be one line of text without a slash")
    for what, size, maximum in (
        ("the folder's name", len(folder.name), limits.FOLDER_NAME_CHARS_MAX),
        ("the folder's description", len(folder.description or ""), limits.FOLDER_TEXT_CHARS_MAX),
        ("the folder's instructions", len(folder.instructions or ""), limits.FOLDER_TEXT_CHARS_MAX),
    ):
        if size > maximum:
            raise LimitExceeded(what, size, maximum, "characters")
    check_json("the folder's metadata", folder.metadata or {}, limits.FOLDER_EXTRAS_BYTES_MAX)
    check_json("the folder's embedding settings", folder.embedding, limits.FOLDER_EXTRAS_BYTES_MAX)
    if not limits.CHUNK_TOKENS_MIN <= folder.chunk_tokens <= limits.CHUNK_TOKENS_MAX:
        raise InvalidInput(
            f"chunks have {limits.CHUNK_TOKENS_MIN} to {limits.CHUNK_TOKENS_MAX:,} tokens, not {folder.chunk_tokens:,}"
        )


async def plan_create(view: View, folder: Folder) -> Changes:
    """Raises InvalidInput, LimitExceeded, and Conflict for a name that is taken."""
    check(folder)
    await _claim(view, folder)
    return Changes().write(
        "INSERT INTO folder (tenant, id, name, body, version) VALUES (?, ?, ?, ?, 1)",
        folder.tenant,
        folder.id,
        folder.name,
        _encode(folder),
    )


async def edit(view: View, tenant: str, folder_id: str, now_ms: int, fields: dict[str, Any]) -> Folder:
    """Change some fields, whoever else is changing others. Raises NotFound, Conflict, InvalidInput, LimitExceeded."""
    for _ in range(limits.FOLDER_WRITE_ATTEMPTS_MAX):
        old = await get(view, tenant, folder_id)
        new = msgspec.structs.replace(old, **fields, version=old.version + 1, updated_at_ms=now_ms)
        check(new)
        if new.name != old.name:
            await _claim(view, new)
        changes = Changes().guard(
            "folder",
            "UPDATE folder SET name = ?, body = ?, version = ? WHERE tenant = ? AND id = ? AND version = ?",
            *(new.name, _encode(new), new.version, tenant, folder_id, old.version),
        )
        try:
            await view.database.commit(changes)
        except GuardFailed:
            continue
        return new
    raise Conflict(f"folder '{folder_id}' is being changed by too many writers at once; try again")


def plan_delete(folder: Folder) -> Changes:
    """Remove a folder, its files with all that was read from them, and it from every agent. Guard "folder"."""
    at = (folder.tenant, folder.id)
    changes = Changes().guard("folder", "DELETE FROM folder WHERE tenant = ? AND id = ?", *at)
    for table in _EVERYTHING:
        changes.write(
            f"DELETE FROM {table} WHERE tenant = ?1 AND file_id IN"
            " (SELECT id FROM file WHERE tenant = ?1 AND folder_id = ?2)",
            *at,
        )
    for table in ("agent_file", "agent_folder", "file"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND folder_id = ?", *at)
    changes.extend(embed.plan_forget_scope(folder.tenant, folder.scope))
    return changes.extend(archival.plan_forget_scope(folder.tenant, folder.scope))


async def get(view: View, tenant: str, folder_id: str) -> Folder:
    """Raises NotFound."""
    row = await view.one(_GET, tenant, folder_id)
    if row is None:
        raise NotFound(f"no folder has the id '{folder_id}'")
    return _decode(row[0])


async def get_by_name(view: View, tenant: str, name: str) -> Folder:
    """Raises NotFound."""
    row = await view.one("SELECT body FROM folder WHERE tenant = ? AND name = ?", tenant, name)
    if row is None:
        raise NotFound(f"no folder is named '{name}'")
    return _decode(row[0])


async def list_folders(view: View, tenant: str, page: Page, *, name: str | None = None) -> list[Folder]:
    """A page of a tenant's folders by age."""
    select, params = "SELECT body FROM folder WHERE tenant = ?", [tenant]
    if name is not None:
        select += " AND name = ?"
        params.append(name)
    sql, bound = paged(select, params, page, table="folder", tenant=tenant)
    return [_decode(row[0]) for row in await view.fetch(sql, *bound)]


async def count(view: View, tenant: str) -> int:
    total: int = (await view.fetch("SELECT count(*) FROM folder WHERE tenant = ?", tenant))[0][0]
    return total


async def free_name(view: View, tenant: str, name: str) -> str:
    """The name, or the next one like it that no folder of the tenant has: `manuals_(1)`."""
    begins = name[: limits.FOLDER_NAME_CHARS_MAX // 2]
    like = "SELECT name FROM folder WHERE tenant = ? AND substr(name, 1, ?) = ?"
    taken = {row[0] for row in await view.fetch(like, tenant, len(begins), begins)}
    tried, number = name, 0
    while tried in taken:
        number += 1
        suffix = f"_({number})"
        tried = name[: limits.FOLDER_NAME_CHARS_MAX - len(suffix)] + suffix
    return tried


async def _claim(view: View, folder: Folder) -> None:
    """A clear text for a taken name; the table's UNIQUE decides between two who claim it at once."""
    row = await view.one("SELECT id FROM folder WHERE tenant = ? AND name = ?", folder.tenant, folder.name)
    if row is not None:
        raise Conflict(f"a folder named '{folder.name[:100]}' exists already ({row[0]})")
