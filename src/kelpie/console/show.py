"""What people see in the terminal: steps as they happen, tables, numbers with their source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table

ROWS_SHOWN_MAX = 20


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def heading(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def note(self, text: str) -> None:
        self.console.print(f"[dim]{text}[/dim]")

    def plain(self, text: str, end: str = "\n") -> None:
        self.console.print(text, end=end, markup=False)

    def line(self, text: str) -> None:
        """As it is, however long: to be copied, or read by a program."""
        self.console.print(text, markup=False, soft_wrap=True)

    def good(self, text: str) -> None:
        self.console.print("[green]✓[/green]", end=" ")
        self.console.print(text, markup=False)

    def bad(self, text: str) -> None:
        self.console.print("[red]✗[/red]", end=" ")
        self.console.print(text, markup=False)

    def sql(self, text: str) -> None:
        self.console.print(Syntax(text, "sql", theme="ansi_dark", word_wrap=True, background_color="default"))

    def markdown(self, text: str) -> None:
        self.console.print(Markdown(text))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        title: str | None = None,
        rows_max: int = ROWS_SHOWN_MAX,
    ) -> None:
        table = Table(title=title, title_justify="left", header_style="bold")
        numeric = {
            place for place in range(len(columns)) if rows and all(isinstance(row[place], int | float) for row in rows)
        }
        for place, column in enumerate(columns):
            table.add_column(column, justify="right" if place in numeric else "left")
        for row in rows[:rows_max]:
            table.add_row(*(_cell(value) for value in row))
        self.console.print(table)
        if len(rows) > rows_max:
            self.note(f"… {len(rows) - rows_max} more rows")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A moving mark while something takes longer than a moment."""
        with self.console.status(text):
            yield


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
