"""Several parts as one query: stacked by UNION ALL, met by their groups, then formulas, comparisons and shares.

No FULL JOIN: not every engine has one, a null in a group would not meet itself, and rows could multiply.
"""

from sqlglot import exp

from kelpie.analyst.compile import dialects
from kelpie.analyst.compile.expressions import formula_tree
from kelpie.analyst.compile.parts import PartSql
from kelpie.analyst.compile.planning import Part, Plan
from kelpie.analyst.metric_query import MetricQuery, measures_of
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Metric, SemanticModel

_WHOLE = "_whole"  # 1 in the rows that hold what others are a share of
_OPERATORS: dict[str, type[exp.Binary]] = {
    "gt": exp.GT,
    "gte": exp.GTE,
    "lt": exp.LT,
    "lte": exp.LTE,
    "eq": exp.EQ,
    "ne": exp.NEQ,
}


class Stack:
    """The layers of one query; each reads the one before: parts, met, computed, compared."""

    def __init__(self, model: SemanticModel, query: MetricQuery, plan: Plan, dialect: str) -> None:
        self._model, self._query, self._plan, self._dialect = model, query, plan, dialect
        self._parts = PartSql(model, query, dialect)
        self._groups = [dimension.name for dimension in plan.dimensions] + ([query.grain] if query.grain else [])
        self._flag = [_WHOLE] if query.share else []
        self._suffixes = ["", "_before"] if query.compare else [""]

    def select(self) -> exp.Select:
        """The result's columns under the query's conditions, not yet ordered."""
        layers: dict[str, exp.Query] = {"parts": self._stacked(), "met": self._met()}
        last = "met"
        if any(metric.formula is not None for metric in self._plan.metrics):
            layers["computed"], last = self._computed(last), "computed"
        if self._query.compare or self._query.share:
            layers["compared"], last = self._compared(last), "compared"
        measures = [column for metric in self._plan.metrics for column in measures_of(self._query, metric.name)]
        result = exp.select(*(_column(name) for name in (*self._groups, *measures))).from_(self._table(last))
        conditions = self._conditions()
        if conditions:
            result = result.where(*conditions, copy=False)
        ctes = [
            exp.CTE(this=layer, alias=exp.TableAlias(this=exp.to_identifier(self._free(name), quoted=True)))
            for name, layer in layers.items()
        ]
        result.set("with_", exp.With(expressions=ctes))
        return result

    def _table(self, name: str) -> exp.Table:
        return exp.Table(this=exp.to_identifier(self._free(name), quoted=True))

    def _free(self, name: str) -> str:
        """A name that no table of the model has."""
        taken = {table.casefold() for table in self._model.tables}
        return f"{name}_" if name in taken else name

    def _stacked(self) -> exp.Query:
        """Every part, each with a null where another one has its numbers."""
        selects = [self._padded(part) for part in self._plan.parts]
        union: exp.Query = selects[0]
        for select in selects[1:]:
            union = exp.Union(this=union, expression=select, distinct=False)
        return union

    def _padded(self, part: Part) -> exp.Select:
        groups, values = dict(self._parts.groups(part)), dict(self._parts.values(part))
        columns = [(name, groups.get(name, exp.Null())) for name in self._groups]
        columns += [(name, values.get(name, dialects.no_number(self._dialect))) for name in self._value_columns()]
        columns += [(name, exp.Literal.number(int(part.whole))) for name in self._flag]
        # A null that stands for a group the part does not have is none to group by.
        return self._parts.select(part, columns, [place for place, name in enumerate(self._groups) if name in groups])

    def _value_columns(self) -> list[str]:
        found = [base.name for metric in self._plan.metrics for base in formulas.bases(self._model, metric)]
        return [name + suffix for name in dict.fromkeys(found) for suffix in self._suffixes]

    def _met(self) -> exp.Select:
        """One row for each group: of each column at most one part has a number there."""
        keys = [*self._groups, *self._flag]
        values = [exp.alias_(exp.Max(this=_column(name)), name, quoted=True) for name in self._value_columns()]
        select = exp.select(*(_column(name) for name in keys), *values).from_(self._table("parts"))
        return select.group_by(*(_column(name) for name in keys), copy=False) if keys else select

    def _computed(self, before: str) -> exp.Select:
        """The metrics that were asked for, formulas from the numbers they are made of."""
        values = [
            exp.alias_(self._value(metric, suffix), metric.name + suffix, quoted=True)
            for metric in self._plan.metrics
            for suffix in self._suffixes
        ]
        keys = (_column(name) for name in (*self._groups, *self._flag))
        return exp.select(*keys, *values).from_(self._table(before))

    def _value(self, metric: Metric, suffix: str) -> exp.Expr:
        if metric.formula is None:
            return _column(metric.name + suffix)
        return formula_tree(self._model, metric, self._dialect, suffix)

    def _compared(self, before: str) -> exp.Select:
        """Beside every number what it was before and what part of the whole it is."""
        columns: list[exp.Expr] = [_column(name) for name in (*self._groups, *self._flag)]
        for metric in self._plan.metrics:
            columns += [_column(metric.name + suffix) for suffix in self._suffixes]
            if self._query.compare:
                columns += self._differences(metric.name)
            if self._query.share:
                columns.append(self._share(metric.name))
        return exp.select(*columns).from_(self._table(before))

    def _differences(self, name: str) -> list[exp.Expr]:
        now, was = _column(name), _column(f"{name}_before")
        change = exp.Sub(this=now, expression=was)
        growth = exp.Case(
            ifs=[
                # Of nothing, or of less than nothing, there is no percentage that means anything.
                exp.If(
                    this=exp.GT(this=was.copy(), expression=exp.Literal.number(0)),
                    true=dialects.ratio(change.copy(), was.copy(), self._dialect),
                )
            ]
        )
        return [
            exp.alias_(change, f"{name}_change", quoted=True),
            exp.alias_(growth, f"{name}_growth", quoted=True),
        ]

    def _share(self, name: str) -> exp.Expr:
        is_whole = exp.EQ(this=_column(_WHOLE), expression=exp.Literal.number(1))
        whole = exp.Window(
            this=exp.Max(this=exp.Case(ifs=[exp.If(this=is_whole, true=_column(name))])),
            partition_by=[_column(group) for group in self._groups if group not in self._query.share],
        )
        return exp.alias_(dialects.ratio(_column(name), whole, self._dialect), f"{name}_share", quoted=True)

    def _conditions(self) -> list[exp.Expr]:
        found: list[exp.Expr] = [exp.EQ(this=_column(name), expression=exp.Literal.number(0)) for name in self._flag]
        for condition in self._query.having:
            operator, value = _OPERATORS[condition.op], exp.Literal.number(condition.value)
            found.append(operator(this=_column(condition.metric), expression=value))
        return found


def _column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)
