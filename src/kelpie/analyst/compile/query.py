"""compile_query: a question in the model's words becomes SQL, with what its columns mean."""

import msgspec
from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.compile.dialects import check_dialect
from kelpie.analyst.compile.parts import PartSql
from kelpie.analyst.compile.planning import Plan, plan_query
from kelpie.analyst.compile.stacking import Stack
from kelpie.analyst.compile.windows import Coverage
from kelpie.analyst.metric_query import MetricQuery, check_query
from kelpie.analyst.semantic.model import Metric, SemanticModel
from kelpie.analyst.table import ResultColumn
from kelpie.errors import InvalidInput

_PERCENT = ".1%"


class Compiled(msgspec.Struct, frozen=True):
    """`notes` say what the query does that nobody asked for: default filters, days that the data do not have."""

    sql: str
    columns: list[ResultColumn]
    notes: list[str] = []


def compile_query(
    model: SemanticModel, query: MetricQuery, dialect: str = "duckdb", coverage: Coverage | None = None
) -> Compiled:
    """The SQL and what its columns mean. Raises InvalidInput if `query` asks for what `model` does not have.

    coverage  the days of the data: where a stock is looked at, and the bounds of a comparison that has none
    """
    check_dialect(dialect)
    check_query(model, query)
    plan = plan_query(model, query, dialect, coverage or Coverage())
    # MariaDB can't order by an expression over a column's alias, which is how nulls come last there: a layer helps.
    flat = plan.flat and not query.having and dialect != "mysql"
    select = _flat(model, query, plan, dialect) if flat else Stack(model, query, plan, dialect).select()
    order = _order(query, [dimension.name for dimension in plan.dimensions])
    if order:
        select = select.order_by(*order, copy=False)
    if query.limit is not None:
        select = select.limit(query.limit, copy=False)
    return Compiled(_text(select, dialect), _columns(model, query, plan), plan.notes)


def _flat(model: SemanticModel, query: MetricQuery, plan: Plan, dialect: str) -> exp.Select:
    part, parts = plan.parts[0], PartSql(model, query, dialect)
    groups = parts.groups(part)
    return parts.select(part, [*groups, *parts.values(part)], list(range(len(groups))))


def _text(select: exp.Select, dialect: str) -> str:
    text = select.sql(dialect=dialect, pretty=True)
    if len(text) > limits.SQL_CHARS_MAX:
        text = select.sql(dialect=dialect)
    if len(text) > limits.SQL_CHARS_MAX:
        raise InvalidInput("this comes to more SQL than may run: ask for fewer periods, metrics or values")
    return text


def _columns(model: SemanticModel, query: MetricQuery, plan: Plan) -> list[ResultColumn]:
    columns = [ResultColumn(name=d.name, kind="dimension", label=d.label, type=d.type) for d in plan.dimensions]
    if query.grain is not None:
        label = query.grain.replace("_", " ")
        time = ResultColumn(name=query.grain, kind="time", label=label, type="date", grain=query.grain)
        if model.fiscal is not None and query.grain.startswith("fiscal"):
            fiscal = model.fiscal
            time = msgspec.structs.replace(time, year_begins=fiscal.year_begins, named_by=fiscal.named_by)
        columns.append(time)
    return columns + [column for metric in plan.metrics for column in _measures(query, metric)]


def _measures(query: MetricQuery, metric: Metric) -> list[ResultColumn]:
    """The metric's columns, in the order of metric_query.measures_of."""
    own = ResultColumn(
        name=metric.name, kind="metric", label=metric.label, type="number", unit=metric.unit, format=metric.format
    )

    def beside(suffix: str, label: str) -> ResultColumn:
        return msgspec.structs.replace(own, name=metric.name + suffix, label=label, of=metric.name)

    def percentage(suffix: str, label: str) -> ResultColumn:
        return msgspec.structs.replace(beside(suffix, label), unit="", format=_PERCENT)

    label = metric.label
    columns = [own]
    if query.compare is not None:
        columns += [beside("_before", f"{label} before"), beside("_change", f"change of {label}")]
        columns.append(percentage("_growth", f"growth of {label}"))
    if query.share:
        columns.append(percentage("_share", f"share of {label}"))
    return columns


def _order(query: MetricQuery, dimensions: list[str]) -> list[exp.Expr]:
    """What was asked for, then every group: no two rows are equal in it, so the order is always the same one."""
    asked = [(order.by, order.direction == "desc") for order in query.order]
    named = {name for name, _ in asked}
    groups = [*([query.grain] if query.grain else []), *dimensions]
    return [
        exp.Ordered(this=exp.column(name, quoted=True), desc=desc, nulls_first=False)
        for name, desc in (*asked, *((name, False) for name in groups if name not in named))
    ]
