"""How far a query's numbers can be trusted: verified, derived or unverified; and the check that decides it.

A check asks for the numbers of a metric query another way (deriving.py) and compares. It costs a few queries of about
the price of the one it checks, so by itself it is made only for queries that were quick; for others on request.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kelpie.analyst import limits, results
from kelpie.analyst.access.access import access_for
from kelpie.analyst.provenance.comparing import same_cell
from kelpie.analyst.provenance.executing import check_access, is_same_state, speaker_of
from kelpie.analyst.provenance.records import Label
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst
from kelpie.analyst.table import Snapshot, Table
from kelpie.errors import QueryFailed, QueryRefused
from umi.storage import Changes, View

_COLUMNS = "query_id, outcome, checks, created_at_ms"
_PUT = (
    "INSERT INTO analyst_check (tenant, query_id, outcome, checks, created_at_ms) SELECT ?1, ?2, ?3, ?4, ?5"
    " WHERE EXISTS (SELECT 1 FROM analyst_query WHERE tenant = ?1 AND id = ?2)"
    " ON CONFLICT (tenant, query_id) DO UPDATE SET outcome = excluded.outcome, checks = excluded.checks,"
    " created_at_ms = excluded.created_at_ms"
)
_OF_RUN = (
    "SELECT c.query_id, c.outcome, c.checks, c.created_at_ms FROM analyst_check c JOIN analyst_query q"
    " ON q.tenant = c.tenant AND q.id = c.query_id WHERE q.tenant = ? AND q.run_id = ?"
)
_ONE = f"SELECT {_COLUMNS} FROM analyst_check WHERE tenant = ? AND query_id = ?"


class ColumnCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one column. "open": it can't be had another way. A difference names its first row."""

    column: str
    outcome: Literal["agrees", "differs", "open"]
    how: str = ""
    row: int | None = None
    shown: Any = None
    found: Any = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a query, asked for another way. "agrees" only if those of every column do."""

    query_id: str
    outcome: Literal["agrees", "differs", "open"]
    columns: list[ColumnCheck]
    created_at_ms: int


def label_of(query: StoredQuery, check: Check | None, column: str = "") -> Label:
    """What is said of the numbers in `column` of the query, or without one of the count of its rows."""
    if query.basis.verified:
        return "verified"
    outcomes = {one.column: one.outcome for one in check.columns} if check is not None else {}
    if query.metric_query is None or "differs" in outcomes.values():
        return "unverified"
    return "verified" if outcomes.get(column) == "agrees" else "derived"


def is_cheap(query: StoredQuery) -> bool:
    """Whether a check is made without being asked for: what it adds to the answer is not felt."""
    return query.metric_query is not None and query.duration_ms <= limits.CHECK_QUERY_MS_MAX


async def check_query(analyst: Analyst, view: View, query: StoredQuery) -> Check:
    """Ask for the query's numbers another way, under the access of the one it was asked for.

    Raises NotFound (its model is gone), QueryRefused ("access_changed"); a source that fails leaves columns open.
    """
    columns: list[ColumnCheck] = []
    if query.metric_query is not None and query.verdict.outcome == "run":
        await check_access(view, query)
        columns = await _check_columns(analyst, view, query)
    outcomes = {column.outcome for column in columns}
    outcome: Literal["agrees", "differs", "open"] = "open"
    if "differs" in outcomes:
        outcome = "differs"
    elif outcomes == {"agrees"}:
        outcome = "agrees"
    return Check(query_id=query.id, outcome=outcome, columns=columns, created_at_ms=analyst.host.clock.now_ms())


async def _check_columns(analyst: Analyst, view: View, query: StoredQuery) -> list[ColumnCheck]:
    from kelpie.analyst.compile import compile_query, coverage_of
    from kelpie.analyst.guard import guard
    from kelpie.analyst.metric_query import MetricQuery
    from kelpie.analyst.provenance.deriving import Deriving
    from kelpie.analyst.semantic.model import SemanticModel

    loaded = await analyst.load(view, query.tenant, query.semantic_model_id)
    source = await analyst.open_source(loaded.connection)
    speaker = await speaker_of(view, query)
    access = await (await access_for(view, query.tenant, query.semantic_model_id, speaker)).over(source)
    coverage = coverage_of(await analyst.catalog(loaded, access))
    seen: list[Snapshot] = []

    async def ask(model: SemanticModel, asked: MetricQuery) -> Table:
        compiled = compile_query(model, asked, source.dialect, coverage)
        guarded = guard(compiled.sql, loaded.model.tables, dialect=source.dialect, access=access)
        table = await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)
        seen.append(table.snapshot or source.snapshot)
        return table

    deriving = Deriving(loaded.model, query, coverage, ask, dialect=source.dialect)
    found = []
    for column in query.columns:
        if column.kind == "metric":
            try:
                derived = await deriving.column(column.name)
            except (QueryRefused, QueryFailed):
                derived = None
            if derived is None:
                found.append(ColumnCheck(column=column.name, outcome="open"))
            else:
                found.append(_compared(query, column.name, derived.values, derived.how))
    if all(is_same_state(query.snapshot, one) and one.certain for one in seen):
        return found
    # The data moved on between the query and its check, or may have: a difference says nothing.
    return [one if one.outcome == "agrees" else ColumnCheck(column=one.column, outcome="open") for one in found]


def _compared(query: StoredQuery, column: str, values: Mapping[tuple[Any, ...], Any], how: str) -> ColumnCheck:
    from kelpie.analyst.provenance.deriving import shown

    for row, (key, cell) in enumerate(shown(query, column).items()):
        found = values.get(key)
        # Nothing to add up is null in some formulations and 0 in others.
        if not same_cell(cell, found) and not (cell in (None, 0) and found in (None, 0)):
            return ColumnCheck(
                column=column,
                outcome="differs",
                how=how,
                row=row,
                shown=cell,
                found=None if found is None else str(found),
            )
    return ColumnCheck(column=column, outcome="agrees", how=how)


# ---- rows


def plan_check(query: StoredQuery, check: Check) -> Changes:
    """Keep it in the place of an earlier one. Nothing, if the query was deleted since."""
    columns = msgspec.json.encode(check.columns).decode()
    return Changes().write(_PUT, query.tenant, query.id, check.outcome, columns, check.created_at_ms)


async def check_of(view: View, tenant: str, query_id: str) -> Check | None:
    row = await view.one(_ONE, tenant, query_id)
    return None if row is None else _from_row(row)


async def checks_of_run(view: View, tenant: str, run_id: str) -> dict[str, Check]:
    """By query id."""
    return {row[0]: _from_row(row) for row in await view.fetch(_OF_RUN, tenant, run_id)}


async def checked(analyst: Analyst, view: View, tenant: str, query_id: str) -> tuple[Check, Changes]:
    """Check a stored query now. Raises NotFound, QueryRefused."""
    query = await results.query_by_id(view, tenant, query_id)
    check = await check_query(analyst, view, query)
    return check, plan_check(query, check)


def _from_row(row: tuple[Any, ...]) -> Check:
    query_id, outcome, columns, created_at_ms = row
    return Check(
        query_id=query_id,
        outcome=outcome,
        columns=msgspec.json.decode(columns, type=list[ColumnCheck]),
        created_at_ms=created_at_ms,
    )
