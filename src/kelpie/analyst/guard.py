"""The SQL guard: decides on the parsed statement, before a data source sees it, and fails closed.

What runs is not the text that came in but the tree that was checked, written out again. A node the guard does not
know is refused. It is the first of two walls; the second is the engine's own (duckdb_source.py).
"""

import logging
from collections.abc import Collection, Iterator

import msgspec
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from kelpie.analyst import limits
from kelpie.analyst.guard_functions import ANONYMOUS_ALLOWED, TYPED_ALLOWED
from kelpie.errors import QueryRefused

DIALECT = "duckdb"

# sqlglot logs the statements it finds odd, with their text: what people ask does not belong in a log.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

# Parts of a query beside conditions and functions. Everything that is in neither is refused, known or not.
_CLAUSES = (
    exp.Alias, exp.AtTimeZone, exp.CTE, exp.Comprehension, exp.Cube, exp.DataType, exp.DataTypeParam, exp.Distinct,
    exp.Except, exp.Filter, exp.From, exp.Group, exp.GroupingSets, exp.Having, exp.Identifier, exp.IgnoreNulls,
    exp.Intersect, exp.Interval, exp.JSONPath, exp.JSONPathKey, exp.JSONPathPart, exp.JSONPathRoot,
    exp.JSONPathSubscript, exp.Join, exp.Lambda, exp.Limit, exp.Offset, exp.Order, exp.Ordered, exp.Qualify,
    exp.RespectNulls, exp.Rollup, exp.Select, exp.Slice, exp.Star, exp.Subquery, exp.Table, exp.TableAlias, exp.Tuple,
    exp.Union, exp.Values, exp.Var, exp.Where, exp.WindowSpec, exp.With, exp.WithinGroup,
)  # fmt: skip
_CONDITIONS_REFUSED = (exp.Parameter, exp.Placeholder, exp.SessionParameter, exp.Pseudocolumn, exp.NestedJSONSelect)
_WRITES = (exp.DDL, exp.DML, exp.Into, exp.Returning, exp.Drop, exp.Alter, exp.TruncateTable, exp.Copy)
_RELATIONS = (exp.Table, exp.Subquery, exp.Values)


class Guarded(msgspec.Struct, frozen=True):
    """A query that may run: its SQL as it will run, and the tables it reads, sorted."""

    sql: str
    tables: list[str]


def guard(sql: str, tables: Collection[str], rows_max: int = limits.QUERY_ROWS_MAX) -> Guarded:
    """The query with a row limit of at most `rows_max + 1` (one more, so that a cut result shows), or QueryRefused.

    tables  the names it may read, all in the main schema
    """
    try:
        allowed = {name.lower() for name in tables}
        tree = _only_statement(sql)
        _checked_tables(tree, allowed)
        written = _written(_limited(tree, rows_max + 1))
        # The engine will read the text, not the tree: what was written must read back as the same harmless query.
        again = _only_statement(written)
        read = _checked_tables(again, allowed)
        if _written(again) != written:
            raise QueryRefused("not_stable", "the query reads differently once it is written out; write it plainer")
        return Guarded(written, sorted(read))
    except RecursionError as error:
        raise QueryRefused("too_deep", "the query is nested too deeply to be checked; write it flatter") from error


def _only_statement(sql: str) -> exp.Query:
    if len(sql) > limits.SQL_CHARS_MAX:
        raise QueryRefused("too_long", f"the query has {len(sql):,} characters; at most {limits.SQL_CHARS_MAX:,}")
    try:
        parsed = sqlglot.parse(sql, dialect=DIALECT)
        statements = [one for one in parsed if one is not None and not isinstance(one, exp.Semicolon)]
    except (SqlglotError, ValueError, TypeError, AttributeError) as error:
        # sqlglot meets some malformed input with errors of its own code; not understood is refused all the same.
        reason = str(error).split("\n", 1)[0][:300] if isinstance(error, SqlglotError) else type(error).__name__
        raise QueryRefused("not_understood", f"the query can't be parsed: {_plain(reason)}") from error
    if len(statements) != 1:
        raise QueryRefused("one_statement", f"send exactly one query, not {len(statements)}")
    statement = statements[0]
    if not isinstance(statement, exp.Select | exp.SetOperation | exp.Subquery):
        raise QueryRefused("query_only", f"only a SELECT query may run, not {_name(statement)}")
    return statement


