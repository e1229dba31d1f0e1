"""A semantic model against the data it describes: accepted only if everything in it works.

Every expression is parsed, guarded and run once; what fails is named with its line. A join that could multiply rows
is refused, because every sum over it would be wrong without anybody noticing.
"""

import re
from collections.abc import Awaitable

from sqlglot import exp

from kelpie.analyst.compile import Coverage, compile_query
from kelpie.analyst.compile.fitting import axes_of, separate_by, unreachable
from kelpie.analyst.compile.joins import entities_named, table_of, way
from kelpie.analyst.metric_query import MetricQuery
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.coverage import find_coverage
from kelpie.analyst.semantic.model import DefaultFilter, Dimension, Join, Metric, SemanticModel, TimeAxis, VerifiedQuery
from kelpie.analyst.semantic.probe import Probe
from kelpie.analyst.sources.source import Source
from kelpie.analyst.table import Table
from kelpie.errors import InvalidInput, InvalidModel, QueryFailed, QueryRefused, SourceUnavailable


async def check_model(model: SemanticModel, source: Source) -> None:
    """Raises InvalidModel ("line 12: …") with the first thing that does not work on `source`."""
    problems = await find_problems(model, source)
    if problems:
        raise InvalidModel(problems[0])


async def find_problems(model: SemanticModel, source: Source) -> list[str]:
    """Everything that does not work on `source`, each "line 12: …"; what others stand on comes first.

    Raises SourceUnavailable if the source can't be asked at all.
    """
    checks = _Checks(Probe(model, source))
    await checks.keep(checks.entities())
    for join in model.joins:
        await checks.keep(checks.join(join))
    for dimension in model.dimensions:
        await checks.keep(checks.dimension(dimension))
    for axis in model.times:
        await checks.keep(checks.date(axis.expr, axis.line, f"the time axis '{axis.name}'"))
    for metric in model.metrics:
        await checks.keep(checks.metric_parts(metric))
    if not checks.problems:  # what follows stands on all of it
        checks.coverage = await find_coverage(checks.probe)
        for metric in model.metrics:
            await checks.keep(checks.metric(metric))
        for default in model.default_filters:
            await checks.keep(checks.default_filter(default))
    for verified in model.verified:
        await checks.keep(checks.verified(verified))
    return checks.problems


_ZONED = re.compile(r"time zone|timestamptz", re.IGNORECASE)


