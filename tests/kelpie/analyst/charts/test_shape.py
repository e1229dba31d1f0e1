"""The kind of chart follows from the shape of the result, and what has no chart says why."""

import pytest
from tests.kelpie.analyst.charts.results_to_draw import (
    BEFORE,
    CARRIER,
    CROSSED,
    DELAY,
    FLIGHTS,
    MONTH,
    MONTHLY,
    ORIGIN,
    RANKING,
    SERIES,
    SHARES,
    SQL,
    TREND,
    TWO_METRICS,
    WIDE,
    YEARS,
    basis,
    metric,
    stored,
    value,
)

from kelpie.analyst.charts import CHART_KINDS, build_spec
from kelpie.analyst.charts.shape import Shape, fitting_kind
from kelpie.errors import InvalidInput, LimitExceeded

NINE_SERIES = stored([CARRIER, MONTH, DELAY], [[f"c{n}", f"2013-0{m}-01", n] for n in range(9) for m in (1, 2)])
LONG_FLOW = stored(
    [MONTH, FLIGHTS], [[f"20{y}-{m:02}-01", 1] for y in (13, 14) for m in range(1, 13)], of=basis(flights="flow")
)
SHARES_OVER_TIME = stored(
    [CARRIER, MONTH, FLIGHTS, metric("flights_share", "share", ".1%", of="flights")],
    [["A", "2013-01-01", 30, 0.3], ["B", "2013-01-01", 70, 0.7]], asked={},
)  # fmt: skip
BY_DAY_IN_SQL = stored([value("d", "DATE"), value("n", "BIGINT")], [["2013-01-01", 1], ["2013-02-01", 2]])


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (RANKING, "bar"),
        (SHARES, "bar"),
        (SQL, "bar"),
        (TWO_METRICS, "bar"),
        (MONTHLY, "column"),
        (LONG_FLOW, "line"),
        (TREND, "line"),
        (SERIES, "line"),
        (BY_DAY_IN_SQL, "column"),
        (SHARES_OVER_TIME, "stacked"),
        (BEFORE, "grouped"),
        (YEARS, "grouped"),
        (CROSSED, "grouped"),
        (WIDE, "heatmap"),
        (NINE_SERIES, "heatmap"),
    ],
)
def test_the_kind_fits_the_shape(query, kind):
    assert fitting_kind(Shape(query)) == kind
    assert build_spec(query)["usermeta"]["kind"] == kind


def test_what_was_ordered_by_is_what_is_drawn():
    change = metric("mrr_growth", "growth", ".1%", of="mrr")
    rows = [["A", 3.0, 0.5], ["B", 9.0, 0.1]]
    query = stored([CARRIER, metric("mrr"), change], rows, asked={"order": [{"by": "mrr_growth"}]})
    assert Shape(query).measure == change
    assert Shape(stored(query.columns, rows, asked={})).measure.name == "mrr"


@pytest.mark.parametrize(
    ("query", "kind", "why"),
    [
        (stored([CARRIER, DELAY], []), None, "no number"),
        (stored([CARRIER], [["a"]]), None, "no number"),
        (stored([CARRIER, DELAY], [["a", None]]), None, "no number"),
        (stored([DELAY], [[1.0]]), None, "one number needs no chart"),
        (stored([CARRIER, ORIGIN, CARRIER, DELAY], [["a", "b", "c", 1.0]]), None, "as a table"),
        (stored([CARRIER, ORIGIN, MONTH, DELAY], [["a", "b", "2013-01-01", 1.0]]), None, "as a table"),
        (stored([MONTH, DELAY], [["never", 1.0]]), None, "something else than dates"),
        (RANKING, "line", "time series"),
        (RANKING, "column", "over time"),
        (RANKING, "grouped", "two dimensions"),
        (RANKING, "heatmap", "two dimensions"),
        (RANKING, "scatter", "two metrics"),
        (RANKING, "panels", "several metrics"),
        (SERIES, "bar", "one dimension"),
        (SERIES, "stacked", "don't add up"),
        (NINE_SERIES, "line", "9 lines can't be told apart"),
        (WIDE, "stacked", "don't add up"),
    ],
)
def test_what_can_t_be_drawn_says_why(query, kind, why):
    with pytest.raises(InvalidInput, match=why):
        build_spec(query, kind)


def test_negative_parts_are_not_stacked():
    query = stored(
        [CARRIER, MONTH, FLIGHTS], [["A", "2013-01-01", -1], ["B", "2013-01-01", 2]], of=basis(flights="flow")
    )
    with pytest.raises(InvalidInput, match="negative"):
        build_spec(query, "stacked")


def test_an_overlong_title_is_refused():
    with pytest.raises(LimitExceeded):
        build_spec(RANKING, title="x" * 201)


def test_every_kind_has_a_name():
    assert set(CHART_KINDS) == {"bar", "column", "line", "grouped", "stacked", "heatmap", "scatter", "panels"}