def _checked_tables(tree: exp.Query, allowed: set[str]) -> set[str]:
    """The tables the query reads, once every part of it has been found harmless."""
    for node in tree.walk():
        _check_node(node)
    return {_check_table(table, allowed) for table in _tables_outside_ctes(tree, frozenset())}


def _written(tree: exp.Query) -> str:
    return tree.sql(dialect=DIALECT, comments=False)


def _check_node(node: exp.Expr) -> None:
    if isinstance(node, _WRITES):
        raise QueryRefused("no_writes", f"a query may not write or define anything ({_name(node)})")
    if isinstance(node, exp.Func):
        _check_function(node)
        return
    if isinstance(node, exp.From | exp.Join) and not isinstance(node.this, _RELATIONS):
        raise QueryRefused("tables_only", f"a query reads tables and subqueries, not {_name(node.this)}")
    known = isinstance(node, _CLAUSES) or (
        isinstance(node, exp.Condition) and not isinstance(node, _CONDITIONS_REFUSED)
    )
    if not known:
        raise QueryRefused("unknown_construct", f"{_name(node)} is not among the parts a query may have")


def _check_function(node: exp.Func) -> None:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        name, allowed = str(node.this).lower(), str(node.this).lower() in ANONYMOUS_ALLOWED
    else:
        name, allowed = node.sql_name().lower(), _name(node) in TYPED_ALLOWED
    if not allowed:
        raise QueryRefused(
            "function",
            f"the function {name}() is not among those a query may call; what reads files, makes rows, tells about the"
            " server or changes from call to call is left out",
        )


def _check_table(table: exp.Table, allowed: set[str]) -> str:
    if not isinstance(table.this, exp.Identifier):
        raise QueryRefused("table_function", f"a query reads tables, not the function {_name(table.this)}")
    name = table.name.lower()
    if table.catalog or table.db.lower() not in ("", "main") or name not in allowed:
        full = ".".join(part for part in (table.catalog, table.db, table.name) if part)
        known = ", ".join(sorted(allowed))
        raise QueryRefused("table", f"the table '{full}' is not part of this semantic model; its tables are: {known}")
    return name


def _tables_outside_ctes(node: exp.Expr, visible: frozenset[str]) -> Iterator[exp.Table]:
    """Every table that is not the name of a common table expression *in scope there*.

    A CTE is seen by later CTEs of its WITH and by the query under it; by itself only in the later branches of a
    recursive union, because elsewhere the engine would read a real table of that name.
    """
    if isinstance(node, exp.Table):
        if node.db or node.catalog or node.name.lower() not in visible:
            yield node
        for alias_or_join in node.iter_expressions():
            yield from _tables_outside_ctes(alias_or_join, visible)
        return
    with_ = node.args.get("with_")
    if isinstance(with_, exp.With):
        for cte in with_.expressions:
            name = cte.alias.lower()
            yield from _tables_in_cte(cte, name, visible, recursive=bool(with_.args.get("recursive")))
            visible |= {name}
    for part in node.iter_expressions():
        if part is not with_:
            yield from _tables_outside_ctes(part, visible)


def _tables_in_cte(cte: exp.CTE, name: str, visible: frozenset[str], *, recursive: bool) -> Iterator[exp.Table]:
    body = cte.this
    inside = visible - {name}
    if recursive and isinstance(body, exp.Union):
        if body.args.get("with_") is not None:
            raise QueryRefused("nested_with", "a recursive query may not have a WITH of its own inside")
        yield from _tables_outside_ctes(body.this, inside)
        yield from _tables_outside_ctes(body.expression, inside | {name})
    else:
        yield from _tables_outside_ctes(body, inside)


def _limited(tree: exp.Query, rows_max: int) -> exp.Query:
    found = tree.args.get("limit")
    if found is None:
        return tree.limit(rows_max, copy=True)
    count = found.expression if isinstance(found, exp.Limit) else None
    if not isinstance(count, exp.Literal) or count.is_string or not count.name.isdigit():
        raise QueryRefused("limit", "LIMIT must be a plain number")
    return tree if int(count.name) <= rows_max else tree.limit(rows_max, copy=True)


def _name(node: object) -> str:
    return type(node).__name__


def _plain(text: str) -> str:
    """Without the terminal colours sqlglot marks the place with."""
    return text.replace("\x1b[4m", "").replace("\x1b[0m", "")
