"""The tables a query reads, told apart from names it defines itself (common table expressions)."""

from collections.abc import Iterator

from sqlglot import exp

from kelpie.analyst.guard.dialects import Dialect
from kelpie.errors import QueryRefused


def base_tables(tree: exp.Query, dialect: Dialect, allowed: dict[str, str]) -> list[tuple[exp.Table, str]]:
    """Each place where a table is read, with the table's name as `allowed` spells it (folded name -> name).

    Raises QueryRefused for any other table.
    """
    return [(table, _name(table, dialect, allowed)) for table in _outside_ctes(tree, dialect, frozenset())]


def _name(table: exp.Table, dialect: Dialect, allowed: dict[str, str]) -> str:
    identifier = table.this
    if not isinstance(identifier, exp.Identifier):
        raise QueryRefused("table_function", f"a query reads tables, not the function {type(identifier).__name__}")
    name = dialect.fold(identifier)
    schema = table.args.get("db")
    in_reach = not table.catalog and (schema is None or dialect.fold(schema) in dialect.schemas)
    if not in_reach or name not in allowed:
        full = ".".join(part for part in (table.catalog, table.db, table.name) if part)
        known = ", ".join(sorted(allowed.values()))
        raise QueryRefused("table", f"the table '{full}' is not part of this semantic model; its tables are: {known}")
    return allowed[name]


def _outside_ctes(node: exp.Expr, dialect: Dialect, visible: frozenset[str]) -> Iterator[exp.Table]:
    """Every table that is not the name of a common table expression *in scope there*.

    A CTE is seen by later CTEs of its WITH and by the query under it; by itself only in the later branches of a
    recursive union. Where an engine sees more of them (SQLite, and PostgreSQL under RECURSIVE, earlier ones too), it
    reads a CTE where this says table: never the other way round.
    """
    if isinstance(node, exp.Table):
        if node.args.get("db") or node.args.get("catalog") or not _is_visible(node, dialect, visible):
            yield node
        for alias_or_join in node.iter_expressions():
            yield from _outside_ctes(alias_or_join, dialect, visible)
        return
    with_ = node.args.get("with_")
    if isinstance(with_, exp.With):
        for cte in with_.expressions:
            name = dialect.fold(cte.args["alias"].this)
            yield from _in_cte(cte, name, dialect, visible, recursive=bool(with_.args.get("recursive")))
            visible |= {name}
    for part in node.iter_expressions():
        if part is not with_:
            yield from _outside_ctes(part, dialect, visible)


def _is_visible(table: exp.Table, dialect: Dialect, visible: frozenset[str]) -> bool:
    return isinstance(table.this, exp.Identifier) and dialect.fold(table.this) in visible


def _in_cte(
    cte: exp.CTE, name: str, dialect: Dialect, visible: frozenset[str], *, recursive: bool
) -> Iterator[exp.Table]:
    body = cte.this
    inside = visible - {name}
    if recursive and isinstance(body, exp.Union):
        if body.args.get("with_") is not None:
            raise QueryRefused("nested_with", "a recursive query may not have a WITH of its own inside")
        yield from _outside_ctes(body.this, dialect, inside)
        yield from _outside_ctes(body.expression, dialect, inside | {name})
    else:
        yield from _outside_ctes(body, dialect, inside)
