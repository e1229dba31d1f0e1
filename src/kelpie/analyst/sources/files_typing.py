"""Gives the columns of a text file their types, by a rule that anybody can check: all values of a column fit a type.

Nothing is guessed: a number with a leading zero is a text (it is a code), a date is one only as 2025-02-01 (01/02/2025
may be two days), a decimal is kept exact, a yes or a 1 is no truth value. What fits nothing stays text.
"""

from typing import TYPE_CHECKING, Any

from kelpie.analyst.sources.source import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DATE = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)"
_NUMBER = r"-?(0|[1-9]\d*)(\.\d+)?"
_SCALE_MAX = 10  # more digits are no amount that somebody wrote, but a float written out
_WIDTH_MAX = 38
_SIZES = (
    "coalesce(max(length(regexp_extract($c, '^-?(\\d+)', 1))), 0), coalesce(max(length(split_part($c, '.', 2))), 0)"
)
# Whether a value fits, and the value in its type: of these the first that all values fit. $c is the column.
_TYPES = [
    ("lower($c) IN ('true', 'false')", "CAST($c AS BOOLEAN)"),
    (r"regexp_full_match($c, '-?(0|[1-9]\d{0,17})')", "CAST($c AS BIGINT)"),
    (
        f"regexp_full_match($c, '{_NUMBER}') AND length(split_part($c, '.', 2)) <= {_SCALE_MAX}",
        "CAST($c AS DECIMAL($width, $scale))",
    ),
    (
        f"regexp_full_match($c, '{_NUMBER}([eE][+-]?\\d+)?') AND isfinite(TRY_CAST($c AS DOUBLE))",
        "CAST($c AS DOUBLE)",
    ),
    (f"regexp_full_match($c, '{_DATE}') AND TRY_CAST($c AS DATE) IS NOT NULL", "CAST($c AS DATE)"),
    (f"regexp_full_match($c, '{_DATE}({_CLOCK})?') AND TRY_CAST($c AS TIMESTAMP) IS NOT NULL", "CAST($c AS TIMESTAMP)"),
    (
        f"regexp_full_match($c, '{_DATE}{_CLOCK}{_ZONE}') AND TRY_CAST($c AS TIMESTAMPTZ) IS NOT NULL",
        "timezone('UTC', CAST($c AS TIMESTAMPTZ))",
    ),
]
_FIRST_VALUES = 1_000


def typed_columns(connection: "DuckDBPyConnection", table: str) -> str:
    """The select list that gives every column of `table`, all of them text, its type under its own name."""
    names = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    return ", ".join(_typed(connection, table, quoted(name)) for name in names)


def _typed(connection: "DuckDBPyConnection", table: str, column: str) -> str:
    def looked(what: str, rows: str) -> list[Any]:
        sql = f"SELECT {what} FROM (SELECT $c FROM {table} WHERE $c IS NOT NULL {rows})".replace("$c", column)
        return list(connection.execute(sql).fetchall()[0])

    # What the first values don't fit the column does not either: most types are out before all values are looked at.
    few = looked(", ".join(f"coalesce(bool_and({fits}), false)" for fits, _ in _TYPES), f"LIMIT {_FIRST_VALUES}")
    for (fits, expression), is_likely in zip(_TYPES, few, strict=True):
        if is_likely and looked(f"bool_and({fits})", "")[0]:
            digits, scale = looked(_SIZES, "") if "$width" in expression else (0, 0)
            if digits + scale <= _WIDTH_MAX:
                sized = expression.replace("$width", str(digits + scale)).replace("$scale", str(scale))
                return f"{sized} AS $c".replace("$c", column)
    return column
