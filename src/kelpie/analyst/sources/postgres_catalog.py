"""What a PostgreSQL server says of itself: tables, keys and comments of the schema that is first in the search path,
and what the role may do beyond reading them."""

from typing import TYPE_CHECKING, Any

from kelpie.analyst.sources.postgres_types import kind_of
from kelpie.analyst.sources.queries import within_columns
from kelpie.analyst.sources.source import ForeignKey, SourceColumn, SourceTable

if TYPE_CHECKING:
    from psycopg import AsyncCursor

_HERE = """
c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_TABLES = f"""
SELECT c.oid, c.relname::text, coalesce(obj_description(c.oid, 'pg_class'), ''),
    CASE WHEN c.relkind <> 'v' AND c.reltuples >= 0 THEN c.reltuples::bigint END
FROM pg_class c WHERE {_HERE} AND has_any_column_privilege(c.oid, 'SELECT')
ORDER BY c.relname
"""
_COLUMNS = f"""
SELECT c.oid, a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), ''),
    CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END::bigint, t.typcategory
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE {_HERE} AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.oid, a.attnum
"""
_NAMES = """
(SELECT array_agg(a.attname::text ORDER BY n.place) FROM unnest({numbers}) WITH ORDINALITY n(number, place)
    JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = n.number)
"""
_KEYS = f"""
SELECT c.oid, {_NAMES.format(numbers="i.indkey::int2[]", table="c.oid")}
FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid
WHERE {_HERE} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND i.indnkeyatts = i.indnatts
ORDER BY c.oid, i.indisprimary DESC, i.indexrelid
"""
_FOREIGN_KEYS = f"""
SELECT c.oid, {_NAMES.format(numbers="k.conkey", table="c.oid")}, target.relname::text,
    {_NAMES.format(numbers="k.confkey", table="target.oid")}
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
    JOIN pg_class target ON target.oid = k.confrelid AND target.relnamespace = c.relnamespace
WHERE {_HERE}
ORDER BY c.oid, k.conname
"""
_ROLE = """
SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
    has_schema_privilege(current_schema(), 'CREATE')
FROM pg_roles WHERE rolname = current_user
"""
_MAY = (
    "is a superuser: it may read and write files of the server and end other people's queries",
    "may make and change roles",
    "may create databases",
    "may copy the whole server by replication",
    "sees rows past row level security",
    "may create tables in the schema",
)
_WRITES = f"""
SELECT c.relname::text FROM pg_class c
WHERE {_HERE} AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
ORDER BY c.relname
"""
_MEMBER = """
SELECT r.rolname::text FROM pg_roles r
WHERE r.rolname IN ('pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program',
    'pg_signal_backend') AND pg_has_role(current_user, r.oid, 'MEMBER')
ORDER BY r.rolname
"""


async def tables(cursor: "AsyncCursor[Any]") -> list[SourceTable]:
    """Tables and views with what the role may read of them."""
    columns: dict[int, list[SourceColumn]] = {}
    for oid, name, word, comment, type_oid, category in within_columns(await _rows(cursor, _COLUMNS)):
        column = SourceColumn(name=name, type=word, kind=kind_of(type_oid, category), comment=comment)
        columns.setdefault(oid, []).append(column)
    keys: dict[int, list[list[str]]] = {}
    for oid, names in await _rows(cursor, _KEYS):
        keys.setdefault(oid, []).append(names)
    foreign_keys: dict[int, list[ForeignKey]] = {}
    for oid, names, target, target_names in await _rows(cursor, _FOREIGN_KEYS):
        key = ForeignKey(columns=names, target=target, target_columns=target_names)
        foreign_keys.setdefault(oid, []).append(key)
    return [
        SourceTable(
            name=name,
            columns=columns.get(oid, []),
            row_count=row_count,
            comment=comment,
            keys=keys.get(oid, []),
            foreign_keys=foreign_keys.get(oid, []),
        )
        for oid, name, comment, row_count in await _rows(cursor, _TABLES)
    ]


async def beyond_reading(cursor: "AsyncCursor[Any]") -> list[str]:
    """What the role may do and a reader need not, a sentence each."""
    ((*may,),) = await _rows(cursor, _ROLE)
    found = [f"the role {said}" for said, it_may in zip(_MAY, may, strict=True) if it_may]
    if may[0]:  # all that follows is said with it
        return found
    writes = [row[0] for row in await _rows(cursor, _WRITES)]
    if writes:
        named = ", ".join(writes[:5]) + (f" and {len(writes) - 5} more" if len(writes) > 5 else "")
        found.append(f"the role may change the rows of {named}")
    return found + [f"the role is a member of {row[0]}" for row in await _rows(cursor, _MEMBER)]


async def _rows(cursor: "AsyncCursor[Any]", sql: str) -> list[tuple[Any, ...]]:
    return await (await cursor.execute(sql.encode())).fetchall()
