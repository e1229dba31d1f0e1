"""One part of a plan as a SELECT: groups, then its metrics' numbers."""

from sqlglot import exp

from kelpie.analyst.compile import dialects
from kelpie.analyst.compile.expressions import aggregate, condition, expression
from kelpie.analyst.compile.joins import select_over
from kelpie.analyst.compile.planning import Part
from kelpie.analyst.compile.windows import Moment
from kelpie.analyst.metric_query import MetricQuery
from kelpie.analyst.semantic.model import Metric, SemanticModel

# Names of metrics and dimensions begin with a letter: these can't be theirs.
_MOMENTS, _SPINE, _SNAPSHOTS = "_moments", "_spine", "_snapshots"


class PartSql:
    """Writes the parts of one query."""

    def __init__(self, model: SemanticModel, query: MetricQuery, dialect: str) -> None:
        self._model, self._query, self._dialect = model, query, dialect
        self._year_begins = model.fiscal.year_begins if model.fiscal else 1

    def groups(self, part: Part) -> list[tuple[str, exp.Expr]]:
        """The part's groups by name: dimensions, then the period."""
        found = [(one.name, expression(one.expr, one.line, self._dialect)) for one in part.dimensions]
        if self._query.grain is not None:
            found.append((self._query.grain, self._period(part)))
        return found

    def values(self, part: Part) -> list[tuple[str, exp.Expr]]:
        """Each metric's number, by its name; of another time than the one asked for with "_before"."""
        suffix = "_before" if part.role == "before" else ""
        if part.unknown:
            unknown = exp.Max(this=dialects.no_number(self._dialect))
            return [(metric.name + suffix, unknown.copy()) for metric in part.metrics]
        return [(metric.name + suffix, aggregate(metric, self._dialect)) for metric in part.metrics]

    def select(self, part: Part, columns: list[tuple[str, exp.Expr]], groups: list[int]) -> exp.Select:
        """`columns`, grouped by those at the places `groups`, from 0."""
        conditions = [condition(self._model, rule, self._dialect) for rule in part.filters]
        conditions += self._in_window(part)
        stock = part.metrics[0] if part.moments is not None else None
        held = [] if stock is None else self._held(stock, part.moments or [])
        spine = None if stock is None else self._spine(stock, part)
        if spine is None:
            conditions += held
        select = select_over(
            self._model, part.entity, columns, conditions, dialect=self._dialect, besides=[] if spine is None else held
        )
        if spine is not None:
            select = select.join(spine, on=exp.and_(*held), join_type="inner", copy=False)
        if groups:
            select = select.group_by(*(exp.Literal.number(place + 1) for place in groups), copy=False)
        return select

    def _period(self, part: Part) -> exp.Expr:
        if part.axis is None:
            return exp.column("period", table=_MOMENTS, quoted=True)
        assert self._query.grain is not None, "asked only with a grain"
        tree = expression(part.axis.expr, part.axis.line, self._dialect)
        begin = dialects.period_begin(tree, self._query.grain, self._year_begins, self._dialect)
        return dialects.moved(begin, part.shift, self._dialect)

    def _in_window(self, part: Part) -> list[exp.Expr]:
        if part.axis is None:
            return []
        tree = expression(part.axis.expr, part.axis.line, self._dialect)
        found: list[exp.Expr] = []
        if part.window.begin:
            found.append(exp.GTE(this=tree.copy(), expression=dialects.date(part.window.begin, self._dialect)))
        if part.window.end:  # the day after, so that the last day counts whole where the axis is a timestamp
            found.append(exp.LT(this=tree.copy(), expression=dialects.date(part.window.end, self._dialect)))
        for day in part.left_out:
            on_day = exp.EQ(
                this=dialects.period_begin(tree, "day", 1, self._dialect), expression=dialects.date(day, self._dialect)
            )
            found.append(exp.Not(this=on_day))
        return found

    def _held(self, stock: Metric, moments: list[Moment]) -> list[exp.Expr]:
        """The conditions under which a row of a stock holds in the evening of a moment."""
        if not moments:
            return [exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(0))]
        if stock.at is not None:
            at = dialects.period_begin(self._stock_date(stock, stock.at), "day", 1, self._dialect)
            return [exp.EQ(this=at, expression=exp.column("day", table=_MOMENTS, quoted=True))]
        if self._query.grain is None:
            after = dialects.date(moments[0].after, self._dialect)
        else:
            after = exp.column("day_after", table=_MOMENTS, quoted=True)
        held: list[exp.Expr] = [exp.LT(this=self._stock_date(stock, stock.since or ""), expression=after)]
        if stock.until is not None:
            until = self._stock_date(stock, stock.until)
            still = exp.Is(this=until.copy(), expression=exp.Null())
            held.append(exp.paren(exp.or_(still, exp.GTE(this=until, expression=after.copy()))))
        return held

    def _stock_date(self, stock: Metric, text: str) -> exp.Expr:
        return expression(text, stock.line, self._dialect)

    def _spine(self, stock: Metric, part: Part) -> exp.Expr | None:
        """The moments as a table to join; None where one date in a condition is enough."""
        found = part.moments or []
        if self._query.grain is None and (stock.at is None or not found):
            return None
        spine = self._literals(found)
        if stock.at is None or not found:
            return spine.subquery(_MOMENTS)
        return self._snapshots(stock, part.entity, spine).subquery(_MOMENTS)

    def _literals(self, found: list[Moment]) -> exp.Select:
        """SELECT … UNION ALL SELECT …: texts, made dates once."""
        names = ("period", "begins_on", "day_after")
        rows = [[moment.period or moment.begin, moment.begin, moment.after] for moment in found]
        texts = [[exp.Literal.string(day.isoformat()) for day in row] for row in rows]
        if not rows:
            texts = [[exp.Literal.string("1970-01-01") for _ in names]]
        first = exp.select(*(exp.alias_(text, name, quoted=True) for name, text in zip(names, texts[0], strict=True)))
        union: exp.Query = first
        for row in texts[1:]:
            union = exp.Union(this=union, expression=exp.select(*row), distinct=False)
        columns = (
            exp.alias_(dialects.as_date(exp.column(name, quoted=True), self._dialect), name, quoted=True)
            for name in names
        )
        return exp.select(*columns).from_(union.subquery("_days"))

    def _snapshots(self, stock: Metric, entity: str, spine: exp.Select) -> exp.Select:
        """For each moment the last day up to it, and in its period, that has a snapshot: weekends have none."""
        at = dialects.period_begin(self._stock_date(stock, stock.at or ""), "day", 1, self._dialect)
        days = select_over(self._model, entity, [("day", at)], dialect=self._dialect).distinct()
        day = exp.column("day", table=_SNAPSHOTS, quoted=True)
        begins, after = (exp.column(name, table=_SPINE, quoted=True) for name in ("begins_on", "day_after"))
        within = exp.and_(exp.GTE(this=day.copy(), expression=begins), exp.LT(this=day.copy(), expression=after))
        columns: list[exp.Expr] = [exp.alias_(exp.Max(this=day), "day", quoted=True)]
        period = exp.column("period", table=_SPINE, quoted=True)
        if self._query.grain is not None:
            columns.insert(0, exp.alias_(period, "period", quoted=True))
        select = exp.select(*columns).from_(spine.subquery(_SPINE)).join(days.subquery(_SNAPSHOTS), on=within)
        return select.group_by(period.copy()) if self._query.grain is not None else select
