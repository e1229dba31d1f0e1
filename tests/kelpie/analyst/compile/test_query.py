"""MetricQuery -> SQL of one part: the numbers of hand-written SQL, in one order, the same text every time."""

import pytest
from tests.kelpie.analyst.warehouses import COFFEE_YAML, ask, build_coffee, build_flights

from kelpie.analyst.compile import compile_query
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import metric_query
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.table import as_cell
from kelpie.demo.warehouse import semantic_model_yaml
from kelpie.errors import InvalidInput, LimitExceeded

FLIGHTS = read_model(semantic_model_yaml())
COFFEE = read_model(COFFEE_YAML)

# A metric query, and the SQL that a person would write for it.
SAME = {
    "one number": (
        FLIGHTS,
        {"metrics": ["flights"]},
        "SELECT count(*) FROM flights",
    ),
    "a ratio by a joined dimension, ranked": (
        FLIGHTS,
        {"metrics": ["average_arrival_delay", "arrived_flights"], "dimensions": ["carrier"], "time_from": "2013-06-01",
         "time_to": "2013-08-31", "order": [{"by": "average_arrival_delay"}], "limit": 5},
        """SELECT a.name, avg(f.arr_delay), count(f.arr_delay) FROM flights f
        LEFT JOIN airlines a ON a.carrier = f.carrier
        WHERE month(f.flight_date) IN (6, 7, 8) GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 5""",
    ),
    "a time series": (
        FLIGHTS,
        {"metrics": ["cancelled_flights", "cancelled_share"], "grain": "month"},
        """SELECT CAST(date_trunc('month', flight_date) AS DATE), sum(cancelled::INT), avg(cancelled::INT) FROM flights
        GROUP BY 1 ORDER BY 1""",
    ),
    "two airports of one table": (
        FLIGHTS,
        {"metrics": ["flights"], "dimensions": ["origin", "destination"]},
        """SELECT o.name, coalesce(d.name, f.dest), count(*) FROM flights f LEFT JOIN airports o ON f.origin = o.faa
        LEFT JOIN airports d ON f.dest = d.faa GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    "filters, in and not in, with rows that have no value": (
        FLIGHTS,
        {"metrics": ["flights"], "dimensions": ["manufacturer"],
         "filters": [{"dimension": "manufacturer", "values": ["Boeing"], "op": "not_in"},
                     {"dimension": "origin", "values": ["La Guardia", "John F Kennedy Intl"]}]},
        """SELECT CASE WHEN p.manufacturer LIKE 'AIRBUS%' THEN 'Airbus' WHEN p.manufacturer = 'EMBRAER' THEN 'Embraer'
        END AS m, count(*) FROM flights f LEFT JOIN planes p USING (tailnum)
        WHERE p.manufacturer IS DISTINCT FROM 'BOEING' AND f.origin IN ('LGA', 'JFK')
        GROUP BY 1 ORDER BY 1 NULLS LAST""",
    ),
    "the rows without a value": (
        FLIGHTS,
        {"metrics": ["flights"], "filters": [{"dimension": "manufacturer", "values": [None, "Airbus"]}]},
        """SELECT count(*) FROM flights f LEFT JOIN planes p USING (tailnum)
        WHERE p.manufacturer IS NULL OR p.manufacturer LIKE 'AIRBUS%'""",
    ),
    "a number as a filter": (
        FLIGHTS,
        {"metrics": ["flights"], "filters": [{"dimension": "departure_hour", "values": [5, 6]}]},
        "SELECT count(*) FROM flights WHERE hour IN (5, 6)",
    ),
    "a filter of a metric's own": (
        FLIGHTS,
        {"metrics": ["distance", "flights"], "dimensions": ["carrier"]},
        """SELECT a.name, sum(CASE WHEN NOT cancelled THEN distance END), count(*) FROM flights f
        LEFT JOIN airlines a USING (carrier) GROUP BY 1 ORDER BY 1""",
    ),
    "the last day counts whole on a timestamp axis": (
        COFFEE,
        {"metrics": ["turnover", "cups"], "time_from": "2023-08-01", "time_to": "2023-09-30", "grain": "month"},
        """SELECT CAST(date_trunc('month', ordered_at) AS DATE), sum(paid), sum(cups) FROM orders
        WHERE CAST(ordered_at AS DATE) BETWEEN '2023-08-01' AND '2023-09-30' GROUP BY 1 ORDER BY 1""",
    ),
    "a share of a group": (
        COFFEE,
        {"metrics": ["large_share"], "dimensions": ["drink"], "order": [{"by": "drink", "direction": "desc"}]},
        "SELECT drink, avg((cups > 3)::INT) FROM orders GROUP BY 1 ORDER BY 1 DESC",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def flights_path(tmp_path_factory):
    return build_flights(str(tmp_path_factory.mktemp("compile") / "flights.duckdb"))


@pytest.fixture(scope="module")
def coffee_path(tmp_path_factory):
    return build_coffee(str(tmp_path_factory.mktemp("compile") / "coffee.duckdb"))


@pytest.mark.parametrize(("model", "query", "by_hand"), SAME.values(), ids=SAME)
def test_the_numbers_are_those_of_hand_written_sql(model, query, by_hand, flights_path, coffee_path):
    path = flights_path if model is FLIGHTS else coffee_path
    compiled = compile_query(model, metric_query(query))
    guarded = guard(compiled.sql, model.tables)
    found, expected = ([[as_cell(cell) for cell in row] for row in ask(path, sql)] for sql in (guarded.sql, by_hand))
    assert len(expected) > 0
    assert len(expected[0]) == len(compiled.columns)
    assert [[pytest.approx(cell) if isinstance(cell, float) else cell for cell in row] for row in expected] == found


@pytest.mark.parametrize(("model", "query"), [case[:2] for case in SAME.values()], ids=SAME)
def test_the_same_query_is_the_same_text(model, query):
    again = read_model(semantic_model_yaml() if model is FLIGHTS else COFFEE_YAML)
    assert compile_query(again, metric_query(query)).sql == compile_query(model, metric_query(query)).sql


def test_only_the_joins_that_are_needed_are_made():
    sql = compile_query(FLIGHTS, metric_query({"metrics": ["flights"], "dimensions": ["weekday"]})).sql
    assert "JOIN" not in sql
    sql = compile_query(FLIGHTS, metric_query({"metrics": ["flights"], "dimensions": ["destination"]})).sql
    assert sql.count("JOIN") == 1


def test_a_value_with_a_quote_stays_a_value(flights_path):
    value = "O'Hare'; DROP TABLE flights; --"
    query = metric_query({"metrics": ["flights"], "filters": [{"dimension": "destination", "values": [value]}]})
    assert ask(flights_path, guard(compile_query(FLIGHTS, query).sql, FLIGHTS.tables).sql) == [(0,)]


REFUSED = {
    "no metric": {"metrics": []},
    "an unknown metric": {"metrics": ["profit"]},
    "an unknown dimension": {"metrics": ["flights"], "dimensions": ["pilot"]},
    "an unknown filter": {"metrics": ["flights"], "filters": [{"dimension": "pilot", "values": ["Ada"]}]},
    "a metric twice": {"metrics": ["flights", "flights"]},
    "an order by what is not asked for": {"metrics": ["flights"], "order": [{"by": "distance"}]},
    "a day that is none": {"metrics": ["flights"], "time_from": "2013-02-30"},
    "a time that runs backwards": {"metrics": ["flights"], "time_from": "2013-03-01", "time_to": "2013-02-01"},
    "an unknown grain": {"metrics": ["flights"], "grain": "hour"},
    "a limit of nothing": {"metrics": ["flights"], "limit": 0},
    "a filter of nothing": {"metrics": ["flights"], "filters": [{"dimension": "carrier", "values": []}]},
    "a text where a number is": {"metrics": ["flights"], "filters": [{"dimension": "departure_hour", "values": ["x"]}]},
    "a number where a text is": {"metrics": ["flights"], "filters": [{"dimension": "carrier", "values": [3]}]},
    "an unknown field": {"metrics": ["flights"], "group_by": "carrier"},
    "a condition that is none": {"metrics": ["flights"], "having": "1"},
    "a condition on what is not asked for": {
        "metrics": ["flights"],
        "having": [{"metric": "distance", "op": "gt", "value": 1}],
    },
    "a day in another form": {"metrics": ["flights"], "time_from": "20130201"},
    "a day before all calendars": {"metrics": ["flights"], "time_from": "0013-02-01"},
    "an order by one column twice": {"metrics": ["flights"], "order": [{"by": "flights"}, {"by": "flights"}]},
    "an unknown time axis": {"metrics": ["flights"], "time": "arrival"},
    "a fiscal year where there is none": {"metrics": ["flights"], "grain": "fiscal_year"},
    "a share of what is not asked for": {"metrics": ["flights"], "share": ["carrier"]},
    "a share of an average": {"metrics": ["average_distance"], "dimensions": ["carrier"], "share": ["carrier"]},
    "a comparison without days": {"metrics": ["flights"], "compare": {"with": "previous_period"}},
    "a comparison with a period that is none": {
        "metrics": ["flights"],
        "time_from": "2013-02-01",
        "compare": {"with": "period"},
    },
    "a comparison with days of its own": {
        "metrics": ["flights"],
        "time_from": "2013-02-01",
        "time_to": "2013-02-28",
        "compare": {"with": "previous_year", "time_from": "2012-01-01"},
    },
    "a text for a list": {"metrics": "flights"},
}


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED)
def test_a_query_that_does_not_fit_the_model_is_refused(query):
    with pytest.raises(InvalidInput):
        compile_query(FLIGHTS, metric_query(query))


@pytest.mark.parametrize(
    "query",
    [
        {"metrics": [f"m{n}" for n in range(9)]},
        {"metrics": ["flights"], "limit": 1_001},
        {"metrics": ["flights"], "filters": [{"dimension": "carrier", "values": ["x"] * 201}]},
    ],
)
def test_a_query_too_large_is_refused(query):
    with pytest.raises(LimitExceeded):
        compile_query(FLIGHTS, metric_query(query))


def test_a_grain_the_model_does_not_offer_is_refused():
    with pytest.raises(InvalidInput, match="week, month, year"):
        compile_query(COFFEE, metric_query({"metrics": ["cups"], "grain": "quarter"}))
