"""Files: uploaded whole, read afterwards. What is kept of one is its text; the bytes go when it is read.

A file is `waiting` from the commit that acknowledges its upload, `indexing` from the one that stores its text, and then
`ready` or, if there is no text to be had, `failed` (see processing.py).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from kelpie.errors import Conflict, FileTooLarge, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.files import kinds, limits
from kelpie.files.folders import Folder
from umi import archival, embed
from umi.dst import Host
from umi.entity import check_text
from umi.storage import Changes, Page, Row, View, paged

State = Literal["waiting", "indexing", "ready", "failed"]
# What becomes of an upload whose name the folder has already.
WhenTaken = Literal["skip", "error", "suffix", "replace"]

_COLUMNS = (
    "tenant, id, folder_id, name, original_name, media_type, kind, bytes, state, error, chars, chunks, chunks_done,"
    " created_at_ms, updated_at_ms"
)
SELECT_FILE = f"SELECT {_COLUMNS} FROM file WHERE tenant = ?"
_ENDING_CHARS_MAX = 20  # what is longer is no kind of file
_TEXT = "SELECT text FROM file_text WHERE tenant = ? AND file_id = ?"
_INSERT = f"INSERT INTO file ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A row.

    name         within its folder; `original_name` is what the client called it
    kind         how it is read: see kinds.py
    error        why it failed
    chars        of its text
    chunks_done  how many of its chunks search finds
    """

    tenant: str
    id: str
    folder_id: str
    name: str
    original_name: str
    media_type: str
    kind: str
    bytes: int
    state: State = "waiting"
    error: str | None = None
    chars: int = 0
    chunks: int = 0
    chunks_done: int = 0
    created_at_ms: int = 0
    updated_at_ms: int = 0


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sends. `name` is to be used instead of the file's own."""

    file_name: str
    content: bytes
    media_type: str = ""
    name: str | None = None
    when_taken: WhenTaken = "suffix"


class HasText(Protocol):
    """A file, as it is or as an agent has it."""

    @property
    def id(self) -> str: ...
    @property
    def chars(self) -> int: ...


class Sizes(msgspec.Struct, frozen=True):
    folder_id: str
    files: int
    bytes: int


def file_from_row(row: Row) -> File:
    return File(**dict(zip(File.__struct_fields__, row, strict=True)))


def checked_name(name: str) -> str:
    """The last part of a path as a file's name in a folder. Raises InvalidInput, LimitExceeded."""
    check_text("the file's name", name)
    own = name.replace("\\", "/").rpartition("/")[2].strip()
    if not own or own in (".", "..") or not own.isprintable():
        raise InvalidInput(f"the file name {name[:100]!r} must be one line of text")
    if len(own) > limits.FILE_NAME_CHARS_MAX:
        raise LimitExceeded("the file's name", len(own), limits.FILE_NAME_CHARS_MAX, "characters")
    return own


