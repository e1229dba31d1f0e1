"""The tools of a tenant as rows: those people wrote, and one row for each built-in tool, so that both list alike.

A custom tool's name and schema come from its source (source.py), or from a schema given with it. Built-in tools have
the same id in every tenant and every run; their rows are written when a tenant is first asked for its tools.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kelpie.errors import Conflict, GuardFailed, InvalidInput, InvalidSource, LimitExceeded, NotFound
from kelpie.tools import limits, settings
from kelpie.tools.settings import ToolSettings
from kelpie.tools.source import ToolSource, described, parse_source
from kelpie.tools.tool import Tool
from umi.dst import Host, named_uuid
from umi.storage import Changes, Page, Row, View, paged

COLUMNS = (
    "tenant",
    "id",
    "name",
    "tool_type",
    "description",
    "source_type",
    "source_code",
    "json_schema",
    "tags",
    "return_chars_max",
    "metadata",
    "version",
    "created_at_ms",
    "updated_at_ms",
    "settings",
)
CUSTOM = "custom"
EXTERNAL = "external_mcp"  # an MCP server's: it may be removed, and is changed by its server alone (mcp/rows.py)
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM tool WHERE tenant = ?"
_INSERT = f"INSERT INTO tool VALUES (NULL{', ?' * len(COLUMNS)})"
_UPDATE = (
    "UPDATE tool SET name = ?, tool_type = ?, description = ?, source_type = ?, source_code = ?, json_schema = ?,"
    " tags = ?, return_chars_max = ?, metadata = ?, settings = ?, version = version + 1, updated_at_ms = ?"
    " WHERE tenant = ? AND id = ? AND version = ?"
)
_DELETE = "DELETE FROM tool WHERE tenant = ? AND id = ? AND version = ?"


class ToolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `json_schema` is {name, description, parameters}, the last a JSON schema of type object."""

    tenant: str
    id: str
    name: str
    tool_type: str = CUSTOM
    description: str = ""
    source_type: str = "python"
    source_code: str = ""
    json_schema: dict[str, Any]
    tags: list[str] = []
    return_chars_max: int = limits.TOOL_RETURN_CHARS_DEFAULT
    metadata: dict[str, Any] = {}
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0
    settings: ToolSettings = ToolSettings()


class ToolDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a person gives for a tool. None stands for what the source says, or what the tool already has.

    settings  those of settings.ToolSettings that are given, by name; the others stay what they are
    """

    source_code: str
    source_type: str = "python"
    description: str | None = None
    json_schema: dict[str, Any] | None = None
    tags: list[str] | None = None
    return_chars_max: int | None = None
    metadata: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None


CHANGEABLE = frozenset(ToolDraft.__struct_fields__)
_decode_settings = msgspec.json.Decoder(ToolSettings).decode


def record_from_row(row: Row) -> ToolRecord:
    fields = dict(zip(COLUMNS, row, strict=True))
    for name in ("json_schema", "tags", "metadata"):
        fields[name] = msgspec.json.decode(fields[name])
    fields["settings"] = _decode_settings(fields["settings"])
    return ToolRecord(**fields)


async def get(view: View, tenant: str, tool_id: str) -> ToolRecord:
    row = await view.one(f"{_SELECT} AND id = ?", tenant, tool_id)
    if row is None:
        raise NotFound(f"no tool has the id '{tool_id}'")
    return record_from_row(row)


async def get_by_name(view: View, tenant: str, name: str) -> ToolRecord:
    row = await view.one(f"{_SELECT} AND name = ?", tenant, name)
    if row is None:
        raise NotFound(f"no tool is named '{name}'")
    return record_from_row(row)


def _matching(
    select: str,
    tenant: str,
    name: str | None,
    names: list[str] | None,
    ids: list[str] | None,
    tool_types: list[str] | None,
    tags: list[str] | None,
    text: str | None,
) -> tuple[str, list[str]]:
    select, params = f"{select} FROM tool WHERE tenant = ?", [tenant]
    wanted = [name] if name is not None else None
    for column, values in (("name", wanted), ("name", names), ("id", ids), ("tool_type", tool_types)):
        if values is not None:
            select += f" AND {column} IN (SELECT value FROM json_each(?))"
            params.append(_json(values))
    if tags is not None:
        select += " AND EXISTS (SELECT 1 FROM json_each(tool.tags) t JOIN json_each(?) w ON t.value = w.value)"
        params.append(_json(tags))
    if text is not None:
        select += " AND (instr(lower(name), lower(?)) OR instr(lower(description), lower(?)))"
        params += [text, text]
    return select, params


async def ids_of(view: View, tenant: str, names: Sequence[str]) -> list[str]:
    """The ids of the tools of these names, in their order; of a name that no tool has any more, none."""
    wanted = list(dict.fromkeys(names))
    sql = "SELECT name, id FROM tool WHERE tenant = ? AND name IN (SELECT value FROM json_each(?))"
    found: dict[str, str] = dict(await view.fetch(sql, tenant, msgspec.json.encode(wanted).decode()))
    return [found[name] for name in wanted if name in found]


async def unknown_names(view: View, tenant: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that no tool has."""
    sql = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT name FROM tool WHERE tenant = ?)"
    return [row[0] for row in await view.fetch(sql, _json(names), tenant)]


