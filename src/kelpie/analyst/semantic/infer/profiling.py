"""What each column of a source holds: how many rows have it, how many different ones, and whether texts are dates."""

import msgspec
from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.guard import guard
from kelpie.analyst.sources.source import Source, SourceColumn, SourceTable
from kelpie.analyst.table import Kind, Table

_COLUMNS_AT_ONCE = 20


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`known` rows have a value, `distinct` different ones."""

    name: str
    type: str
    kind: Kind
    comment: str
    rows: int
    known: int
    distinct: int

    @property
    def is_unique(self) -> bool:
        return self.rows == self.known == self.distinct > 0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A table and its columns. `unread` were not looked at: of a type that can't be counted apart, or too many."""

    table: SourceTable
    rows: int
    columns: list[Column]
    unread: list[str] = []

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Profiler:
    """Asks a source about its own tables, through the guard."""

    def __init__(self, source: Source, tables: list[SourceTable]) -> None:
        self.dialect = source.dialect
        self._source = source
        self._tables = [table.name for table in tables]

    async def ask(self, query: exp.Query) -> Table:
        """Raises QueryRefused, QueryFailed."""
        sql = guard(query.sql(dialect=self.dialect), self._tables, dialect=self.dialect).sql
        return await self._source.query(sql, rows_max=limits.QUERY_ROWS_MAX)

    async def profile(self, table: SourceTable) -> Profile:
        # What is neither number, text nor date can't be counted apart on every engine.
        useful = [column for column in table.columns if column.kind != "other" or self.dialect == "sqlite"]
        columns = useful[: limits.INFER_COLUMNS_MAX]
        unread = [f"{column.name} ({column.type})" for column in table.columns if column not in columns]
        found: list[Column] = []
        rows = 0
        for start in range(0, len(columns), _COLUMNS_AT_ONCE):
            some = columns[start : start + _COLUMNS_AT_ONCE]
            counts: list[exp.Expr] = [exp.Count(this=exp.Star())]
            for column in some:
                counts += [exp.Count(this=_named(column.name)), _distinct(_named(column.name))]
            query = exp.select(*(exp.alias_(count, f"n{place}") for place, count in enumerate(counts)))
            rows, *cells = (await self.ask(query.from_(_table(table.name)))).rows[0]
            for column, known, distinct in zip(some, cells[::2], cells[1::2], strict=True):
                kind = await self._kind(table.name, column)
                found.append(
                    Column(
                        name=column.name,
                        type=column.type,
                        kind=kind,
                        comment=column.comment,
                        rows=rows,
                        known=known,
                        distinct=distinct,
                    )
                )
        return Profile(table=table, rows=rows, columns=found, unread=unread)

    async def _kind(self, table: str, column: SourceColumn) -> Kind:
        """SQLite has no dates: texts that all read YYYY-MM-DD are some."""
        if self.dialect != "sqlite" or column.kind not in ("text", "other"):
            return column.kind
        value = _named(column.name)
        day = exp.Anonymous(this="DATE", expressions=[value])
        same = exp.EQ(this=day, expression=exp.func("SUBSTRING", value, exp.Literal.number(1), exp.Literal.number(10)))
        dates = exp.Sum(this=exp.Case(ifs=[exp.If(this=same, true=exp.Literal.number(1))]))
        known, found = (await self.ask(exp.select(exp.Count(this=value.copy()), dates).from_(_table(table)))).rows[0]
        return "date" if known and known == found else column.kind

    async def unmatched(
        self, table: str, columns: list[str], target: str, target_columns: list[str]
    ) -> tuple[int, int]:
        """(rows of `table` that name a row of `target`, those of them that find none)."""
        pairs = list(zip(columns, target_columns, strict=True))
        on = exp.and_(*(exp.EQ(this=_of("a", name), expression=_of("b", other)) for name, other in pairs))
        named = exp.and_(*(exp.Not(this=exp.Is(this=_of("a", name), expression=exp.Null())) for name in columns))
        found = exp.Count(this=_of("b", target_columns[0]))
        query = exp.select(exp.Count(this=exp.Star()), found).from_(exp.alias_(_table(table), "a", table=True))
        query = query.join(exp.alias_(_table(target), "b", table=True), on=on, join_type="left").where(named)
        rows, matched = (await self.ask(query)).rows[0]
        return rows, rows - matched


def _table(name: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def _named(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _of(table: str, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=table)


def _distinct(value: exp.Expr) -> exp.Expr:
    return exp.Count(this=exp.Distinct(expressions=[value]))
