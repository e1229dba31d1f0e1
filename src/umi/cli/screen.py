"""What people see in the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

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

        table = Table(header_style="bold", box=None, pad_edge=False)
        for place, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
            # An id is there to be copied: the words give way.
            table.add_column(
                column, justify="right" if numeric else "left", overflow="fold", no_wrap=column in ("id", "change")
            )
        for row in rows[:ROWS_SHOWN_MAX]:
            table.add_row(*(Text(_cell(value)) for value in row))
        self.console.print(table)
        if len(rows) > ROWS_SHOWN_MAX:
            self.note(f"… {len(rows) - ROWS_SHOWN_MAX} more rows; --json shows them all")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