async def list_tools(
    view: View,
    tenant: str,
    page: Page,
    *,
    name: str | None = None,
    names: list[str] | None = None,
    ids: list[str] | None = None,
    tool_types: list[str] | None = None,
    tags: list[str] | None = None,
    text: str | None = None,
) -> list[ToolRecord]:
    """A page of a tenant's tools by age. A tool with any of `tags` matches; `text` is found in name or description,
    whatever the case."""
    chosen = f"SELECT {', '.join(COLUMNS)}"
    select, params = _matching(chosen, tenant, name, names, ids, tool_types, tags, text)
    sql, bound = paged(select, params, page, table="tool", tenant=tenant)
    return [record_from_row(row) for row in await view.fetch(sql, *bound)]


async def count(
    view: View,
    tenant: str,
    *,
    name: str | None = None,
    names: list[str] | None = None,
    ids: list[str] | None = None,
    tool_types: list[str] | None = None,
    tags: list[str] | None = None,
    text: str | None = None,
) -> int:
    """How many tools list_tools would go through."""
    select, params = _matching("SELECT count(*)", tenant, name, names, ids, tool_types, tags, text)
    total: int = (await view.fetch(select, *params))[0][0]
    return total


async def plan_create(
    view: View, host: Host, tenant: str, draft: ToolDraft, *, tool_id: str | None = None
) -> tuple[ToolRecord, Changes]:
    """A new tool; `tool_id` is the one it had elsewhere. Raises InvalidSource, InvalidInput, LimitExceeded, and
    Conflict if the name is taken."""
    record = _new(host, tenant, draft)
    if tool_id is not None:
        record = msgspec.structs.replace(record, id=tool_id)
    await _claim(view, record)
    return record, Changes().write(_INSERT, *_values(record))


def drafted(host: Host, tenant: str, draft: ToolDraft) -> ToolRecord:
    """The tool that a draft makes, in no table. Raises InvalidSource, InvalidInput, LimitExceeded."""
    return _new(host, tenant, draft)


async def plan_upsert(view: View, host: Host, tenant: str, draft: ToolDraft) -> tuple[ToolRecord, Changes]:
    """The tool named as the draft says, made or changed; a changed one keeps its id. Raises what plan_create raises,
    Conflict only for the name of a built-in tool."""
    record = _new(host, tenant, draft)
    row = await view.one(f"{_SELECT} AND name = ?", tenant, record.name)
    if row is None:
        return record, Changes().write(_INSERT, *_values(record))
    old = record_from_row(row)
    _check_custom(old, "changed")
    given = {name: value for name in CHANGEABLE if (value := getattr(draft, name)) is not None}
    return _plan_replace(old, _changed(old, given), record.updated_at_ms)


async def plan_update(
    view: View, tenant: str, tool_id: str, now_ms: int, fields: dict[str, Any]
) -> tuple[ToolRecord, Changes]:
    """Change some fields (see CHANGEABLE) of a tool; new source derives name and schema anew. Guard "tool".

    Raises NotFound, InvalidSource, InvalidInput, LimitExceeded, and Conflict if the tool is built in or its new name
    is taken.
    """
    old = await get(view, tenant, tool_id)
    _check_custom(old, "changed")
    new = _changed(old, fields)
    if new.name != old.name:
        await _claim(view, new)
    return _plan_replace(old, new, now_ms)


