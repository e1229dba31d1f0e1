"""What a model may read: a connection's sharing level, held to wherever a tool's words go into a prompt.

A language model's prompt leaves this process, so the level decides what is in it. `kelpie/planner` is our own code in
this process and reads everything; people see every result whole, whatever the level.

rows        everything
aggregates  numbers of metrics, values of dimensions that list them; of other SQL only sums, counts and the like.
            An aggregate of one row is that row's value: the level keeps texts from the model, not every number
schema      names and types: no cell, no day of the data, no text an engine writes about a value
"""

import re
from typing import Any

import msgspec

from kelpie.analyst.catalog import Catalog
from kelpie.analyst.connections import Connection, Sharing
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.analyst.table import ResultColumn

PLANNER_HANDLE = "kelpie/planner"

_ROWS_WITHHELD = "rows are withheld from the model by the connection's sharing level; they are shown to the person"
_SOME_WITHHELD = (
    "cells that read [withheld] are kept from the model by the connection's sharing level; the person sees them"
)
# What engines say of names, not of values: only such a line is passed on.
_OF_NAMES = re.compile(
    r"[^\n:]*: (?:(?:Binder|Catalog) Error: )?(?:"
    r"Referenced (?:column|table) \"\w{1,64}\" not found.*|Table with name \w{1,64} does not exist!?"
    r"|no such (?:column|table|function): [\w.]{1,130}|(?:column|relation) \"?[\w.]{1,130}\"? does not exist"
    r"|Unknown column '[\w.]{1,130}' in '[\w ]{1,30}')"
)


def level_for(model_handle: str, connection: Connection) -> Sharing:
    """The level that holds for what the model of this handle reads; an unknown model is a language model."""
    return "rows" if model_handle == PLANNER_HANDLE else connection.sharing


def shared_catalog(catalog: Catalog, level: Sharing) -> Catalog:
    """As much of it as the level lets through. Dimensions that may be listed come with their values in it already."""
    if level != "schema":
        return catalog
    return msgspec.structs.replace(
        catalog,
        metrics=[msgspec.structs.replace(metric, first="", last="") for metric in catalog.metrics],
        dimensions=[msgspec.structs.replace(one, values=[], complete=False) for one in catalog.dimensions],
        times=[msgspec.structs.replace(axis, first="", last="") for axis in catalog.times],
    )


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a result. `withheld` says what is not, "" if everything is there."""

    columns: list[ResultColumn]
    rows: list[list[Any]]
    withheld: str = ""


def shared_result(query: StoredQuery, level: Sharing, model: SemanticModel, dialect: str) -> Shared:
    """As much of a result as the level lets through: all rows, the cells that may be read, or none."""
    if level == "rows":
        return Shared(columns=query.columns, rows=query.rows)
    if level == "schema":
        return Shared(columns=query.columns, rows=[], withheld=_ROWS_WITHHELD)
    if query.metric_query is None:
        places = _aggregate_places(query, dialect)
        if not places:
            return Shared(columns=query.columns, rows=[], withheld=_ROWS_WITHHELD)
    else:
        places = {place for place, column in enumerate(query.columns) if _may_be_read(column, model)}
    if len(places) == len(query.columns):
        return Shared(columns=query.columns, rows=query.rows)
    rows = [[cell if place in places else "[withheld]" for place, cell in enumerate(row)] for row in query.rows]
    return Shared(columns=query.columns, rows=rows, withheld=_SOME_WITHHELD)


def shared_error(message: str, level: Sharing) -> str:
    """What a source said of a query that failed: an engine may quote the value that it stumbled over."""
    first = message.split("\n", 1)[0]
    if level == "rows":
        return message
    if _OF_NAMES.fullmatch(first):
        return first
    return "the data source refused the query; what it said is withheld by the connection's sharing level"


def _may_be_read(column: ResultColumn, model: SemanticModel) -> bool:
    """Whether a metric query's column holds numbers, periods, or values that the semantic model lists."""
    if column.kind != "dimension":
        return True
    dimension = model.dimension(column.name)
    return dimension is not None and dimension.list_values


def _aggregate_places(query: StoredQuery, dialect: str) -> set[int]:
    """The columns of a query in SQL that are numbers aggregated from rows; all others may hold what is in a row."""
    from kelpie.analyst.sharing.aggregates import aggregates_of

    found = aggregates_of(query.sql, dialect)
    if len(found) != len(query.columns):
        return set()
    return {place for place, fits in enumerate(found) if fits and all(_is_number(row[place]) for row in query.rows)}


def _is_number(cell: Any) -> bool:
    return cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool))
