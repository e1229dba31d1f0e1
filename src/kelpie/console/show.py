"""What people see in the terminal: steps as they happen, tables, numbers with their source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

ROWS_SHOWN_MAX = 20
SQL_LINES_SHOWN_MAX = 40


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def heading(self, text: str) -> None:
        self.console.print(f"\n{_safe(text)}", style="bold", markup=False)

    def note(self, text: str) -> None:
        self.console.print(_safe(text), style="dim", markup=False)

    def plain(self, text: str, end: str = "\n") -> None:
        self.console.print(_safe(text), end=end, markup=False)

    def line(self, text: str) -> None:
        """As it is, however long: to be copied, or read by a program."""
        self.console.print(text, markup=False, soft_wrap=True)

    def good(self, text: str) -> None:
        self.console.print("[green]✓[/green]", end=" ")
        self.console.print(_safe(text), markup=False)

    def bad(self, text: str) -> None:
        self.console.print("[red]✗[/red]", end=" ")
        self.console.print(_safe(text), markup=False)

    def sql(self, text: str) -> None:
        """The first lines, and how many are left out: a series by day names each of its days."""
        lines = _safe(text).splitlines()
        shown = "\n".join(lines[:SQL_LINES_SHOWN_MAX])
        self.console.print(Syntax(shown, "sql", theme="ansi_dark", word_wrap=True, background_color="default"))
        if len(lines) > SQL_LINES_SHOWN_MAX:
            self.note(f"… {len(lines) - SQL_LINES_SHOWN_MAX:,} more lines: reports and the API show them all")

    def markdown(self, text: str) -> None:
        self.console.print(Markdown(_safe(text)))

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
            table.add_column(Text(_safe(column)), justify="right" if place in numeric else "left")
        for row in rows[:rows_max]:
            table.add_row(*(Text(_safe(_cell(value))) for value in row))
        self.console.print(table)
        if len(rows) > rows_max:
            self.note(f"… {len(rows) - rows_max} more rows")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A moving mark while something takes longer than a moment."""
        with self.console.status(text):
            yield


def _safe(text: str) -> str:
    """What data or a model say can't move the cursor, colour the screen or ring: control characters are shown."""
    return text.translate(_SHOWN)


_SHOWN = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"}
_SHOWN |= dict.fromkeys((0x7F, *range(0x80, 0xA0)), 0xFFFD)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
