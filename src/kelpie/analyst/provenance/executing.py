"""Asking the source again, word for word: a number is the same, stale because the data changed, or a bug's alarm.

What runs is the SQL as it ran, with the access rules of then written into it. It runs only while those rules still are
the ones that hold for the person it was asked for: a right that was taken away must not live on in an old query.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kelpie.analyst import limits, results
from kelpie.analyst.access.access import access_for
from kelpie.analyst.provenance.basis import rules_over
from kelpie.analyst.provenance.comparing import first_difference, same_cell
from kelpie.analyst.provenance.records import NumberRecord, keys_of
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.analyst.table import Snapshot, Table
from kelpie.errors import InvalidInput, QueryRefused
from kelpie.people.resolving import resolve
from kelpie.people.speaker import Speaker
from umi.storage import View

Outcome = Literal["same", "stale", "differs"]


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """A query asked again. `same`: equal rows in equal order; `first_difference` is a row from 0, or None.

    stale    the data may have changed since the first time, so that a difference is no mistake
    outcome  "same"; "stale" if the data changed, whatever the rows; "differs": the same data, other rows: a bug
    """

    query_id: str
    outcome: Outcome
    same: bool
    stale: bool
    first_difference: int | None
    table: Table


class Reexecuted(msgspec.Struct, frozen=True, kw_only=True):
    """A number asked for again. `value` is what the source gives now, None if its row is gone."""

    text: str
    query_id: str
    row: int
    column: str
    outcome: Outcome
    before: Any
    value: Any


async def rerun(analyst: Analyst, view: View, tenant: str, query_id: str) -> Rerun:
    """Run a stored query again and compare.

    Raises NotFound (also if its semantic model is gone), InvalidInput if it never ran, QueryFailed, and QueryRefused:
    "access_changed" if other access rules hold now for the person it was asked for.
    """
    return await _rerun(analyst, view, await results.query_by_id(view, tenant, query_id))


async def _rerun(analyst: Analyst, view: View, query: StoredQuery) -> Rerun:
    if query.verdict.outcome != "run":
        raise InvalidInput(f"{query.id} was {query.verdict.outcome}: there is no result to compare with")
    loaded = await analyst.load(view, query.tenant, query.semantic_model_id)
    await check_access(view, query)
    table, snapshot = await run_stored(analyst, loaded, query.sql)
    difference = first_difference(query.rows, table.rows)
    changed = not is_same_state(query.snapshot, snapshot)
    # A source that can't tell every change may have changed unseen; a difference is then no alarm.
    unsure = difference is not None and not snapshot.certain
    outcome: Outcome = "stale" if changed or unsure else "same" if difference is None else "differs"
    return Rerun(
        query_id=query.id,
        outcome=outcome,
        same=difference is None,
        stale=changed or unsure,
        first_difference=difference,
        table=table,
    )


async def reexecute(analyst: Analyst, view: View, tenant: str, records: Sequence[NumberRecord]) -> list[Reexecuted]:
    """Ask for every number again, each query once. Raises as `rerun`."""
    reruns: dict[str, tuple[StoredQuery, Rerun]] = {}
    found = []
    for record in records:
        if record.query_id not in reruns:
            query = await results.query_by_id(view, tenant, record.query_id)
            reruns[query.id] = query, await _rerun(analyst, view, query)
        found.append(_reexecuted(record, *reruns[record.query_id]))
    return found


def _reexecuted(record: NumberRecord, query: StoredQuery, again: Rerun) -> Reexecuted:
    value = _value_now(record, query, again.table)
    outcome: Outcome = "stale" if again.stale else "same" if same_cell(record.value, value) else "differs"
    return Reexecuted(
        text=record.text,
        query_id=record.query_id,
        row=record.row,
        column=record.column,
        outcome=outcome,
        before=record.value,
        value=value,
    )


def _value_now(record: NumberRecord, query: StoredQuery, table: Table) -> Any:
    """The cell of the row with the same members and period; rows may have moved where data changed."""
    if record.kind == "row_count":
        return len(table.rows)
    place = query.table.place(record.column)
    if record.row < len(table.rows) and keys_of(query, table.rows[record.row]) == record.keys:
        return table.rows[record.row][place]
    return next((row[place] for row in table.rows if keys_of(query, row) == record.keys), None)


async def run_stored(analyst: Analyst, loaded: LoadedModel, sql: str) -> tuple[Table, Snapshot]:
    """The result of SQL that ran before, and the state of the data it saw. Raises QueryRefused, QueryFailed."""
    from kelpie.analyst.guard import guard

    source = await analyst.open_source(loaded.connection)
    guarded = guard(sql, loaded.model.tables, dialect=source.dialect)
    table = await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)
    return table, table.snapshot or source.snapshot


async def check_access(view: View, query: StoredQuery) -> None:
    """Raise QueryRefused unless the access rules written into the query are those that hold now for whom it was."""
    speaker = await speaker_of(view, query)
    access = await access_for(view, query.tenant, query.semantic_model_id, speaker)
    if rules_over(access, query.verdict.tables) != query.basis.access:
        raise QueryRefused(
            "access_changed",
            f"other access rules hold now than when {query.id} was asked: ask the question again",
        )


async def speaker_of(view: View, query: StoredQuery) -> Speaker:
    """For whom the query was asked, with the teams they are in now. Raises NotFound if they are gone."""
    basis = query.basis
    if basis.person is not None:
        return await resolve(view, query.tenant, basis.person)
    return Speaker(None, basis.name, tuple(basis.teams))


def is_same_state(before: dict[str, Any], now: Snapshot) -> bool:
    """Whether a stored query's snapshot is this one."""
    return (before.get("where"), before.get("state")) == (now.where, now.state)
