"""A record for each number of an answer: all that it takes to ask for it again, and what it stood on."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from kelpie.analyst.provenance.numbers import NumberLink, Numbers, hold
from kelpie.analyst.results import StoredQuery
from kelpie.errors import NumberWithoutSource

Label = Literal["verified", "derived", "unverified"]


class NumberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A number, its cell, and what the cell stands on.

    text, start, end  the number as the answer writes it, and where
    kind, row, column the cell, or the count of the rows ("row_count")
    value             what the source gave, not rounded; None of a count's
    keys              the members and the period of the number's row: they find it again in a later result
    formula           the metric's definition, how the column was computed, or the SQL's own name for it
    rows_read         how many rows the query gave
    label             "verified": re-derived another way, or SQL that a person vouches for; "derived": from the
                      semantic model's definitions; "unverified": from SQL that nobody has checked
    """

    text: str
    start: int
    end: int
    query_id: str
    kind: Literal["cell", "row_count"]
    row: int
    column: str
    value: Any
    keys: dict[str, Any]
    formula: str
    sql: str
    rows_read: int
    connection_id: str
    connection: str
    engine: str
    snapshot: dict[str, Any]
    semantic_model_id: str
    semantic_model: str
    model_version: str
    access_rules: list[str]
    withheld: list[str]
    person: str | None
    name: str
    asked_at_ms: int
    duration_ms: float
    label: Label


def records_of(
    text: str, numbers: Numbers, queries: Sequence[StoredQuery], label: Callable[[StoredQuery, str], Label]
) -> list[NumberRecord]:
    """The records of all numbers of `text`. `label` of a query's column, "" for the count of its rows.

    Raises NumberWithoutSource for a number whose link or query is missing, or whose cell says something else.
    """
    by_id = {query.id: query for query in queries}
    for link in numbers.links:
        if link.query_id not in by_id:
            raise NumberWithoutSource(
                link.text, f"the query behind the number {link.text} is gone ({link.query_id}); it is not shown"
            )
    hold(text, numbers, [query.table for query in queries])
    return [_record(link, by_id[link.query_id], label(by_id[link.query_id], link.column)) for link in numbers.links]


def _record(link: NumberLink, query: StoredQuery, label: Label) -> NumberRecord:
    is_cell = link.kind == "cell"
    return NumberRecord(
        text=link.text,
        start=link.start,
        end=link.end,
        query_id=query.id,
        kind=link.kind,
        row=link.row,
        column=link.column,
        value=query.rows[link.row][query.table.place(link.column)] if is_cell else query.row_count,
        keys=keys_of(query, query.rows[link.row]) if is_cell else {},
        formula=_formula(link, query),
        sql=query.sql,
        rows_read=query.row_count,
        connection_id=query.connection_id,
        connection=query.basis.connection,
        engine=query.basis.engine,
        snapshot=query.snapshot,
        semantic_model_id=query.semantic_model_id,
        semantic_model=query.basis.semantic_model,
        model_version=query.basis.model_version,
        access_rules=query.verdict.access_rules,
        withheld=query.verdict.withheld,
        person=query.basis.person,
        name=query.basis.name,
        asked_at_ms=query.created_at_ms,
        duration_ms=query.duration_ms,
        label=label,
    )


def keys_of(query: StoredQuery, row: Sequence[Any]) -> dict[str, Any]:
    """What tells the row from others: its members and its period; of plain SQL what is not a number."""
    return {
        column.name: cell
        for column, cell in zip(query.columns, row, strict=True)
        if column.kind in ("dimension", "time")
        or (column.kind == "value" and (not isinstance(cell, int | float) or isinstance(cell, bool)))
    }


def _formula(link: NumberLink, query: StoredQuery) -> str:
    if link.kind == "row_count":
        return "the number of rows"
    basis = query.basis.columns.get(link.column)
    return basis.formula if basis is not None else f"the column '{link.column}' of the SQL"