class _Checks:
    """Each check raises InvalidModel; `keep` collects what they raise."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.problems: list[str] = []
        self.coverage = Coverage()
        self._model = probe.model

    async def keep(self, check: Awaitable[None]) -> None:
        try:
            await check
        except InvalidModel as error:
            self.problems.append(str(error))

    async def entities(self) -> None:
        columns = {
            table.name.lower(): {column.name.lower() for column in table.columns}
            for table in await self.probe.source.schema()
        }
        for entity in self._model.entities:
            if entity.table.lower() not in columns:
                known = ", ".join(sorted(columns)) or "none"
                raise InvalidModel(f"line {entity.line}: there is no table '{entity.table}'; tables: {known}")
            if entity.key.lower() not in columns[entity.table.lower()]:
                raise InvalidModel(f"line {entity.line}: the table '{entity.table}' has no column '{entity.key}'")

    async def join(self, join: Join) -> None:
        tree = self.probe.expression(join.on, join.line)
        if entities_named([tree]) != {join.source, join.target}:
            raise InvalidModel(f"line {join.line}: a join compares columns of '{join.source}' and '{join.target}'")
        # Rows counted with and without the join: if it adds any, it would multiply what metrics count.
        rows = exp.Count(this=exp.Star())
        alone = exp.select(rows).from_(self._table(join.source))
        joined = alone.join(self._table(join.target), on=tree, join_type="left")
        before = (await self._run(alone, join.line, "the join")).rows[0][0]
        after = (await self._run(joined, join.line, "the join")).rows[0][0]
        if after != before:
            raise InvalidModel(
                f"line {join.line}: a row of '{join.source}' meets several rows of '{join.target}' ({before:,} rows"
                f" become {after:,}): sums over it would be wrong; join on a key of '{join.target}'"
            )

    def _table(self, name: str) -> exp.Expr:
        entity = self._model.entity(name)
        assert entity is not None, "checked when the model was read"
        return table_of(entity)

    async def dimension(self, dimension: Dimension) -> None:
        what = f"the dimension '{dimension.name}'"
        await self._values(dimension.expr, dimension.line, what, (dimension.type,))
        if dimension.also is not None:
            await self._values(dimension.also, dimension.line, f"`also` of {what}")
        missing = await self._missing(dimension, list(dimension.nicknames.values()))
        if missing:
            raise InvalidModel(
                f"line {dimension.line}: a nickname of '{dimension.name}' stands for '{missing[0]}', which is no value"
            )

    async def _missing(self, dimension: Dimension, meant: list[object]) -> list[object]:
        """Those of `meant` that are no value of the dimension."""
        wanted = [value for value in dict.fromkeys(meant) if value is not None]
        if not wanted:
            return []
        tree = self.probe.expression(dimension.expr, dimension.line)
        found_in = exp.In(this=tree.copy(), expressions=[exp.convert(value) for value in wanted])
        found = set()
        for base in self.probe.bases([tree]):
            select = self.probe.over(base, [("value", tree)], [found_in]).distinct()
            found |= {row[0] for row in (await self._run(select, dimension.line, "its values")).rows}
        return [value for value in wanted if value not in found]

    async def date(self, text: str, line: int, what: str, entity: str | None = None) -> None:
        """`entity`: whose rows it dates; those of all that are counted, if None."""
        bases = await self._values(text, line, what, ("date", "timestamp"), entity)
        if self.probe.dialect == "sqlite":
            await self._date_texts(text, line, what, bases)

    async def _date_texts(self, text: str, line: int, what: str, bases: list[str]) -> None:
        """SQLite's dates are texts, in order only if all of them are written YYYY-MM-DD."""
        tree = self.probe.expression(text, line)
        written = exp.func("SUBSTRING", tree.copy(), exp.Literal.number(1), exp.Literal.number(10))
        same = exp.EQ(this=exp.Anonymous(this="DATE", expressions=[tree.copy()]), expression=written)
        wrong = exp.Not(this=exp.func("COALESCE", exp.paren(same), exp.false()))
        for base in bases:
            select = self.probe.over(base, [("value", tree)], [_is_known(tree), wrong]).limit(1)
            found = await self._run(select, line, what)
            if found.rows:
                raise InvalidModel(f"line {line}: {what} holds {found.rows[0][0]!r}; write dates as YYYY-MM-DD")

    async def metric_parts(self, metric: Metric) -> None:
        """That it is an aggregate, over rows that have its dates."""
        what = f"the metric '{metric.name}'"
        if metric.formula is not None:
            return
        for text in (metric.expr, metric.numerator, metric.denominator):
            if text is not None:
                tree = self.probe.expression(text, metric.line)
                self._check_aggregate(tree, metric.line, what)
                if self.probe.dialect == "sqlite":
                    await self._numbers(tree, metric, what)
        for field in ("since", "until", "at"):
            text = getattr(metric, field)
            if text is not None:
                await self.date(text, metric.line, f"`{field}` of {what}", metric.entity)
        if metric.kind == "stock":
            return
        for axis in axes_of(self._model, metric, self.probe.dialect):
            self._check_dated(metric, axis)

    async def _numbers(self, tree: exp.Expr, metric: Metric, what: str) -> None:
        """SQLite adds whatever is in a column: "1,234.50" as 1, "n/a" as 0."""
        for added in tree.find_all(exp.Sum, exp.Avg):
            value = added.this.expressions[0] if isinstance(added.this, exp.Distinct) else added.this
            kind = exp.Anonymous(this="TYPEOF", expressions=[value.copy()])
            is_text = exp.EQ(this=kind, expression=exp.Literal.string("text"))
            try:
                select = self.probe.over(metric.entity or "", [("value", value)], [is_text]).limit(1)
            except InvalidInput as error:
                raise InvalidModel(f"line {metric.line}: {what}: {error}") from error
            found = await self._run(select, metric.line, what)
            if found.rows:
                raise InvalidModel(
                    f"line {metric.line}: {what} adds texts, like {found.rows[0][0]!r}: make them numbers"
                )

    def _check_aggregate(self, tree: exp.Expr, line: int, what: str) -> None:
        if tree.find(exp.AggFunc) is None:
            raise InvalidModel(f"line {line}: {what} is no aggregate: use COUNT, SUM, AVG and the like")
        if tree.find(exp.Window, exp.Query):
            raise InvalidModel(f"line {line}: {what} is one aggregate: no window or subquery")
        for column in tree.find_all(exp.Column):  # some engines would take its value from any row
            if column.find_ancestor(exp.AggFunc, exp.Filter) is None:
                raise InvalidModel(f"line {line}: {what} uses {column.sql()} outside of its aggregates")
        for division in tree.find_all(exp.Div):  # of whole numbers, some engines would leave the fraction away
            if division.expression.find(exp.AggFunc) is not None:
                raise InvalidModel(f"line {line}: {what} divides aggregates: make it a ratio, or a formula")

    def _check_dated(self, metric: Metric, axis: TimeAxis) -> None:
        try:
            for name in entities_named([self.probe.expression(axis.expr, axis.line)]):
                way(self._model, metric.entity or "", name)
        except InvalidInput as error:
            raise InvalidModel(
                f"line {metric.line}: the metric '{metric.name}' can't be dated by '{axis.name}': {error}"
            ) from error

    async def metric(self, metric: Metric) -> None:
        what = f"the metric '{metric.name}'"
        apart = separate_by(self._model, metric)
        for base in formulas.bases(self._model, metric):
            for name in apart:
                dimension = self._model.dimension(name)
                assert dimension is not None, "checked when the model was read"
                problem = unreachable(self._model, base, dimension, self.probe.dialect)
                if problem:
                    raise InvalidModel(f"line {metric.line}: {what} can't be separated by '{name}': {problem}")
            if base.kind == "stock" and base.name not in self.coverage.stocks:
                raise InvalidModel(f"line {base.line}: the metric '{base.name}' has no row with a date")
        try:
            query = MetricQuery(metrics=[metric.name], dimensions=apart)
            compiled = compile_query(self._model, query, self.probe.dialect, self.coverage)
        except InvalidInput as error:
            raise InvalidModel(f"line {metric.line}: {what}: {error}") from error
        result = await self._ask(compiled.sql, metric.line, what)
        kind, engine_type = result.kinds[-1], result.types[-1]
        # Where types are but advice, nothing but nulls has none.
        if kind != "number" and any(row[-1] is not None for row in result.rows):
            raise InvalidModel(f"line {metric.line}: {what} gives {engine_type or kind}, not a number")

    async def default_filter(self, default: DefaultFilter) -> None:
        dimension = self._model.dimension(default.dimension)
        assert dimension is not None, "checked when the model was read"
        missing = await self._missing(dimension, list(default.values))
        if missing:
            raise InvalidModel(
                f"line {default.line}: the default filter on '{dimension.name}' names '{missing[0]}', which is no value"
            )

    async def verified(self, verified: VerifiedQuery) -> None:
        await self._ask(verified.sql, verified.line, f"the verified query '{verified.name}'")

    async def _values(
        self, text: str, line: int, what: str, kinds: tuple[str, ...] = (), entity: str | None = None
    ) -> list[str]:
        """Refuse what is no value of a row, or of none of `kinds`. Gives the entities whose rows were asked."""
        tree = self.probe.expression(text, line)
        if tree.find(exp.AggFunc, exp.Window, exp.Query):
            raise InvalidModel(f"line {line}: {what} is a value of one row: no aggregate, window or subquery")
        try:
            bases = [entity] if entity else self.probe.bases([tree])
            selects = [self.probe.over(base, [("value", tree)], [_is_known(tree)]).limit(1) for base in bases]
        except InvalidInput as error:
            raise InvalidModel(f"line {line}: {what}: {error}") from error
        found = await self._run(selects[0], line, what)
        untyped = not found.rows and self.probe.dialect == "sqlite"
        if "timestamp" in kinds and _ZONED.search(found.types[0]):
            raise InvalidModel(
                f"line {line}: {what} is a moment in a time zone: cast it to DATE, in the zone where its day begins"
            )
        if kinds and found.kinds[0] not in kinds and not untyped:
            engine_type = found.types[0] or found.kinds[0]
            raise InvalidModel(f"line {line}: {what} gives {engine_type}, not {' or '.join(kinds)}; cast it")
        return bases

    async def _run(self, select: exp.Query, line: int, what: str) -> Table:
        return await self._ask(select.sql(dialect=self.probe.dialect), line, what)

    async def _ask(self, sql: str, line: int, what: str) -> Table:
        try:
            return await self.probe.ask(sql)
        except SourceUnavailable:
            raise
        except (QueryRefused, QueryFailed) as error:
            raise InvalidModel(f"line {line}: {what}: {error}") from error


def _is_known(tree: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=tree.copy(), expression=exp.Null()))
