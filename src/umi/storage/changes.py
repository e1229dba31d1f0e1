"""What a commit will do, as data: rooms add to it, the caller commits it once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Write:
    """One SQL statement. With `guard` it also states how many rows it must touch (or return, for a SELECT)."""

    sql: str
    params: tuple[Any, ...] = ()
    guard: str | None = None
    rows: int = 1


@dataclass(slots=True)
class Changes:
    """An ordered list of writes that commits whole or not at all.

    A guard that touches another number of rows than it states undoes this Changes alone and raises GuardFailed.
    Hooks run on the event loop after the commit is durable: that is where caches change.

    scrub  leave no byte of what this deletes, or an earlier one did: see docs/storage.md. If that fails the commit
           raises StoreError although it is durable; an empty Changes with `scrub` tries again
    """

    writes: list[Write] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    scrub: bool = False

    def write(self, sql: str, *params: Any) -> "Changes":
        self.writes.append(Write(sql, params))
        return self

    def guard(self, name: str, sql: str, *params: Any, rows: int = 1) -> "Changes":
        self.writes.append(Write(sql, params, name, rows))
        return self

    def after(self, hook: Callable[[], None]) -> "Changes":
        self.after_commit.append(hook)
        return self

    def extend(self, other: "Changes") -> "Changes":
        self.writes.extend(other.writes)
        self.after_commit.extend(other.after_commit)
        self.scrub = self.scrub or other.scrub
        return self

    def __bool__(self) -> bool:
        return bool(self.writes)