async def plan_delete(view: View, tenant: str, tool_id: str) -> Changes:
    """Remove a tool. Guard "tool". Agents that have it lose it. Raises NotFound, and Conflict if it is built in."""
    old = await get(view, tenant, tool_id)
    if old.tool_type != EXTERNAL:
        _check_custom(old, "deleted")
    return Changes().guard("tool", _DELETE, tenant, tool_id, old.version)


async def upsert(view: View, host: Host, tenant: str, draft: ToolDraft) -> ToolRecord:
    """plan_upsert, committed, whoever else is writing the same tool."""
    for _ in range(limits.TOOL_UPSERT_ATTEMPTS_MAX):
        record, changes = await plan_upsert(view, host, tenant, draft)
        try:
            await view.database.commit(changes)
        except (Conflict, GuardFailed):
            continue  # another writer made or changed it since: plan again on what it wrote
        return record
    raise Conflict("this tool is being changed by too many writers at once; try again")


async def edit(view: View, tenant: str, tool_id: str, now_ms: int, fields: dict[str, Any]) -> ToolRecord:
    """plan_update, committed, whoever else is changing other fields. Raises what plan_update raises."""
    for _ in range(limits.TOOL_UPSERT_ATTEMPTS_MAX):
        record, changes = await plan_update(view, tenant, tool_id, now_ms, fields)
        try:
            await view.database.commit(changes)
        except GuardFailed:
            continue
        return record
    raise Conflict(f"tool '{tool_id}' is being changed by too many writers at once; try again")


async def plan_builtins(view: View, tenant: str, now_ms: int, tools: Iterable[Tool]) -> Changes:
    """The rows of the built-in tools that a tenant lacks or has from an older version; nothing if all are there.

    A tool from elsewhere that already has a built-in tool's name keeps it: the built-in one is then not listed.
    """
    rows = {record.name: record for record in map(record_from_row, await view.fetch(_SELECT, tenant))}
    changes = Changes()
    for tool in tools:
        old = rows.get(tool.name)
        if old is not None and old.tool_type != tool.tool_type:
            continue
        new = _builtin(tenant, now_ms, tool)
        if old is None:
            # Two first requests may both plan the row; it is the same row.
            changes.write(f"{_INSERT} ON CONFLICT DO NOTHING", *_values(new))
        elif _comparable(old) != _comparable(new):
            # No guard: whichever of two writers is second finds the version moved, and the row already right.
            _, replaced = _plan_replace(old, new, now_ms)
            changes.write(replaced.writes[0].sql, *replaced.writes[0].params)
    return changes


def builtin_id(name: str) -> str:
    """The id of a built-in tool: the same everywhere, in the form of a version-4 UUID."""
    return f"tool-{named_uuid(f'kelpie/tool/{name}')}"


