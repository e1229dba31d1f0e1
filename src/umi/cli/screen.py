"""What people see in the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_NARROW = 120  # columns of a terminal that has no room for words beside an id
_IDS = ("id", "change")
ROWS_SHOWN_MAX = 100


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def line(self, text: str) -> None:
        """As it is, however long: to be copied, or read by a program."""
        self.console.print(text, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self.console.print(text, style="dim", markup=False)

    def good(self, text: str) -> None:
        self.console.print("[green]✓[/green]", end=" ")
        self.line(text)

    def bad(self, text: str) -> None:
        self.console.print("[red]✗[/red]", end=" ")
        self.line(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        from rich.text import Text

        if self.console.width < _NARROW:
            columns, rows = _folded(columns, rows)
        table = Table(header_style="bold", box=None, pad_edge=False)
        for place, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
            # An id is there to be copied: the words give way.
            table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=column in _IDS)
        for row in rows[:ROWS_SHOWN_MAX]:
            table.add_row(*(Text(_cell(value)) for value in row))
        self.console.print(table)
        if len(rows) > ROWS_SHOWN_MAX:
            self.note(f"… {len(rows) - ROWS_SHOWN_MAX} more rows; --json shows them all")


def _folded(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[list[str], list[list[Any]]]:
    """With each id on a line below the words it belongs to: beside them it would leave them no room."""
    ids = [place for place, column in enumerate(columns) if column in _IDS]
    if not ids or "what" not in columns:
        return list(columns), [list(row) for row in rows]
    words, kept = columns.index("what"), [place for place in range(len(columns)) if place not in ids]
    told = []
    for row in rows:
        below = "\n".join(str(row[place]) for place in ids if row[place])
        told.append([f"{_cell(row[place])}\n{below}" if place == words and below else row[place] for place in kept])
    return [columns[place] for place in kept], told


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
