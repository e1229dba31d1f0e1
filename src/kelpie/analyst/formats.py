"""How cells are written for people: numbers in their metric's format, days and periods in words.

What is written here is what provenance.py later finds again: one cell, one text.
"""

import calendar
import datetime as dt
import decimal
from typing import Any, Literal

from kelpie.analyst.table import ResultColumn

_MONTHS = list(calendar.month_name)
_PLAIN_DECIMALS = 4  # of a number without a format: a column of plain SQL


def cell_text(cell: Any, column: ResultColumn) -> str:
    """The cell as an answer shows it, without its unit; "–" for no value."""
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        return number_text(cell, column.format)
    if column.kind == "metric" and (exact := exact_number(cell)) is not None:
        return number_text(exact, column.format)
    if column.kind == "time":
        return time_text(str(cell), column.grain, column.year_begins, column.named_by)
    return str(cell)


def exact_number(cell: Any) -> decimal.Decimal | None:
    """The number in a cell that is a text because a float would have changed it (table.as_cell), or None."""
    try:
        value = decimal.Decimal(cell)
    except (decimal.InvalidOperation, TypeError, ValueError):
        return None
    return value if value.is_finite() else None


def number_text(value: float | decimal.Decimal, number_format: str = "") -> str:
    """The number in `number_format` (as Python and d3 write it), or with up to four decimals."""
    if not number_format:
        if value == int(value):
            return f"{int(value):,}"
        return f"{value:,.{_PLAIN_DECIMALS}f}".rstrip("0").rstrip(".")
    text = format(round(value) if number_format.endswith("d") else value, number_format)
    # A rounded negative may leave a zero with a sign, which reads as a mistake.
    return text.removeprefix("-") if not any(digit in text for digit in "123456789") else text


def with_unit(cell: Any, column: ResultColumn) -> str:
    text = cell_text(cell, column)
    return f"{text} {column.unit}" if column.unit and cell is not None else text


def header_text(column: ResultColumn) -> str:
    """The column's title, with its unit. A column of plain SQL keeps the name that the SQL gave it."""
    if column.kind == "value":
        return column.label
    title = column.label[:1].upper() + column.label[1:]
    return f"{title} ({column.unit})" if column.unit and column.unit not in column.label else title


def time_text(iso: str, grain: str | None, year_begins: int = 1, named_by: Literal["begin", "end"] = "end") -> str:
    """The period that begins on the day `iso`: "June 2013", "Q3 2013", "week of 2013-06-03", "Q1 FY2026".

    A fiscal year begins with the month `year_begins`, and is named by the year it begins or ends in.
    """
    day = dt.date.fromisoformat(iso[:10])
    match grain:
        case "month":
            return f"{_MONTHS[day.month]} {day.year}"
        case "quarter":
            return f"Q{(day.month + 2) // 3} {day.year}"
        case "year":
            return str(day.year)
        case "week":
            return f"week of {day.isoformat()}"
        case "fiscal_quarter":
            return f"Q{(day.month - year_begins) % 12 // 3 + 1} {fiscal_year_text(day, year_begins, named_by)}"
        case "fiscal_year":
            return fiscal_year_text(day, year_begins, named_by)
        case _:
            return day.isoformat()


def fiscal_year_text(day: dt.date, year_begins: int, named_by: Literal["begin", "end"]) -> str:
    """The fiscal year that holds `day`: "FY2026"."""
    began = day.year if day.month >= year_begins else day.year - 1
    ends_later = year_begins > 1  # a year from January begins and ends in the same one
    return f"FY{began + 1 if named_by == 'end' and ends_later else began}"


def range_text(first: dt.date, last: dt.date) -> str:
    """A range of days, both included, as short as it can be said: "2013", "June–August 2013", "July 2013"."""
    if first == last:
        return first.isoformat()
    whole_months = first.day == 1 and last.day == calendar.monthrange(last.year, last.month)[1]
    if not whole_months:
        return f"{first.isoformat()} to {last.isoformat()}"
    if (first.month, last.month) == (1, 12):
        return str(first.year) if first.year == last.year else f"{first.year}–{last.year}"
    if first.year == last.year:
        begin = "" if first.month == last.month else f"{_MONTHS[first.month]}–"
        return f"{begin}{_MONTHS[last.month]} {last.year}"
    return f"{_MONTHS[first.month]} {first.year}–{_MONTHS[last.month]} {last.year}"
