"""guard: a text in, a query that may run out, or QueryRefused with the rule it broke."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import msgspec
from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.access.access import OPEN, Access
from kelpie.analyst.guard.dialects import Dialect, dialect_of
from kelpie.analyst.guard.parts import check_parts
from kelpie.analyst.guard.reading import Reading, check_nothing_lost, read, write
from kelpie.analyst.guard.rewriting import Policy
from kelpie.analyst.guard.tables import base_tables
from kelpie.errors import QueryRefused


class Guarded(msgspec.Struct, frozen=True):
    """A query that may run.

    sql       the text as it will run: the checked tree, written out
    tables    the tables it reads, sorted
    withheld  what access rules keep back from the one who asks, in words
    rules     ids of the access rules that had a part in it
    """

    sql: str
    tables: list[str]
    withheld: list[str] = []
    rules: list[str] = []


def guard(
    sql: str,
    tables: Collection[str],
    rows_max: int = limits.QUERY_ROWS_MAX,
    *,
    dialect: str = "duckdb",
    access: Access = OPEN,
) -> Guarded:
    """The query with a row limit of at most `rows_max + 1` (one more, so that a cut result shows), or QueryRefused.

    tables   the names it may read, as the catalogue spells them
    dialect  "duckdb", "sqlite", "postgres" or "mysql" (MariaDB too)
    access   what holds for the one who asks: each table it restricts becomes a subquery with the allowed rows only,
             masked columns are NULL in it, and naming one is refused
    """
    engine = dialect_of(dialect)
    allowed = {engine.fold_name(name): name for name in tables}
    try:
        reading = read(sql, engine)
        check_parts(reading.tree, engine)
        policy = Policy(reading.tree, base_tables(reading.tree, engine, allowed), access, engine)
        policy.apply()
        reading = _limited(reading, rows_max + 1)
        return _read_back(write(reading.tree, engine), reading, allowed, policy, engine)
    except RecursionError as error:
        raise QueryRefused("too_deep", "the query is nested too deeply to be checked; write it flatter") from error


def _read_back(written: str, meant: Reading, allowed: dict[str, str], policy: Policy, engine: Dialect) -> Guarded:
    """The engine will read the text, not the tree: what was written must read as the same harmless query."""
    again = read(written, engine)
    check_parts(again.tree, engine)
    found = base_tables(again.tree, engine, allowed)
    policy.check_holds(found)
    check_nothing_lost(meant, again, engine)
    if write(again.tree, engine) != written:
        raise QueryRefused("not_stable", "the query reads differently once it is written out; write it plainer")
    return Guarded(written, sorted({name for _, name in found}), policy.withheld, policy.rule_ids)


def _limited(meant: Reading, rows_max: int) -> Reading:
    found = meant.tree.args.get("limit")
    count = found.expression if isinstance(found, exp.Limit) else None
    if found is not None and not (isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit()):
        raise QueryRefused("limit", "LIMIT must be a plain number")
    if count is not None and int(count.name) <= rows_max:
        return meant
    replaced = Counter([count.name]) if count is not None else Counter()
    return replace(meant, tree=meant.tree.limit(rows_max, copy=False), constants=meant.constants - replaced)
