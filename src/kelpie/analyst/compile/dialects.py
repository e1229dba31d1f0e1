"""What the engines say differently: days, periods, divisions. Written in each dialect's own words and then parsed.

SQLite keeps dates as text, YYYY-MM-DD or with a time behind it; compared as text they are in order.
"""

import datetime as dt
from functools import lru_cache

import sqlglot
from sqlglot import exp

from kelpie.analyst.compile.windows import Shift, begin_of
from kelpie.analyst.semantic.model import Grain
from kelpie.errors import InvalidInput

DIALECTS = ("duckdb", "sqlite", "postgres", "mysql")

_TRUNCATED = "CAST(DATE_TRUNC('{grain}', x) AS DATE)"
# The first day of the period that x lies in; weeks begin on Monday.
_BEGINS: dict[str, dict[str, str]] = {
    "duckdb": dict.fromkeys(("day", "week", "month", "quarter", "year"), _TRUNCATED),
    # Without the cast a date would become a moment in the session's time zone first.
    "postgres": dict.fromkeys(
        ("day", "week", "month", "quarter", "year"), "CAST(DATE_TRUNC('{grain}', CAST(x AS TIMESTAMP)) AS DATE)"
    ),
    "sqlite": {
        "day": "DATE(x)",
        "week": "DATE(x, 'weekday 0', '-6 days')",
        "month": "DATE(x, 'start of month')",
        "quarter": "DATE(x, 'start of month', '-' || ((CAST(STRFTIME('%m', x) AS INTEGER) - 1) % 3) || ' months')",
        "year": "DATE(x, 'start of year')",
    },
    "mysql": {
        "day": "CAST(x AS DATE)",
        "week": "DATE_SUB(CAST(x AS DATE), INTERVAL WEEKDAY(x) DAY)",
        "month": "CAST(DATE_FORMAT(x, '%Y-%m-01') AS DATE)",
        "quarter": "MAKEDATE(YEAR(x), 1) + INTERVAL (QUARTER(x) - 1) QUARTER",
        "year": "CAST(DATE_FORMAT(x, '%Y-01-01') AS DATE)",
    },
}
# The day x, moved by n days or months; x is never one that the other month does not have.
_MOVED: dict[str, str] = {
    "duckdb": "CAST(x + INTERVAL '{n}' {unit} AS DATE)",
    "postgres": "CAST(x + INTERVAL '{n} {unit}' AS DATE)",
    "sqlite": "DATE(x, '{n:+d} {unit}')",
    "mysql": "DATE_ADD(x, INTERVAL '{n}' {unit})",
}


def check_dialect(dialect: str) -> None:
    """Raise InvalidInput for one that nothing can be compiled to."""
    if dialect not in DIALECTS:
        raise InvalidInput(f"the dialect '{dialect}' is not known; known dialects: {', '.join(DIALECTS)}")


def is_keyword(name: str, dialect: str) -> bool:
    """Whether the engine may take the name, unquoted, for a word of its own."""
    return name.upper() in _keywords(dialect)


@lru_cache(maxsize=8)
def _keywords(dialect: str) -> frozenset[str]:
    known = sqlglot.Dialect.get_or_raise(dialect).tokenizer_class.KEYWORDS
    return frozenset(word for words in known for word in words.split())


def period_begin(tree: exp.Expr, grain: Grain, year_begins: int, dialect: str) -> exp.Expr:
    """The first day of the period, a date."""
    begins = _BEGINS[dialect]
    if not grain.startswith("fiscal"):
        return _filled(begins[grain].format(grain=grain), tree, dialect)
    calendar = grain.removeprefix("fiscal_")
    # Moved back so that the fiscal year begins in January, cut there, and moved forward again.
    months = year_begins - 1
    if begin_of(dt.date(2001, year_begins, 1), "quarter").month == year_begins and calendar == "quarter":
        months = 0  # its quarters are the calendar's
    month = _filled(begins["month"].format(grain="month"), tree, dialect)
    back = moved(month, Shift(months=-months), dialect)
    return moved(_filled(begins[calendar].format(grain=calendar), back, dialect), Shift(months=months), dialect)


def moved(tree: exp.Expr, shift: Shift, dialect: str) -> exp.Expr:
    """The date, later by `shift`."""
    for n, unit in ((shift.days, "DAY"), (shift.months, "MONTH")):
        if n:
            tree = _filled(_MOVED[dialect].format(n=n, unit=unit), tree, dialect)
    return tree


def date(day: dt.date, dialect: str) -> exp.Expr:
    text = exp.Literal.string(day.isoformat())
    return text if dialect == "sqlite" else exp.cast(text, "DATE")


def as_date(tree: exp.Expr, dialect: str) -> exp.Expr:
    """A text YYYY-MM-DD as a date."""
    return tree if dialect == "sqlite" else exp.cast(tree, "DATE")


def no_number(dialect: str) -> exp.Expr:
    """NULL in a column of numbers. PostgreSQL would take a bare one for a text; a NUMERIC keeps what it meets exact."""
    return exp.cast(exp.Null(), "DECIMAL") if dialect == "postgres" else exp.Null()


def no_date(dialect: str) -> exp.Expr:
    return exp.Null() if dialect == "sqlite" else exp.cast(exp.Null(), "DATE")


def ratio(above: exp.Expr, below: exp.Expr, dialect: str) -> exp.Expr:
    """above / below as a double, null where below is 0."""
    if dialect == "mysql":  # where a quotient of decimals has four digits more than they, and no others
        above = exp.cast(above, "DOUBLE")
    if isinstance(above, exp.Binary):
        above = exp.paren(above, copy=False)
    below = exp.func("NULLIF", below, exp.Literal.number(0))
    return exp.Div(this=above, expression=below, typed=False, safe=False)


def _filled(template: str, tree: exp.Expr, dialect: str) -> exp.Expr:
    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name == "x":
            return tree.copy()
        return node

    parsed = _parsed(template, dialect)
    return parsed.copy().transform(fill, copy=False)


@lru_cache(maxsize=256)
def _parsed(template: str, dialect: str) -> exp.Expr:
    return sqlglot.parse_one(template, dialect=dialect)
