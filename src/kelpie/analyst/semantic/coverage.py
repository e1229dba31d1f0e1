"""Which days the data cover: on each time axis, and for each stock."""

import contextlib
import datetime as dt

from sqlglot import exp

from kelpie.analyst.compile.fitting import axes_of
from kelpie.analyst.compile.windows import Coverage, Days
from kelpie.analyst.semantic.model import Metric, SemanticModel, TimeAxis
from kelpie.analyst.semantic.probe import Probe
from kelpie.errors import QueryRefused


async def find_coverage(probe: Probe) -> Coverage:
    """Axes and stocks without a dated row, or that the person asking may not see, are left out. Raises QueryFailed."""
    axes: dict[str, Days] = {}
    for axis in probe.model.times:
        with contextlib.suppress(QueryRefused):
            days = await _days(probe, _counting(probe.model, axis, probe), axis.expr, axis.line)
            if days is not None:
                axes[axis.name] = days
    stocks: dict[str, Days] = {}
    for metric in probe.model.metrics:
        if metric.kind == "stock":
            with contextlib.suppress(QueryRefused):
                days = await _known(probe, metric, axes)
                if days is not None:
                    stocks[metric.name] = days
    return Coverage(axes, stocks)


def _counting(model: SemanticModel, axis: TimeAxis, probe: Probe) -> list[str]:
    """The entities that are dated by the axis: it may hold other days where nothing that is counted happened."""
    counted = [
        metric.entity
        for metric in model.metrics
        if metric.kind in ("flow", "ratio") and metric.entity and axis in axes_of(model, metric, probe.dialect)
    ]
    return list(dict.fromkeys(counted)) or probe.bases([probe.expression(axis.expr, axis.line)])


async def _known(probe: Probe, stock: Metric, axes: dict[str, Days]) -> Days | None:
    """From its first row to the last day of the data: rows that hold say nothing of when they were looked at."""
    assert stock.entity is not None, "a stock counts rows"
    days = await _days(probe, [stock.entity], stock.at or stock.since or "", stock.line)
    if days is None or stock.at is not None:
        return days
    last = [axes[name].last for name in stock.times or axes if name in axes]
    return Days(days.first, max(last, default=days.last))


async def _days(probe: Probe, entities: list[str], text: str, line: int) -> Days | None:
    found: list[dt.date] = []
    for entity in entities:
        tree = probe.expression(text, line)
        columns: list[tuple[str, exp.Expr]] = [("first", exp.Min(this=tree.copy())), ("last", exp.Max(this=tree))]
        row = (await probe.select(probe.over(entity, columns))).rows[0]
        found += [dt.date.fromisoformat(str(cell)[:10]) for cell in row if cell is not None]
    return Days(min(found), max(found)) if found else None
