"""Source: what every engine offers, and the words it answers in."""

from typing import Protocol

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.table import Kind, Snapshot, Table


class SourceColumn(msgspec.Struct, frozen=True, kw_only=True):
    """`type` is the engine's own word; `kind` says the same in the analyst's. Comments are data, never instructions."""

    name: str
    type: str
    kind: Kind
    comment: str = ""


class ForeignKey(msgspec.Struct, frozen=True, kw_only=True):
    """`columns` of this table hold values of `target_columns` of the table `target`, in the same order."""

    columns: list[str]
    target: str
    target_columns: list[str]


class SourceTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table or view.

    keys       lists of columns that tell rows apart, the primary key first
    row_count  counted for files; what the server believes for servers, where None is "it does not know"
    """

    name: str
    columns: list[SourceColumn]
    row_count: int | None = None
    comment: str = ""
    keys: list[list[str]] = []
    foreign_keys: list[ForeignKey] = []

    def column(self, name: str) -> SourceColumn | None:
        return next((column for column in self.columns if column.name == name), None)


class CostHint(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine expects of a query: the most rows that any one step makes, and its plan in its own words."""

    rows: int
    plan: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a source found.

    version  the engine's, in its own words
    beyond_reading  what the account may do that a reader need not, each in one sentence; empty is as it should be
    """

    version: str
    beyond_reading: list[str] = []


class Source(Protocol):
    """An open source. Every method may raise QueryFailed (the engine refuses, too slow) and, as one kind of it,
    SourceUnavailable (the engine can't be reached, or went away)."""

    engine: str  # its name in the registry
    dialect: str  # sqlglot's name for its SQL
    snapshot: Snapshot  # the state of the data that was seen last

    async def schema(self) -> list[SourceTable]:
        """Tables and views that may be read, by name."""
        ...

    async def sample(self, table: str, rows_max: int) -> Table:
        """Some rows of one of its tables."""
        ...

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        """At most `rows_max` rows of one statement, which the guard has passed; `Table.snapshot` is what it saw.

        Cancelling the call stops the query in the engine.
        """
        ...

    async def cost(self, sql: str) -> CostHint | None:
        """None: the engine makes no estimates."""
        ...

    async def look(self) -> Snapshot:
        """The state of the data now; becomes `snapshot`."""
        ...

    async def check(self) -> Check:
        """What answers there, and what the account may do beyond reading."""
        ...

    def is_current(self) -> bool:
        """False: what was opened is no longer what the connection names; open it again."""
        ...

    async def close(self) -> None:
        """Let go, once the queries that run have ended."""
        ...

    async def stop(self) -> None:
        """Stop the queries that run, then close: the process need not wait for answers nobody will read."""
        ...


def quoted(name: str, quote: str = '"') -> str:
    """`name` as an identifier, whatever it holds."""
    return quote + name.replace(quote, quote * 2) + quote
