"""A row filter: one harmless condition over the columns of one table."""

from sqlglot import exp
from sqlglot.errors import SqlglotError

from kelpie.analyst import limits
from kelpie.analyst.guard.dialects import Dialect
from kelpie.analyst.guard.parts import check_parts
from kelpie.analyst.guard.reading import write
from kelpie.errors import InvalidInput, LimitExceeded, QueryRefused


def read_condition(text: str, dialect: Dialect) -> exp.Expr:
    """The condition as a tree, its columns without a table. Raises InvalidInput or LimitExceeded."""
    if len(text) > limits.ACCESS_CONDITION_CHARS_MAX:
        raise LimitExceeded("a row filter", len(text), limits.ACCESS_CONDITION_CHARS_MAX, "characters")
    tree = _parsed(text, dialect)
    try:
        check_parts(tree, dialect)
        written = write(tree, dialect)
    except QueryRefused as error:
        raise InvalidInput(f"the row filter `{text}` can't be used: {error}") from error
    if tree.find(exp.Query, exp.Window, exp.Star):
        raise InvalidInput(f"the row filter `{text}` must speak of one row: no subquery, window or *")
    named = [column for column in tree.find_all(exp.Column) if column.table]
    if named:
        raise InvalidInput(f"the row filter `{text}` must name columns alone: '{named[0].name}' without a table")
    if not tree.find(exp.Column):
        raise InvalidInput(f"the row filter `{text}` names no column: to withhold all rows, deny the table")
    if write(_parsed(written, dialect), dialect) != written:
        raise InvalidInput(f"the row filter `{text}` reads differently once it is written out; write it plainer")
    return tree


def _parsed(text: str, dialect: Dialect) -> exp.Expr:
    engine = dialect.sqlglot()
    try:
        found = engine.parser().parse_into(exp.Condition, engine.tokenize(text), text)
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(f"the row filter `{text}` is not an SQL condition") from error
    trees = [tree for tree in found if tree is not None]
    if len(trees) != 1 or not isinstance(trees[0], exp.Condition):
        raise InvalidInput(f"the row filter `{text}` is not one SQL condition")
    return trees[0]


def over(table: exp.Identifier, condition: exp.Expr) -> exp.Expr:
    """The condition with every column said to be `table`'s: none can mean a column of a query around it."""
    tree = condition.copy()
    for column in tree.find_all(exp.Column):
        column.set("table", table.copy())
    return exp.paren(tree, copy=False)