def _builtin(tenant: str, now_ms: int, tool: Tool) -> ToolRecord:
    spec = tool.spec
    return ToolRecord(
        tenant=tenant,
        id=builtin_id(tool.name),
        name=tool.name,
        tool_type=tool.tool_type,
        description=spec.description,
        json_schema={"name": tool.name, "description": spec.description, "parameters": spec.parameters},
        return_chars_max=tool.return_chars_max,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def _comparable(record: ToolRecord) -> tuple[Any, ...]:
    """As stored: a schema written with tuples equals the one that came back with lists."""
    return _values(msgspec.structs.replace(record, version=0, created_at_ms=0, updated_at_ms=0))


async def _claim(view: View, record: ToolRecord) -> None:
    """A clear text for a taken name; the table's UNIQUE decides between two who claim it at once."""
    taken = await view.one("SELECT id FROM tool WHERE tenant = ? AND name = ?", record.tenant, record.name)
    if taken is not None:
        raise Conflict(f"a tool named '{record.name}' exists already ({taken[0]}); upsert it, or rename the function")


def _check_custom(record: ToolRecord, verb: str) -> None:
    if record.tool_type != CUSTOM:
        raise Conflict(f"the tool '{record.name}' is built in and can't be {verb}; detach it from the agent instead")


def _new(host: Host, tenant: str, draft: ToolDraft) -> ToolRecord:
    now_ms = host.clock.now_ms()
    empty = ToolRecord(
        tenant=tenant, id=host.ids.new("tool"), name="", json_schema={}, created_at_ms=now_ms, updated_at_ms=now_ms
    )
    given = {name: value for name in CHANGEABLE if (value := getattr(draft, name)) is not None}
    return _changed(empty, given)


def _changed(old: ToolRecord, fields: dict[str, Any]) -> ToolRecord:
    """`old` with `fields`, its name and schema derived anew where the source or the schema is among them."""
    unknown = sorted(set(fields) - CHANGEABLE)
    if unknown:
        known = ", ".join(sorted(CHANGEABLE))
        raise InvalidInput(f"a tool has no changeable field {', '.join(unknown)}; changeable are {known}")
    plain = {name: value for name, value in fields.items() if name not in ("json_schema", "settings")}
    new = msgspec.structs.replace(old, **plain)
    if "settings" in fields or "source_type" in fields:
        kept = settings.changed(old.settings, fields.get("settings", {}), new.source_type)
        new = msgspec.structs.replace(new, settings=kept)
    given = fields.get("json_schema")
    schema = old.json_schema
    if given is not None:
        schema = _given_schema(new, given)
    elif "source_code" in fields or "source_type" in fields:
        schema = _as_schema(parse_source(new.source_code, new.source_type))
    if "description" in fields:
        schema = {**schema, "description": fields["description"]}
    new = msgspec.structs.replace(new, name=schema["name"], description=schema["description"], json_schema=schema)
    _check(new)
    return new


def _as_schema(source: ToolSource) -> dict[str, Any]:
    return {"name": source.name, "description": source.description, "parameters": source.parameters}


def _given_schema(record: ToolRecord, given: dict[str, Any]) -> dict[str, Any]:
    """A schema somebody gave instead of the derived one; the source must have a function of its name."""
    name, parameters = given.get("name"), given.get("parameters")
    if not isinstance(name, str) or not name:
        raise InvalidInput("json_schema needs a name: that of the function in the source")
    if not isinstance(parameters, dict) or not isinstance(parameters.get("properties"), dict):
        raise InvalidInput('json_schema needs parameters: {"type": "object", "properties": {...}}')
    description = given.get("description") or described(record.source_code, record.source_type, name)
    if not isinstance(description, str):
        raise InvalidInput("json_schema's description must be a text")
    return {"name": name, "description": description, "parameters": {"required": [], **parameters, "type": "object"}}


def _check(record: ToolRecord) -> None:
    if not 1 <= record.return_chars_max <= limits.TOOL_RETURN_CHARS_MAX:
        most = limits.TOOL_RETURN_CHARS_MAX
        raise InvalidInput(f"a tool returns 1 to {most:,} characters; {record.return_chars_max:,} is not possible")
    if not record.description:
        raise InvalidSource("a tool needs a description: write a docstring, or leave the description out")
    for what, size, maximum, unit in (
        ("a tool's description", len(record.description), limits.TOOL_DESCRIPTION_CHARS_MAX, "characters"),
        ("a tool's list of tags", len(record.tags), limits.TOOL_TAGS_MAX, "tags"),
        ("a tool's tag", max(map(len, record.tags), default=0), limits.TOOL_TAG_CHARS_MAX, "characters"),
        ("a tool's schema", len(_json(record.json_schema).encode()), limits.TOOL_SCHEMA_BYTES_MAX, "bytes"),
        ("a tool's metadata", len(_json(record.metadata).encode()), limits.TOOL_METADATA_BYTES_MAX, "bytes"),
    ):
        if size > maximum:
            raise LimitExceeded(what, size, maximum, unit)


def _values(record: ToolRecord) -> tuple[Any, ...]:
    values = [getattr(record, name) for name in COLUMNS]
    return tuple(_json(value) if isinstance(value, dict | list | ToolSettings) else value for value in values)


def _plan_replace(old: ToolRecord, new: ToolRecord, now_ms: int) -> tuple[ToolRecord, Changes]:
    """Put `new` in the place of `old` if nobody changed it since `old` was read (guard "tool")."""
    stored = msgspec.structs.replace(
        new, id=old.id, version=old.version + 1, created_at_ms=old.created_at_ms, updated_at_ms=now_ms
    )
    changes = Changes().guard(
        "tool",
        _UPDATE,
        stored.name,
        stored.tool_type,
        stored.description,
        stored.source_type,
        stored.source_code,
        _json(stored.json_schema),
        _json(stored.tags),
        stored.return_chars_max,
        _json(stored.metadata),
        _json(stored.settings),
        now_ms,
        old.tenant,
        old.id,
        old.version,
    )
    return stored, changes


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
