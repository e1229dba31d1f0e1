"""The same question asked of a second source: two engines, two copies, and the first row where they part."""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.analyst import connections, limits, results
from kelpie.analyst.access.access import access_for
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.connections import Connection
from kelpie.analyst.provenance.comparing import same_row
from kelpie.analyst.provenance.executing import check_access, speaker_of
from kelpie.analyst.provenance.records import keys_of
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.analyst.sources.source import Source
from kelpie.analyst.table import Table
from kelpie.errors import InvalidInput, QueryRefused
from umi.storage import View


class Crossed(msgspec.Struct, frozen=True, kw_only=True):
    """`here` is the row of the stored result, `there` that of the other source; None where one of them has no such
    row. `keys` name it. `order_differs`: the same rows in another order, as engines sort texts differently."""

    query_id: str
    connection_id: str
    engine: str
    same: bool
    rows_here: int
    rows_there: int
    order_differs: bool = False
    keys: dict[str, Any] = {}
    here: list[Any] | None = None
    there: list[Any] | None = None
    sql: str = ""


async def cross_check(analyst: Analyst, view: View, tenant: str, query_id: str, connection_id: str) -> Crossed:
    """Ask `connection_id` what the stored query asked its own source, in that engine's SQL, under the same access.

    Raises NotFound, InvalidInput (it never ran; its SQL can't be said in the other dialect), QueryRefused, QueryFailed.
    """
    query = await results.query_by_id(view, tenant, query_id)
    if query.verdict.outcome != "run":
        raise InvalidInput(f"{query.id} was {query.verdict.outcome}: there is no result to compare with")
    await check_access(view, query)
    loaded = await analyst.load(view, tenant, query.semantic_model_id)
    other = await connections.get(view, tenant, connection_id)
    source = await analyst.open_source(other)
    sql, table = await _ask(analyst, view, loaded, query, source)
    return _crossed(query, other, sql, table)


async def _ask(
    analyst: Analyst, view: View, loaded: LoadedModel, query: StoredQuery, source: Source
) -> tuple[str, Table]:
    from kelpie.analyst.guard import guard

    speaker = await speaker_of(view, query)
    access = await (await access_for(view, query.tenant, query.semantic_model_id, speaker)).over(source)
    own = await analyst.open_source(loaded.connection)
    catalog = await analyst.catalog(loaded, access)
    sql = _in_dialect(loaded, query, catalog, own.dialect, source.dialect)
    guarded = guard(sql, loaded.model.tables, dialect=source.dialect, access=access)
    return guarded.sql, await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)


def _in_dialect(loaded: LoadedModel, query: StoredQuery, catalog: Catalog, own: str, other: str) -> str:
    """A metric query is compiled for the other engine; SQL is translated, as it was before access rules."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    from kelpie.analyst.compile import compile_query, coverage_of
    from kelpie.analyst.metric_query import MetricQuery

    if query.metric_query is not None:
        asked = msgspec.convert(query.metric_query, MetricQuery)
        return compile_query(loaded.model, asked, other, coverage_of(catalog)).sql
    try:
        return sqlglot.transpile(
            query.basis.asked or query.sql, read=own, write=other, unsupported_level=sqlglot.ErrorLevel.RAISE
        )[0]
    except SqlglotError as error:
        raise InvalidInput(f"{query.id} can't be said in the SQL of {other}: {str(error).splitlines()[0]}") from error


def _crossed(query: StoredQuery, other: Connection, sql: str, table: Table) -> Crossed:
    found = Crossed(
        query_id=query.id,
        connection_id=other.id,
        engine=other.engine,
        same=True,
        rows_here=len(query.rows),
        rows_there=len(table.rows),
        sql=sql,
    )
    if len(table.columns) != len(query.columns):
        raise QueryRefused(
            "columns", f"{other.name} answers with {len(table.columns)} columns, not {len(query.columns)}"
        )
    by_keys: dict[bytes, list[list[Any]]] = {}
    for row in table.rows:
        by_keys.setdefault(_key(query, row), []).append(row)
    for row in query.rows:
        matches = by_keys.get(_key(query, row), [])
        twin = next((other_row for other_row in matches if same_row(row, _as(row, other_row))), None)
        if twin is None:
            there = matches[0] if matches else None
            return msgspec.structs.replace(found, same=False, keys=keys_of(query, row), here=row, there=there)
        matches.remove(twin)
    left = [row for rows in by_keys.values() for row in rows]
    if left:
        return msgspec.structs.replace(found, same=False, keys=keys_of(query, left[0]), there=left[0])
    in_order = all(same_row(row, _as(row, twin)) for row, twin in zip(query.rows, table.rows, strict=True))
    return msgspec.structs.replace(found, order_differs=not in_order)


def _key(query: StoredQuery, row: Sequence[Any]) -> bytes:
    return msgspec.json.encode([_plain(cell) for cell in keys_of(query, row).values()])


def _as(row: Sequence[Any], twin: Sequence[Any]) -> list[Any]:
    """The twin's cells, spelt as those of `row` where only the engine's spelling differs."""
    return [mine if _plain(mine) == _plain(its) else its for mine, its in zip(row, twin, strict=True)]


def _plain(cell: Any) -> Any:
    """Booleans are 0 and 1 in some engines, days carry a midnight in others."""
    if isinstance(cell, bool):
        return int(cell)
    if isinstance(cell, str) and cell.endswith("T00:00:00"):
        return cell.removesuffix("T00:00:00")
    return cell
