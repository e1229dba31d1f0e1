"""Results as queries store them, in every shape a chart is drawn from."""

from kelpie.analyst.results import Basis, ColumnBasis, StoredQuery, Verdict
from kelpie.analyst.table import ResultColumn


def dimension(name, label=None, kind="text"):
    return ResultColumn(name=name, kind="dimension", label=label or name, type=kind)


def metric(name, label=None, number_format=",.1f", unit="", of=""):
    return ResultColumn(
        name=name, kind="metric", label=label or name, type="number", format=number_format, unit=unit, of=of
    )


def period(grain, **fiscal):
    return ResultColumn(name=grain, kind="time", label=grain, type="date", grain=grain, **fiscal)


def value(name, kind="VARCHAR"):
    return ResultColumn(name=name, kind="value", label=name, type=kind)


def basis(**kinds):
    """`basis(mrr="stock")`: what the columns are."""
    return Basis(
        columns={
            name: ColumnBasis(kind=kind, formula="x", is_additive=kind in ("flow", "stock"))
            for name, kind in kinds.items()
        }
    )


def stored(columns, rows, *, asked=None, first=None, last=None, of=None, **more):
    """`asked` is the metric query, None for SQL; `first` and `last` are the days of the data."""
    return StoredQuery(
        tenant="tenant-1",
        id="query-1",
        agent_id="agent-1",
        run_id="run-1",
        step_id="step-1",
        tool_call_id="call-1",
        connection_id="connection-1",
        semantic_model_id="semantic-model-1",
        metric_query=asked,
        sql="SELECT 1",
        verdict=Verdict(outcome="run"),
        columns=columns,
        rows=rows,
        row_count=len(rows),
        snapshot={"first": first, "last": last} if last else {},
        basis=of or Basis(),
        created_at_ms=0,
        **more,
    )


CARRIER, ORIGIN, MONTH = dimension("carrier"), dimension("origin"), period("month")
DELAY = metric("delay", "average delay", unit="minutes")
FLIGHTS = metric("flights", number_format=",d")
MRR = metric("mrr", "MRR", ",.2f", "USD")
QUARTER = period("fiscal_quarter", year_begins=2)

RANKING = stored(
    [CARRIER, DELAY], [["SkyWest", 65.8], ["AirTran", 37.1], [None, 3.0], ["Alaska", -12.6]],
    asked={"order": [{"by": "delay"}]},
)  # fmt: skip
UNORDERED = stored([CARRIER, DELAY], [["a", 1.0], ["b", 3.0], ["c", 2.0]], asked={})
MONTHLY = stored(
    [MONTH, FLIGHTS], [[f"2013-0{n}-01", 100 * n] for n in range(1, 9)], asked={}, of=basis(flights="flow"),
    first="2013-01-01", last="2013-08-31",
)  # fmt: skip
TREND = stored(
    [QUARTER, MRR], [["2025-02-01", 1_200_000.5], ["2025-05-01", 1_250_000.0], ["2025-08-01", 1_300_000.25]], asked={},
    of=basis(mrr="stock"), first="2022-11-01", last="2025-09-18",
)  # fmt: skip
SERIES = stored(
    [CARRIER, MONTH, DELAY],
    [["A", "2013-01-01", 3.0], ["B", "2013-01-01", 5.0], ["A", "2013-02-01", None], ["B", "2013-02-01", 6.0],
     ["A", "2013-03-01", 4.0], ["B", "2013-03-01", 2.0]], asked={}, of=basis(delay="ratio"),
)  # fmt: skip
BEFORE = stored(
    [CARRIER, MRR, metric("mrr_before", "MRR before", ",.2f", "USD", of="mrr")],
    [["A", 3.0, 2.0], ["B", 1.0, None]], asked={},
)  # fmt: skip
YEARS = stored(
    [QUARTER, MRR, metric("mrr_before", "MRR before", ",.2f", "USD", of="mrr")],
    [["2025-02-01", 3.0, 2.0], ["2025-05-01", 4.0, 3.0]], asked={}, of=basis(mrr="flow"),
)  # fmt: skip
SHARES = stored(
    [CARRIER, FLIGHTS, metric("flights_share", "share of flights", ".1%", of="flights")],
    [["A", 30, 0.3], ["B", 70, 0.7]], asked={},
)  # fmt: skip
CROSSED = stored(
    [CARRIER, ORIGIN, FLIGHTS],
    [[f"c{n}", origin, n * 10 + len(origin)] for n in range(6) for origin in ("JFK", "LGA")], asked={},
    of=basis(flights="flow"),
)  # fmt: skip
WIDE = stored(
    [CARRIER, ORIGIN, DELAY], [[f"c{n}", f"o{m}", n - m] for n in range(8) for m in range(6)], asked={},
    of=basis(delay="ratio"),
)  # fmt: skip
TWO_METRICS = stored([CARRIER, DELAY, FLIGHTS], [["A", 3.0, 30], ["B", 1.0, 70], ["C", 2.0, 7]], asked={})
TWO_OVER_TIME = stored([MONTH, DELAY, FLIGHTS], [["2013-01-01", 3.0, 30], ["2013-02-01", 1.0, 70]], asked={})
SQL = stored([value("who"), value('odd.name[0] "x"', "DOUBLE")], [["a.b", 1.5], ["c'd", 2.5]])
