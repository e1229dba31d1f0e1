"""A semantic model against the data it describes: accepted only if everything in it works.

Every expression is parsed, guarded and run once; what fails is named with its line. A join that could multiply rows
is refused, because every sum over it would be wrong without anybody noticing.
"""

from sqlglot import exp

from kelpie.analyst.compile import base_of, compile_query, expression, metric_expression, select_over, table_of
from kelpie.analyst.duckdb_source import DuckDbSource
from kelpie.analyst.guard import DIALECT, guard
from kelpie.analyst.metric_query import MetricQuery
from kelpie.analyst.semantic.model import Dimension, Join, Metric, SemanticModel
from kelpie.analyst.table import Table
from kelpie.errors import InvalidInput, InvalidModel, QueryFailed, QueryRefused

_NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "REAL", "NUMERIC")


async def check_model(model: SemanticModel, source: DuckDbSource) -> None:
    """Raises InvalidModel ("line 12: …") at the first thing that does not work on `source`."""
    checks = _Checks(model, source)
    await checks.entities()
    for join in model.joins:
        await checks.join(join)
    for dimension in model.dimensions:
        await checks.dimension(dimension)
    await checks.time()
    for metric in model.metrics:
        await checks.metric(metric)


class _Checks:
    def __init__(self, model: SemanticModel, source: DuckDbSource) -> None:
        self._model = model
        self._source = source

    async def entities(self) -> None:
        columns = {
            table.name.lower(): {name.lower() for name, _ in table.columns} for table in await self._source.schema()
        }
        for entity in self._model.entities:
            if entity.table.lower() not in columns:
                known = ", ".join(sorted(columns)) or "none"
                raise InvalidModel(f"line {entity.line}: there is no table '{entity.table}'; tables: {known}")
            if entity.key.lower() not in columns[entity.table.lower()]:
                raise InvalidModel(f"line {entity.line}: the table '{entity.table}' has no column '{entity.key}'")

    async def join(self, join: Join) -> None:
        tree = expression(join.on, join.line)
        named = {column.table for column in tree.find_all(exp.Column)}
        if named != {join.source, join.target}:
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
        values = await self._expression(dimension.expr, dimension.line, what)
        engine_type = values.types[0]
        fits = {
            "number": _is_number(engine_type),
            "boolean": engine_type == "BOOLEAN",
            "text": engine_type == "VARCHAR",
        }
        if not fits[dimension.type]:
            raise InvalidModel(f"line {dimension.line}: {what} gives {engine_type}, not {dimension.type}; cast it")
        if dimension.also is not None:
            await self._expression(dimension.also, dimension.line, f"`also` of {what}")
        if dimension.nicknames:
            await self._nicknames(dimension)

    async def _nicknames(self, dimension: Dimension) -> None:
        tree = expression(dimension.expr, dimension.line)
        meant = sorted(set(dimension.nicknames.values()))
        found_in = exp.In(this=tree.copy(), expressions=[exp.Literal.string(value) for value in meant])
        base = base_of(self._model, [tree])
        select = select_over(self._model, base, [("value", tree)], [found_in]).distinct()
        found = {row[0] for row in (await self._run(select, dimension.line, "nicknames")).rows}
        missing = [value for value in meant if value not in found]
        if missing:
            raise InvalidModel(
                f"line {dimension.line}: a nickname of '{dimension.name}' stands for '{missing[0]}', which is no value"
            )

    async def time(self) -> None:
        axis = self._model.time
        if axis is None:
            return
        engine_type = (await self._expression(axis.expr, axis.line, "the time axis")).types[0]
        if engine_type not in ("DATE", "TIMESTAMP"):
            raise InvalidModel(f"line {axis.line}: the time axis gives {engine_type}, not DATE or TIMESTAMP; cast it")

    async def metric(self, metric: Metric) -> None:
        what = f"the metric '{metric.name}'"
        if not metric_expression(metric).find(exp.AggFunc):
            raise InvalidModel(f"line {metric.line}: {what} is no aggregate: use COUNT, SUM, AVG and the like")
        try:
            compiled = compile_query(self._model, MetricQuery(metrics=[metric.name]))
        except InvalidInput as error:
            raise InvalidModel(f"line {metric.line}: {what}: {error}") from error
        result = await self._run_sql(compiled.sql, metric.line, what)
        if not _is_number(result.types[0]):
            raise InvalidModel(f"line {metric.line}: {what} gives {result.types[0]}, not a number")

    async def _expression(self, text: str, line: int, what: str) -> Table:
        tree = expression(text, line)
        if tree.find(exp.AggFunc, exp.Window, exp.Select):
            raise InvalidModel(f"line {line}: {what} is a value of one row: no aggregate, window or subquery")
        try:
            select = select_over(self._model, base_of(self._model, [tree]), [("value", tree)]).limit(1)
        except InvalidInput as error:
            raise InvalidModel(f"line {line}: {what}: {error}") from error
        return await self._run(select, line, what)

    async def _run(self, select: exp.Select, line: int, what: str) -> Table:
        return await self._run_sql(select.sql(dialect=DIALECT), line, what)

    async def _run_sql(self, sql: str, line: int, what: str) -> Table:
        try:
            guarded = guard(sql, self._model.tables)
            return await self._source.query(guarded.sql, rows_max=1_000)
        except (QueryRefused, QueryFailed) as error:
            raise InvalidModel(f"line {line}: {what}: {error}") from error


def _is_number(engine_type: str) -> bool:
    return any(word in engine_type for word in _NUMBERS) and "[" not in engine_type
