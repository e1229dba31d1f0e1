"""How far long work is: a bar on a terminal, a line now and then in a log.

On standard error, so that standard output holds what the work is for and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from umi.dst import Clock

LINE_EVERY_MS = 10_000.0


class Meter:
    """For `with`: `tell` as often as there is something new."""

    def __init__(self, what: str, total: float, clock: Clock, console: Console | None = None) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._console = console or Console(stderr=True, highlight=False)
        self._told_ms = clock.monotonic_ms()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=total, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, done: float, note: str = "") -> None:
        self._bar.update(self._task, completed=done, note=note)
        now_ms = self._clock.monotonic_ms()
        if self._bar.disable and now_ms - self._told_ms >= LINE_EVERY_MS:
            self._told_ms = now_ms
            share = f"{done / self._total:.0%}" if self._total else "…"
            self._console.print(f"{self._what}: {share} {note}", markup=False, soft_wrap=True)

    @contextmanager
    def out_of_the_way(self) -> Iterator[None]:
        """While something else is printed."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()
