"""Which parts a query may have. Everything that is on no list here is refused, known or not."""

from sqlglot import exp

from kelpie.analyst.guard.dialects import Dialect
from kelpie.errors import QueryRefused

# Parts of a query beside conditions and functions.
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
# Some of a node's meaning lies in plain words and flags, which no walk over nodes meets: `SQL_CALC_FOUND_ROWS`,
# `FROM ONLY t`, `t NOT INDEXED`. Of these nodes every argument is known.
_ARGUMENTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: frozenset(  # INTO and locks are refused by what they hold
        "with_ expressions distinct from_ into joins where group having qualify windows order limit offset"
        " locks".split()
    ),
    exp.Table: frozenset("this db catalog alias joins".split()),
    exp.Subquery: frozenset("this alias with_ joins order limit offset".split()),
    exp.Join: frozenset("this on using side kind method".split()),
    exp.With: frozenset("expressions recursive".split()),
    exp.CTE: frozenset("this alias materialized".split()),
    exp.Cast: frozenset("this to".split()),
    exp.TryCast: frozenset("this to safe".split()),
}
_FUNCTION_MESSAGE = (
    "is not among those a query may call; what reads files, makes rows, tells about the server or changes from call to"
    " call is left out"
)


def check_parts(tree: exp.Expr, dialect: Dialect) -> None:
    """Raises QueryRefused at the first part of `tree` that a query may not have."""
    for node in tree.walk():
        if isinstance(node, _WRITES):
            raise QueryRefused("no_writes", f"a query may not write or define anything ({_kind(node)})")
        if isinstance(node, exp.Lock):
            raise QueryRefused("no_locks", "a query may not lock rows: leave out FOR UPDATE and the like")
        if isinstance(node, dialect.refused):
            raise QueryRefused("unknown_construct", f"{_kind(node)} is not among the parts a query may have here")
        _check_arguments(node)
        if isinstance(node, exp.Func):
            _check_function(node, dialect)
        else:
            _check_node(node, dialect)


def _check_arguments(node: exp.Expr) -> None:
    known = _ARGUMENTS.get(type(node))
    if known is None:
        return
    for name, value in node.args.items():
        if name not in known and value is not None and value != []:
            raise QueryRefused("unknown_construct", f"{_kind(node)} with '{name}' is not a part a query may have")


def _check_node(node: exp.Expr, dialect: Dialect) -> None:
    if isinstance(node, exp.From | exp.Join) and not isinstance(node.this, _RELATIONS):
        raise QueryRefused("tables_only", f"a query reads tables and subqueries, not {_kind(node.this)}")
    if isinstance(node, exp.DataType):
        _check_type(node, dialect)
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        raise QueryRefused("function", "call a function by its name alone, without a schema or a value before it")
    elif isinstance(node, exp.In) and node.args.get("field") is not None and dialect.in_reads_table:
        raise QueryRefused("table", "IN before a bare name reads a table: write IN (SELECT … FROM …)")
    elif isinstance(node, exp.Column) and _is_keyword(node, dialect):
        raise QueryRefused("function", f"{node.name.lower()} {_FUNCTION_MESSAGE}")
    known = isinstance(node, _CLAUSES) or (
        isinstance(node, exp.Condition) and not isinstance(node, _CONDITIONS_REFUSED)
    )
    if not known:
        raise QueryRefused("unknown_construct", f"{_kind(node)} is not among the parts a query may have")


def _is_keyword(column: exp.Column, dialect: Dialect) -> bool:
    name = column.this
    return not column.table and not name.args.get("quoted") and name.name.lower() in dialect.keywords


def _check_type(node: exp.DataType, dialect: Dialect) -> None:
    kind = node.this
    if type(node) is not exp.DataType or not isinstance(kind, exp.DType) or not _is_known_type(kind, node, dialect):
        name = kind.value if isinstance(kind, exp.DType) else str(kind)
        raise QueryRefused("type", f"{name} is not among the types a query may cast to")


def _is_known_type(kind: exp.DType, node: exp.DataType, dialect: Dialect) -> bool:
    if kind is exp.DType.CHARACTER_SET:  # CONVERT(a USING utf8mb4)
        return isinstance(node.args.get("kind"), exp.Var)
    return kind.name in dialect.types and node.args.get("kind") is None


def _check_function(node: exp.Func, dialect: Dialect) -> None:
    if not isinstance(node, exp.Anonymous):
        if _kind(node) not in dialect.syntax:
            raise QueryRefused("function", f"{node.sql_name().lower()}() {_FUNCTION_MESSAGE}")
        if isinstance(node, exp.Cast):
            _check_no_clock([node.this], dialect)
        return
    if not isinstance(node.this, str):
        raise QueryRefused("function", f"write the function {node.this} without quotes")
    name = node.this.lower()
    if name not in dialect.functions:
        raise QueryRefused("function", f"the function {name}() {_FUNCTION_MESSAGE}")
    if name in dialect.reads_clock:
        if len(node.expressions) == dialect.reads_clock[name]:
            raise QueryRefused("function", f"{name}() with so few arguments means now, {_WHY_NOT_NOW}")
        _check_no_clock(node.expressions, dialect)


_WHY_NOT_NOW = "and a number has to come out the same when somebody checks it: write the date"


def _check_no_clock(values: list[exp.Expr], dialect: Dialect) -> None:
    for value in values:
        if isinstance(value, exp.Literal) and value.is_string and value.name.strip().lower() in dialect.clock_words:
            raise QueryRefused("function", f"'{value.name}' means another time at each call, {_WHY_NOT_NOW}")


def _kind(node: object) -> str:
    return type(node).__name__
