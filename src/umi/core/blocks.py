"""Labelled blocks, attached to scopes.

One table serves umi's own promotion and kelpie's agents. A block belongs to a tenant and is attached to any number
of scopes; within a scope its label is unique. Writers either state the version they read (guard "block") or append
in a way that commutes, so that no update is lost however many write at once.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from umi import limits
from umi.entity import Block, check_json, check_text
from umi.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from umi.storage import Changes, Migration, Page, Row, View, paged

MIGRATIONS = [
    Migration(
        "umi.core",
        1,
        """
        CREATE TABLE block (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, label TEXT NOT NULL, value TEXT NOT NULL,
            limit_chars INTEGER NOT NULL, description TEXT, type TEXT,
            read_only INTEGER NOT NULL, hidden INTEGER NOT NULL, metadata TEXT NOT NULL, tags TEXT NOT NULL,
            version INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX block_label ON block (tenant, label);
        CREATE TABLE block_scope (
            tenant TEXT NOT NULL, scope TEXT NOT NULL, label TEXT NOT NULL, block_id TEXT NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (tenant, scope, label),
            FOREIGN KEY (tenant, block_id) REFERENCES block (tenant, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX block_scope_block ON block_scope (tenant, block_id);
        """,
    ),
    Migration("umi.core", 2, "ALTER TABLE block ADD COLUMN importance REAL NOT NULL DEFAULT 0.5;"),
]

_COLUMNS = (
    "block.tenant, block.id, block.label, value, limit_chars, description, type, read_only, hidden, metadata, tags,"
    " version, created_at_ms, updated_at_ms, importance"
)
OF_SCOPE = (
    f"SELECT {_COLUMNS} FROM block_scope s JOIN block ON block.tenant = s.tenant AND block.id = s.block_id"
    " WHERE s.tenant = ? AND s.scope = ? ORDER BY s.position, s.label"
)
# The same for a JSON list of scopes; the scope comes first in each row.
OF_SCOPES = (
    f"SELECT s.scope, {_COLUMNS} FROM block_scope s JOIN block ON block.tenant = s.tenant AND block.id = s.block_id"
    " WHERE s.tenant = ? AND s.scope IN (SELECT value FROM json_each(?)) ORDER BY s.scope, s.position, s.label"
)
_BY_LABEL = (
    f"SELECT {_COLUMNS} FROM block_scope s JOIN block ON block.tenant = s.tenant AND block.id = s.block_id"
    " WHERE s.tenant = ? AND s.scope = ? AND s.label = ?"
)
_BY_ID = f"SELECT {_COLUMNS} FROM block WHERE tenant = ? AND id = ?"
_INSERT = (
    "INSERT INTO block (tenant, id, label, value, limit_chars, description, type, read_only, hidden, metadata, tags,"
    f" version, created_at_ms, updated_at_ms, importance) VALUES ({', '.join('?' * 15)})"
)
# The label is the one the block has when this commits: it may have been renamed since the caller read it.
_ATTACH = (
    "INSERT INTO block_scope (tenant, scope, label, block_id, position) SELECT ?1, ?2,"
    " coalesce((SELECT label FROM block WHERE tenant = ?1 AND id = ?4), ?3), ?4,"
    " (SELECT coalesce(max(position), -1) + 1 FROM block_scope WHERE tenant = ?1 AND scope = ?2)"
)
_CREATE_IF_ABSENT = (
    "INSERT INTO block (tenant, id, label, value, limit_chars, type, read_only, hidden, metadata, tags, version,"
    " created_at_ms, updated_at_ms) SELECT ?1, ?3, ?4, '', ?5, ?7, 0, 0, '{}', '[]', 1, ?6, ?6"
    " WHERE NOT EXISTS (SELECT 1 FROM block_scope WHERE tenant = ?1 AND scope = ?2 AND label = ?4)"
)
_ATTACH_IF_ABSENT = (
    f"{_ATTACH} WHERE NOT EXISTS (SELECT 1 FROM block_scope WHERE tenant = ?1 AND scope = ?2 AND label = ?3)"
)
_APPEND = (
    "UPDATE block SET value = CASE value WHEN '' THEN ?4 ELSE value || '\n' || ?4 END,"
    " version = version + 1, updated_at_ms = ?5"
    " WHERE tenant = ?1 AND id = (SELECT block_id FROM block_scope WHERE tenant = ?1 AND scope = ?2 AND label = ?3)"
    " AND read_only = 0 AND length(value) + CASE value WHEN '' THEN 0 ELSE 1 END + length(?4) <= limit_chars"
)
_DETACH_WITHIN = "DELETE FROM block_scope WHERE tenant = ?1 AND scope >= ?2 AND scope < ?3"
_DELETE_WITHIN = (
    "DELETE FROM block WHERE tenant = ?1 AND id IN"
    " (SELECT block_id FROM block_scope WHERE tenant = ?1 AND scope >= ?2 AND scope < ?3) AND NOT EXISTS (SELECT 1"
    " FROM block_scope o WHERE o.tenant = ?1 AND o.block_id = block.id AND NOT (o.scope >= ?2 AND o.scope < ?3))"
)
_UPDATE = (
    "UPDATE block SET label = ?, value = ?, limit_chars = ?, description = ?, type = ?, read_only = ?, hidden = ?,"
    " metadata = ?, tags = ?, importance = ?, version = version + 1, updated_at_ms = ?"
    " WHERE tenant = ? AND id = ? AND version = ?"
)


def block_from_row(row: Row) -> Block:
    return Block(
        tenant=row[0],
        id=row[1],
        label=row[2],
        value=row[3],
        limit_chars=row[4],
        description=row[5],
        type=row[6],
        read_only=bool(row[7]),
        hidden=bool(row[8]),
        metadata=msgspec.json.decode(row[9]),
        tags=msgspec.json.decode(row[10]),
        version=row[11],
        created_at_ms=row[12],
        updated_at_ms=row[13],
        importance=row[14],
    )


def check(block: Block) -> None:
    """Raise InvalidInput or LimitExceeded for a block that breaks its own bounds or ours."""
    if not block.label or not block.label.strip():
        raise InvalidInput("a block needs a label that is not blank")
    if len(block.label) > limits.BLOCK_LABEL_CHARS_MAX:
        raise LimitExceeded("the block label", len(block.label), limits.BLOCK_LABEL_CHARS_MAX, "characters")
    if not block.label.isprintable() or "<" in block.label or ">" in block.label:
        # Models read labels as the names of sections: one that holds markup could close its own and open another.
        raise InvalidInput(f"the block label {block.label!a} may hold no '<', '>', line break or control character")
    if not 0 <= block.limit_chars <= limits.BLOCK_VALUE_CHARS_MAX:
        raise LimitExceeded(
            f"the limit of block '{block.label}'", block.limit_chars, limits.BLOCK_VALUE_CHARS_MAX, "characters"
        )
    if len(block.value) > block.limit_chars:
        raise LimitExceeded(f"the value of block '{block.label}'", len(block.value), block.limit_chars, "characters")
    least, most = limits.CORE_MEMORY_BLOCK_IMPORTANCE_MIN, limits.CORE_MEMORY_BLOCK_IMPORTANCE_MAX
    if not least <= block.importance <= most:  # also what is no number
        raise InvalidInput(f"the importance of block '{block.label}' must be {least} to {most}, not {block.importance}")
    description = block.description or ""
    for what, size, maximum, unit in (
        ("description", len(description), limits.BLOCK_DESCRIPTION_CHARS_MAX, "characters"),
        ("tags", len(block.tags), limits.BLOCK_TAGS_MAX, "tags"),
    ):
        if size > maximum:
            raise LimitExceeded(f"the {what} of block '{block.label}'", size, maximum, unit)
    for text in (block.value, description, *block.tags):
        check_text(f"block '{block.label}'", text)
    check_json(f"the metadata of block '{block.label}'", block.metadata, limits.BLOCK_METADATA_BYTES_MAX)


async def of_scope(view: View, tenant: str, scope: str) -> list[Block]:
    """The blocks of a scope in the order they were attached."""
    return [block_from_row(row) for row in await view.fetch(OF_SCOPE, tenant, scope)]


async def by_label(view: View, tenant: str, scope: str, label: str) -> Block:
    """Raises NotFound, naming the labels the scope does have."""
    row = await view.one(_BY_LABEL, tenant, scope, label)
    if row is None:
        known = ", ".join(block.label for block in await of_scope(view, tenant, scope)) or "none"
        raise NotFound(f"no block labelled '{label}' is attached here; attached labels: {known}")
    return block_from_row(row)


async def get(view: View, tenant: str, block_id: str) -> Block:
    row = await view.one(_BY_ID, tenant, block_id)
    if row is None:
        raise NotFound(f"no block has the id '{block_id}'")
    return block_from_row(row)


async def ids_taken(view: View, tenant: str, block_ids: Sequence[str]) -> set[str]:
    """Those of the ids that blocks of the tenant have."""
    if not block_ids:
        return set()
    sql = f"SELECT id FROM block WHERE tenant = ? AND id IN ({', '.join('?' * len(block_ids))})"
    return {row[0] for row in await view.fetch(sql, tenant, *block_ids)}


async def scopes_of(view: View, tenant: str, block_id: str) -> list[str]:
    rows = await view.fetch("SELECT scope FROM block_scope WHERE tenant = ? AND block_id = ?", tenant, block_id)
    return [row[0] for row in rows]


def _matching(
    select: str,
    tenant: str,
    label: str | None,
    texts: dict[str, str],
    tags: list[str] | None,
    match_all_tags: bool,
    ids: Sequence[str] | None,
) -> tuple[str, list[Any]]:
    select, params = f"{select} FROM block WHERE tenant = ? AND hidden = 0", [tenant]
    if label is not None:
        select += " AND label = ?"
        params.append(label)
    if ids is not None:
        select += " AND block.id IN (SELECT value FROM json_each(?))"
        params.append(msgspec.json.encode(list(ids)).decode())
    for column, text in texts.items():
        assert column in ("label", "value", "description")
        select += f" AND instr(lower({column}), lower(?)) > 0"
        params.append(text)
    if tags:
        wanted = len(set(tags)) if match_all_tags else 1
        select += (
            " AND (SELECT count(DISTINCT t.value) FROM json_each(block.tags) t"
            f" WHERE t.value IN (SELECT value FROM json_each(?))) >= {wanted}"
        )
        params.append(msgspec.json.encode(tags).decode())
    return select, params


async def list_blocks(
    view: View,
    tenant: str,
    page: Page,
    *,
    label: str | None = None,
    texts: dict[str, str] | None = None,
    tags: list[str] | None = None,
    match_all_tags: bool = False,
    ids: Sequence[str] | None = None,
) -> list[Block]:
    """A page of a tenant's blocks by age. `texts` are found in the column they are for ("label", "value",
    "description"), whatever the case; a block with any of `tags` (or all) matches. Hidden blocks are left out."""
    select, params = _matching(f"SELECT {_COLUMNS}", tenant, label, texts or {}, tags, match_all_tags, ids)
    sql, bound = paged(select, params, page, table="block", tenant=tenant)
    return [block_from_row(row) for row in await view.fetch(sql, *bound)]


async def tags(view: View, tenant: str) -> list[str]:
    """Every tag that a block has which is not hidden."""
    sql = "SELECT DISTINCT t.value FROM block, json_each(block.tags) t WHERE block.tenant = ? AND hidden = 0"
    return [row[0] for row in await view.fetch(sql, tenant)]


async def count_blocks(
    view: View,
    tenant: str,
    *,
    label: str | None = None,
    tags: list[str] | None = None,
    match_all_tags: bool = False,
    ids: Sequence[str] | None = None,
) -> int:
    """How many blocks list_blocks would go through."""
    select, params = _matching("SELECT count(*)", tenant, label, {}, tags, match_all_tags, ids)
    total: int = (await view.fetch(select, *params))[0][0]
    return total


def plan_create(block: Block) -> Changes:
    """Insert a block; it is attached to nothing yet. Raises InvalidInput, LimitExceeded."""
    check(block)
    return Changes().write(
        _INSERT,
        block.tenant,
        block.id,
        block.label,
        block.value,
        block.limit_chars,
        block.description,
        block.type,
        int(block.read_only),
        int(block.hidden),
        msgspec.json.encode(block.metadata).decode(),
        msgspec.json.encode(block.tags).decode(),
        block.version,
        block.created_at_ms,
        block.updated_at_ms,
        block.importance,
    )


def plan_attach(tenant: str, scope: str, block_id: str, label: str) -> Changes:
    """Attach a block as the last of a scope. The commit raises Conflict if the scope has that label already."""
    return Changes().write(_ATTACH, tenant, scope, label, block_id)


def plan_detach(tenant: str, scope: str, block_id: str) -> Changes:
    return Changes().write(
        "DELETE FROM block_scope WHERE tenant = ? AND scope = ? AND block_id = ?", tenant, scope, block_id
    )


def plan_detach_all(tenant: str, scope: str) -> Changes:
    """Take every block from a scope, also those attached since it was read. The blocks stay."""
    return Changes().write("DELETE FROM block_scope WHERE tenant = ? AND scope = ?", tenant, scope)


def plan_delete_typed(tenant: str, scope: str) -> Changes:
    """Delete the blocks with a type that this scope alone has: those that memory made for it."""
    return Changes().write(
        "DELETE FROM block WHERE tenant = ?1 AND type IS NOT NULL"
        " AND id IN (SELECT block_id FROM block_scope WHERE tenant = ?1 AND scope = ?2)"
        " AND id NOT IN (SELECT block_id FROM block_scope WHERE tenant = ?1 AND scope <> ?2)",
        tenant,
        scope,
    )


def plan_delete_within(tenant: str, prefix: str) -> Changes:
    """Remove every block that is attached to scopes which begin like this and to no others, and detach the rest."""
    end = prefix + "\U0010ffff"
    return Changes().write(_DELETE_WITHIN, tenant, prefix, end).write(_DETACH_WITHIN, tenant, prefix, end)


def plan_delete(tenant: str, block_id: str) -> Changes:
    """Delete a block and every attachment of it."""
    return Changes().write("DELETE FROM block WHERE tenant = ? AND id = ?", tenant, block_id)


def plan_update(old: Block, new: Block, now_ms: int) -> Changes:
    """Replace what `old` says by what `new` says, if nobody changed it since `old` was read (guard "block")."""
    check(new)
    changes = Changes().guard(
        "block",
        _UPDATE,
        new.label,
        new.value,
        new.limit_chars,
        new.description,
        new.type,
        int(new.read_only),
        int(new.hidden),
        msgspec.json.encode(new.metadata).decode(),
        msgspec.json.encode(new.tags).decode(),
        new.importance,
        now_ms,
        old.tenant,
        old.id,
        old.version,
    )
    if new.label != old.label:
        changes.write(
            "UPDATE block_scope SET label = ? WHERE tenant = ? AND block_id = ?", new.label, old.tenant, old.id
        )
    return changes


async def plan_append(
    view: View,
    tenant: str,
    scope: str,
    label: str,
    text: str,
    block_id: str,
    now_ms: int,
    *,
    type: str | None = None,  # noqa: A002 - the word of the column
    limit_chars: int = limits.BLOCK_VALUE_CHARS_DEFAULT,
) -> Changes:
    """Add `text` as a new line of the block labelled `label`, creating and attaching it (as `block_id`) if absent.

    type, limit_chars  those of the block if it is created

    Creating and appending are decided inside the commit, so any number of appends at once make one block with all
    texts. Raises LimitExceeded or InvalidInput for what the view already shows to be impossible.
    """
    row = await view.one(_BY_LABEL, tenant, scope, label)
    known = block_from_row(row) if row else None
    value = f"{known.value}\n{text}" if known and known.value else text
    most = known.limit_chars if known else limit_chars
    check(Block(tenant=tenant, id=block_id, label=label, value=value, limit_chars=most))
    if known and known.read_only:
        raise InvalidInput(f"block '{label}' is read-only")
    return (
        Changes()
        .write(_CREATE_IF_ABSENT, tenant, scope, block_id, label, limit_chars, now_ms, type)
        .write(_ATTACH_IF_ABSENT, tenant, scope, label, block_id)
        .guard("block", _APPEND, tenant, scope, label, text, now_ms)
    )


async def append(view: View, tenant: str, scope: str, label: str, text: str, *, block_id: str, now_ms: int) -> None:
    """plan_append, committed. Raises what plan_append raises, also when another writer filled the block meanwhile."""
    try:
        await view.database.commit(
            await plan_append(view, tenant, scope, label, text, block_id=block_id, now_ms=now_ms)
        )
    except GuardFailed:
        # Only a block that became full or read-only since the plan refuses an append: planning again says which.
        await plan_append(view, tenant, scope, label, text, block_id=block_id, now_ms=now_ms)
        raise Conflict(f"block '{label}' changed while it was written; try again") from None


async def edit(view: View, tenant: str, block_id: str, now_ms: int, fields: dict[str, Any]) -> Block:
    """Change some fields of a block, whoever else is writing it. Raises NotFound, Conflict, LimitExceeded."""
    for _ in range(limits.BLOCK_EDIT_ATTEMPTS_MAX):
        old = await get(view, tenant, block_id)
        new = msgspec.structs.replace(old, **fields)
        try:
            await view.database.commit(plan_update(old, new, now_ms))
        except GuardFailed:
            continue
        except Conflict:
            raise Conflict(f"a scope of block '{old.label}' has a block labelled '{new.label}' already") from None
        return msgspec.structs.replace(new, version=old.version + 1, updated_at_ms=now_ms)
    raise Conflict(f"block '{block_id}' is being changed by too many writers at once; try again")