def draft(host: Host, folder: Folder, upload: Upload) -> File:
    """A file of an upload. Raises FileTooLarge, InvalidInput, LimitExceeded, MissingExtra, UnknownFileKind."""
    if len(upload.content) > limits.FILE_BYTES_MAX:
        raise FileTooLarge(f"the file is {len(upload.content):,} bytes; at most {limits.FILE_BYTES_MAX:,} are taken")
    original = checked_name(upload.file_name)
    name = checked_name(upload.name) if upload.name else original
    if "." not in name and "." in original:
        name = checked_name(f"{name}.{kinds.ending(original)}")
    kind = kinds.kind_of(original if "." in original else name, upload.media_type, upload.content)
    now_ms = host.clock.now_ms()
    return File(
        tenant=folder.tenant,
        id=host.ids.new("file"),
        folder_id=folder.id,
        name=name,
        original_name=original,
        media_type=kinds.media_type_of(name, upload.media_type, kind),
        kind=kind,
        bytes=len(upload.content),
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


async def plan_upload(
    view: View, folder: Folder, file: File, content: bytes, when_taken: WhenTaken
) -> tuple[File, Changes]:
    """Store a drafted file. Guard "folder". Returns it under the name it gets, or, where an upload whose name is taken
    is to be skipped, the file that has the name, and no changes.

    Raises Conflict for a name that is taken and must not be, and LimitExceeded for a full folder.
    """
    at = (folder.tenant, folder.id)
    named, counted = await view.all(
        (f"{SELECT_FILE} AND folder_id = ? AND name = ?", (*at, file.name)),
        ("SELECT count(*) FROM file WHERE tenant = ? AND folder_id = ?", at),
    )
    other, count = (file_from_row(named[0]) if named else None), counted[0][0]
    changes = Changes().guard("folder", "SELECT 1 FROM folder WHERE tenant = ? AND id = ?", folder.tenant, folder.id)
    if other is not None and when_taken == "skip":
        return other, Changes()
    if other is not None and when_taken == "error":
        raise Conflict(f"the folder '{folder.name}' has a file named '{file.name}' already")
    if other is not None and when_taken == "replace":
        changes.extend(plan_delete(other, folder))
    elif count >= limits.FOLDER_FILES_MAX:
        raise LimitExceeded(f"the folder '{folder.name}'", count + 1, limits.FOLDER_FILES_MAX, "files")
    elif other is not None:
        rows = await view.fetch("SELECT name FROM file WHERE tenant = ? AND folder_id = ?", *at)
        file = msgspec.structs.replace(file, name=_free(file.name, {row[0] for row in rows}))
    changes.write(_INSERT, *msgspec.structs.astuple(file))
    return file, changes.write("INSERT INTO file_content VALUES (?, ?, ?)", file.tenant, file.id, content)


async def upload(
    view: View, host: Host, folder: Folder, given: Upload, also: Callable[[File], Changes]
) -> tuple[File, bool]:
    """Plan and commit, whoever else is uploading there. Returns the file, and whether it is new.

    also  what goes into the same commit
    Raises what `draft` and `plan_upload` raise, and NotFound for a folder that is deleted meanwhile.
    """
    fresh = draft(host, folder, given)
    for _ in range(limits.FOLDER_WRITE_ATTEMPTS_MAX):
        file, changes = await plan_upload(view, folder, fresh, given.content, given.when_taken)
        if not changes:
            return file, False
        try:
            await view.database.commit(changes.extend(also(file)))
        except GuardFailed as error:
            if error.guard == "folder":
                raise NotFound(f"no folder has the id '{folder.id}'") from None
            continue  # the file to replace is gone
        except Conflict:
            continue  # somebody took the name since it was free
        return file, True
    raise Conflict(f"folder '{folder.id}' is being changed by too many writers at once; try again")


def _free(name: str, taken: set[str]) -> str:
    """`report_(1).pdf` of `report.pdf`, or the next number that is free; no longer than a name may be."""
    stem, dot, end = name.rpartition(".")
    if not stem or len(end) > _ENDING_CHARS_MAX:
        stem, dot, end = name, "", ""
    for number in range(1, len(taken) + 2):
        suffix = f"_({number}){dot}{end}"
        tried = stem[: limits.FILE_NAME_CHARS_MAX - len(suffix)] + suffix
        if tried not in taken:
            return tried
    raise AssertionError("more numbers than names")


def plan_delete(file: File, folder: Folder) -> Changes:
    """Remove a file, what was read from it, and it from every agent. Guard "file"."""
    at = (file.tenant, file.id)
    changes = Changes().guard("file", "DELETE FROM file WHERE tenant = ? AND id = ?", *at)
    for table in ("file_content", "file_text", "agent_file"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND file_id = ?", *at)
    changes.extend(embed.plan_forget_session(file.tenant, folder.scope, file.id))
    return changes.extend(archival.plan_forget_session(file.tenant, folder.scope, file.id))


async def find(view: View, tenant: str, file_id: str) -> File | None:
    row = await view.one(f"{SELECT_FILE} AND id = ?", tenant, file_id)
    return None if row is None else file_from_row(row)


async def get(view: View, tenant: str, folder_id: str, file_id: str) -> File:
    """Raises NotFound, also for a file of another folder."""
    file = await find(view, tenant, file_id)
    if file is None or file.folder_id != folder_id:
        raise NotFound(f"the folder has no file with the id '{file_id}'")
    return file


async def get_with_text(view: View, tenant: str, folder_id: str, file_id: str) -> tuple[File, str | None]:
    """A file and what it says, both of one moment: whoever is told that it was read gets its text, also while it is
    being replaced. Raises NotFound, as `get` does."""
    rows, texts = await view.all(
        (f"{SELECT_FILE} AND folder_id = ? AND id = ?", (tenant, folder_id, file_id)),
        (_TEXT, (tenant, file_id)),
    )
    if not rows:
        raise NotFound(f"the folder has no file with the id '{file_id}'")
    return file_from_row(rows[0]), texts[0][0] if texts else None


async def list_files(view: View, tenant: str, folder_id: str, page: Page) -> list[File]:
    """A page of a folder's files by age."""
    sql, bound = _listed(tenant, folder_id, page)
    return [file_from_row(row) for row in await view.fetch(sql, *bound)]


async def list_with_texts(view: View, tenant: str, folder_id: str, page: Page) -> tuple[list[File], dict[str, str]]:
    """The same, and what they say by id, all of one moment. Raises LimitExceeded for more than fits into memory."""
    sql, bound = _listed(tenant, folder_id, page)
    # What would be too much isn't even read.
    texts = (
        "SELECT file_id, text FROM file_text WHERE tenant = ?"
        f" AND file_id IN (SELECT id FROM ({sql})) AND (SELECT sum(chars) FROM ({sql})) <= ?"
    )
    rows, found = await view.all((sql, bound), (texts, (tenant, *bound, *bound, limits.FILE_TEXTS_CHARS_MAX)))
    listed = [file_from_row(row) for row in rows]
    _check_chars(listed)
    return listed, dict(found)


def _listed(tenant: str, folder_id: str, page: Page) -> tuple[str, tuple[Any, ...]]:
    return paged(f"{SELECT_FILE} AND folder_id = ?", [tenant, folder_id], page, table="file", tenant=tenant)


async def sizes(view: View, tenant: str) -> list[Sizes]:
    """Of every folder that has files, in no order."""
    sql = "SELECT folder_id, count(*), sum(bytes) FROM file WHERE tenant = ? GROUP BY folder_id"
    return [Sizes(*row) for row in await view.fetch(sql, tenant)]


async def content_of(view: View, file: File) -> bytes | None:
    """The bytes of a file that waits to be read."""
    row = await view.one("SELECT content FROM file_content WHERE tenant = ? AND file_id = ?", file.tenant, file.id)
    return None if row is None else row[0]


async def text_of(view: View, tenant: str, file_id: str) -> str | None:
    """The text of a file; None until it is read, and for one that could not be."""
    row = await view.one(_TEXT, tenant, file_id)
    return None if row is None else row[0]


async def texts_of(view: View, tenant: str, wanted: Sequence[HasText]) -> dict[str, str]:
    """The texts of those that were read, by id. Raises LimitExceeded for more than fit into memory at once."""
    _check_chars(wanted)
    ids = msgspec.json.encode([one.id for one in wanted]).decode()
    sql = "SELECT file_id, text FROM file_text WHERE tenant = ? AND file_id IN (SELECT value FROM json_each(?))"
    return dict(await view.fetch(sql, tenant, ids))


def _check_chars(wanted: Sequence[HasText]) -> None:
    chars = sum(one.chars for one in wanted)
    if chars > limits.FILE_TEXTS_CHARS_MAX:
        raise LimitExceeded("what these files say", chars, limits.FILE_TEXTS_CHARS_MAX, "characters; ask for fewer")


def plan_read(file: File, text: str, chunks: int, now_ms: int) -> Changes:
    """The text of a waiting file. Guard "state"."""
    changes = Changes().guard(
        "state",
        "UPDATE file SET state = 'indexing', chars = ?, chunks = ?, updated_at_ms = ?"
        " WHERE tenant = ? AND id = ? AND state = 'waiting'",
        *(len(text), chunks, now_ms, file.tenant, file.id),
    )
    changes.write("DELETE FROM file_content WHERE tenant = ? AND file_id = ?", file.tenant, file.id)
    return changes.write("INSERT INTO file_text VALUES (?, ?, ?)", file.tenant, file.id, text)


def plan_failed(file: File, why: str, now_ms: int) -> Changes:
    """There is no text of it, or none that can be indexed. Guard "state": nobody has gone on with it meanwhile."""
    changes = Changes().guard(
        "state",
        "UPDATE file SET state = 'failed', error = ?, updated_at_ms = ? WHERE tenant = ? AND id = ? AND state = ?",
        *(why[: limits.FILE_ERROR_CHARS_MAX], now_ms, file.tenant, file.id, file.state),
    )
    return changes.write("DELETE FROM file_content WHERE tenant = ? AND file_id = ?", file.tenant, file.id)


def plan_indexed(file: File, done: int, now_ms: int, *, is_last: bool) -> Changes:
    """So many of its chunks can be found. Guard "state": nobody else has gone on with it meanwhile."""
    state, chunks = ("ready", done) if is_last else ("indexing", file.chunks)
    return Changes().guard(
        "state",
        "UPDATE file SET state = ?, chunks = ?, chunks_done = ?, updated_at_ms = ?"
        " WHERE tenant = ? AND id = ? AND state = 'indexing' AND chunks_done = ?",
        *(state, chunks, done, now_ms, file.tenant, file.id, file.chunks_done),
    )
