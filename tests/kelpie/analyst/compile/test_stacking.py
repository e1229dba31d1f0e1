"""Several parts in one query, over a ledger small enough to reckon by hand: every expected row was."""

import datetime as dt
from decimal import Decimal

import duckdb
import pytest
from tests.kelpie.analyst.ledgers import LEDGER_YAML, build_ledger

from kelpie.analyst.compile import Coverage, Days, compile_query
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import metric_query
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.table import as_cell
from kelpie.errors import InvalidInput, LimitExceeded

LEDGER = read_model(LEDGER_YAML)


def days(first, last):
    return Days(dt.date.fromisoformat(first), dt.date.fromisoformat(last))


COVERAGE = Coverage(
    axes={
        "issued": days("2024-01-31", "2025-02-10"),
        "paid": days("2024-02-01", "2025-02-01"),
        "refunded": days("2024-04-02", "2025-01-31"),
        "paid_out": days("2024-02-01", "2024-03-01"),
        "due": days("2024-03-01", "2025-12-31"),
    },
    stocks={
        "mrr": days("2024-01-01", "2025-02-10"),
        "subscribers": days("2024-01-01", "2025-02-10"),
        "staff": days("2024-01-31", "2024-04-30"),
    },
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with duckdb.connect(build_ledger(str(tmp_path_factory.mktemp("ledger") / "ledger.duckdb"))) as connection:
        yield connection


def compiled(query, dialect="duckdb", coverage=COVERAGE):
    return compile_query(LEDGER, metric_query(query), dialect, coverage)


@pytest.fixture
def rows(ledger):
    def run(query):
        sql = guard(compiled(query).sql, LEDGER.tables).sql
        return [[as_cell(cell) for cell in row] for row in ledger.execute(sql).fetchall()]

    return run


def by(row, *places):
    return [row[place] for place in places]


# --- stocks -----------------------------------------------------------------------------------------------------------


def test_a_quarter_of_a_stock_is_its_last_month(rows):
    months = {row[0]: row[1:] for row in rows({"metrics": ["mrr", "subscribers", "arpu"], "grain": "month"})}
    quarters = rows({"metrics": ["mrr", "subscribers", "arpu"], "grain": "quarter"})
    lasts = ("2024-03-01", "2024-06-01", "2024-09-01", "2024-12-01", "2025-02-01")
    assert [row[1:] for row in quarters] == [months[last] for last in lasts]
    assert by(months["2024-01-01"], 0, 1) == [10.1, 1]
    # An upgrade on the last day of June is the new plan that evening, not both.
    assert months["2024-06-01"][0] == 230.1
    # The trial does not count; what came out of it does, from its own first day.
    assert months["2024-03-01"][0] == 210.1
    assert months["2024-12-01"] == [230.15, 4, pytest.approx(230.15 / 4)]


def test_a_stock_without_a_grain_is_that_of_the_last_day(rows):
    assert rows({"metrics": ["mrr"]}) == [[130.15]]
    assert rows({"metrics": ["mrr"], "time_to": "2024-05-31"}) == [[210.1]]
    assert rows({"metrics": ["mrr"], "time_from": "2024-01-01", "time_to": "2030-12-31"}) == [[130.15]]
    assert rows({"metrics": ["mrr"], "time_from": "2026-01-01", "time_to": "2026-12-31"}) == [[None]]
    assert rows({"metrics": ["mrr"], "time_to": "2023-06-30"}) == [[None]]
    # Nobody knows how many there will be: that is not 0.
    assert rows({"metrics": ["subscribers", "arpu"], "time_from": "2026-01-01"}) == [[None, None]]
    assert rows({"metrics": ["mrr"], "grain": "month", "time_from": "2026-01-01"}) == []


def test_invoices_due_next_winter_do_not_move_today(rows):
    """The stock says which axis ends its data: without that it would be asked for at the last due date."""
    assert compiled({"metrics": ["mrr"]}).notes == ["Without internal accounts.", "MRR: as of 2025-02-10."]


def test_snapshots_are_those_of_the_last_counted_day(rows):
    assert rows({"metrics": ["staff"], "grain": "month"}) == [
        ["2024-01-01", 5],
        ["2024-02-01", 7],  # nobody counted on the 29th
        ["2024-04-01", 9],
    ]
    assert rows({"metrics": ["staff"]}) == [[9]]
    assert rows({"metrics": ["staff"], "time_to": "2024-04-29"}) == [[7]]
    assert rows({"metrics": ["staff"], "time_from": "2024-03-01", "time_to": "2024-03-31"}) == [[None]]


def test_a_stock_by_day_is_bounded():
    with pytest.raises(LimitExceeded, match="days"):
        compiled({"metrics": ["mrr"], "grain": "day"})
    assert compiled({"metrics": ["mrr"], "grain": "day", "time_from": "2025-01-01"}).sql.count("'2025-01-") > 50


def test_a_stock_without_a_day_is_refused():
    with pytest.raises(InvalidInput, match="'mrr'"):
        compiled({"metrics": ["mrr"]}, coverage=Coverage())


# --- formulas ---------------------------------------------------------------------------------------------------------


def test_a_formula_of_two_tables_does_not_multiply_rows(rows):
    """An invoice with two refunds would count twice in a join."""
    assert rows({"metrics": ["invoiced", "refunds", "net_revenue"]}) == [[320.55, 75.05, 245.5]]
    assert rows({"metrics": ["net_revenue"], "dimensions": ["country"]}) == [["DE", 145.2], ["FR", 100.3], [None, 0]]


def test_monthly_and_quarterly_totals_of_a_flow_are_equal_to_the_cent(ledger):
    totals = []
    for grain in ("day", "week", "month", "quarter", "fiscal_quarter", "fiscal_year", "year", None):
        query = {"metrics": ["net_revenue"]} | ({"grain": grain} if grain else {})
        found = ledger.execute(compiled(query).sql).fetchall()
        assert all(row[-1] is None or isinstance(row[-1], Decimal) for row in found)
        totals.append(sum(row[-1] for row in found if row[-1] is not None))
    assert totals == [Decimal("245.50")] * 8


def test_a_formula_is_null_where_it_divides_by_nothing_and_where_nothing_is_known(rows):
    found = {row[0]: row[1] for row in rows({"metrics": ["refund_rate"], "grain": "month"})}
    assert found["2024-01-01"] == 0  # no refund is a rate of nothing
    assert found["2024-04-01"] == 0.75
    assert "2024-05-01" not in found
    assert rows({"metrics": ["refund_rate", "net_revenue"], "time_to": "2020-12-31"}) == [[None, None]]


# --- time -------------------------------------------------------------------------------------------------------------


def test_the_time_axis_is_the_one_named_or_the_usual_one(rows):
    march = {"time_from": "2024-03-01", "time_to": "2024-03-31"}
    assert rows({"metrics": ["invoiced"], **march}) == [[100]]
    assert rows({"metrics": ["invoiced", "invoices"], "time": "paid", **march}) == [[100, 1]]
    assert rows({"metrics": ["net_revenue"], "time": "paid", "time_from": "2024-04-01", "time_to": "2024-04-30"}) == [
        [25]
    ]
    assert rows({"metrics": ["invoices"]}) == [[8]]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"metrics": ["invoices"], "grain": "month"}, "set `time` to one of issued, paid"),
        ({"metrics": ["refunds"], "time": "paid"}, "'paid'; time axes: refunded"),
        ({"metrics": ["invoices"], "time": "paid", "grain": "week"}, "grains: month, quarter, year, fiscal_quarter"),
        ({"metrics": ["staff"], "dimensions": ["country"]}, "'staff' can't be looked at by 'country'"),
        ({"metrics": ["invoiced"], "filters": [{"dimension": "currency", "values": ["EUR"]}]}, "by 'currency'"),
        ({"metrics": ["paid_out_amount"]}, "never summed across 'currency'"),
        (
            {"metrics": ["paid_out_amount"], "filters": [{"dimension": "currency", "values": ["EUR", "USD"]}]},
            "never summed across",
        ),
        ({"metrics": ["paid_out_amount"], "dimensions": ["currency"], "share": ["currency"]}, "never summed across"),
        ({"metrics": ["arpu"], "dimensions": ["country"], "share": ["country"]}, "'arpu' has no share"),
        ({"metrics": ["largest"], "dimensions": ["country"], "share": ["country"]}, "'largest' has no share"),
        ({"metrics": ["invoiced"], "dimensions": ["country"], "order": [{"by": "invoiced_growth"}]}, "can't order"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(query, says):
    with pytest.raises(InvalidInput, match=says):
        compiled(query)


def test_a_fiscal_quarter_begins_with_its_own_month(rows):
    result = compiled({"metrics": ["invoiced"], "grain": "fiscal_quarter"})
    assert (result.columns[0].grain, result.columns[0].year_begins, result.columns[0].named_by) == (
        "fiscal_quarter",
        2,
        "end",
    )
    assert rows({"metrics": ["invoiced"], "grain": "fiscal_quarter"}) == [
        ["2023-11-01", 10.1],
        ["2024-02-01", 300],
        ["2024-11-01", 10.15],
        ["2025-02-01", 0.3],
    ]


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_a_month_is_compared_with_the_month_before(rows):
    query = {"metrics": ["invoiced"], "time_from": "2024-03-01", "time_to": "2024-03-31"}
    result = compiled({**query, "compare": {"with": "previous_period"}})
    # February has 29 days; the 31 days before March would be another number.
    assert result.notes == ["Without internal accounts.", "Compared with 2024-02-01 to 2024-02-29."]
    assert rows({**query, "compare": {"with": "previous_period"}}) == [[100, 100, 0, 0.0]]
    assert [column.name for column in result.columns] == [
        "invoiced",
        "invoiced_before",
        "invoiced_change",
        "invoiced_growth",
    ]
    assert [(column.format, column.unit, column.of) for column in result.columns[1:]] == [
        (",.2f", "EUR", "invoiced"),
        (",.2f", "EUR", "invoiced"),
        (".1%", "", "invoiced"),
    ]


def test_each_side_of_a_comparison_keeps_its_members(rows):
    query = {"metrics": ["invoiced"], "dimensions": ["country"], "time_from": "2025-01-01", "time_to": "2025-02-28"}
    assert rows({**query, "compare": {"with": "previous_year"}}) == [
        ["DE", 10.1, 110.1, -100, pytest.approx(-100 / 110.1)],
        ["FR", 0.3, None, None, None],
    ]
    other = {"with": "period", "time_from": "2024-12-01", "time_to": "2024-12-31"}
    assert rows({**query, "compare": other}) == [
        ["DE", 10.1, None, None, None],
        ["FR", 0.3, None, None, None],
        [None, None, 0.05, None, None],
    ]


def test_the_row_before_is_the_period_before_even_where_one_is_missing(rows):
    query = {"metrics": ["invoiced"], "grain": "month", "compare": {"with": "previous_period"}}
    found = {row[0]: row[1:] for row in rows({**query, "time_from": "2024-04-01", "time_to": "2025-02-28"})}
    assert found["2024-04-01"] == [100, 100, 0, 0.0]  # March is read for it
    assert found["2024-05-01"] == [None, 100, None, None]
    assert found["2024-12-01"] == [0.05, None, None, None]  # not April's, the last row before it
    assert found["2025-01-01"] == [10.1, 0.05, 10.05, pytest.approx(201)]
    assert list(found)[-1] == "2025-02-01"


def test_a_leap_day_is_compared_with_no_day(rows):
    """It would be read as another day, which has its own: its invoice would count twice, its MRR too."""
    query = {"metrics": ["invoiced"], "grain": "day", "time_from": "2025-02-01", "time_to": "2025-03-31"}
    assert [row[:3] for row in rows({**query, "compare": {"with": "previous_year"}})] == [
        ["2025-02-10", 0.3, None],
        ["2025-03-31", None, 100],
    ]
    # As part of its month it counts.
    months = rows({**query, "grain": "month", "compare": {"with": "previous_year"}})
    assert [row[:3] for row in months] == [["2025-02-01", 0.3, 100], ["2025-03-01", None, 100]]
    mrr = {**query, "metrics": ["mrr"], "time_from": "2025-02-28", "compare": {"with": "previous_year"}}
    assert [row[:3] for row in rows(mrr)][:2] == [["2025-02-28", None, 110.1], ["2025-03-01", None, 110.1]]


def test_a_stock_is_compared_moment_with_moment(rows):
    query = {"metrics": ["mrr"], "grain": "quarter", "time_from": "2025-01-01", "time_to": "2025-03-31"}
    assert rows({**query, "compare": {"with": "previous_year"}}) == [
        ["2025-01-01", 130.15, 210.1, -79.95, pytest.approx(-79.95 / 210.1)]
    ]
    assert rows({**query, "compare": {"with": "previous_period"}})[0][:3] == ["2025-01-01", 130.15, 230.15]


def test_growth_from_nothing_or_from_less_is_no_percentage(rows):
    query = {"metrics": ["net_revenue"], "time_from": "2025-01-01", "time_to": "2025-01-31"}
    other = {"with": "period", "time_from": "2024-12-31", "time_to": "2024-12-31"}
    assert rows({**query, "compare": other}) == [[10.05, 0.05, 10, 200]]
    april = {"with": "period", "time_from": "2024-04-02", "time_to": "2024-04-29"}
    assert rows({**query, "compare": april}) == [[10.05, -75, 85.05, None]]


def test_what_lies_before_the_data_is_unknown_and_not_none(rows):
    query = {"metrics": ["invoices", "invoiced"], "time": "issued", "time_from": "2024-01-01", "time_to": "2024-01-31"}
    assert rows({**query, "compare": {"with": "previous_year"}}) == [[1, None, None, None, 10.1, None, None, None]]


def test_the_edges_of_the_data_are_told():
    query = {"metrics": ["invoiced"], "grain": "quarter", "compare": {"with": "previous_year"}}
    assert compiled({**query, "time_from": "2024-01-01", "time_to": "2025-12-31"}).notes == [
        "Without internal accounts.",
        "What lies before 2024-01-31 is not known: the data begin there.",
        "The first quarter is not whole: it begins on 2024-01-31.",
        "The last quarter is not whole: it ends on 2025-02-10.",
    ]
    assert compiled({"metrics": ["invoiced"], "time_from": "2025-01-01", "time_to": "2025-12-31"}).notes == [
        "Without internal accounts.",
        "The data end on 2025-02-10.",
    ]
    assert compiled({"metrics": ["mrr"], "grain": "quarter"}).notes == [
        "Without internal accounts.",
        "The last quarter is not over: it is shown as of 2025-02-10.",
    ]
    assert compiled({"metrics": ["mrr"], "time_to": "2025-12-31"}).notes == [
        "Without internal accounts.",
        "MRR: as of 2025-02-10.",
    ]


# --- shares, conditions, defaults -------------------------------------------------------------------------------------


def test_a_share_is_of_the_whole_also_with_a_limit_or_a_filter(rows):
    shared = {"metrics": ["invoiced"], "share": ["country"]}
    by_country = {**shared, "dimensions": ["country"], "order": [{"by": "invoiced_share"}]}
    assert rows({**by_country, "limit": 1}) == [["DE", 220.2, pytest.approx(220.2 / 320.55)]]
    assert sum(row[2] for row in rows(by_country)) == pytest.approx(1)
    filtered = {**shared, "filters": [{"dimension": "country", "values": ["DE"]}]}
    assert rows(filtered) == [[220.2, pytest.approx(220.2 / 320.55)]]


def test_a_share_within_another_dimension_is_of_that_group(rows):
    query = {"metrics": ["invoiced"], "dimensions": ["country", "plan"], "share": ["plan"]}
    assert [(row[0], row[1], row[3]) for row in rows(query)] == [
        ("DE", "basic", pytest.approx(20.2 / 220.2)),
        ("DE", "pro", pytest.approx(200 / 220.2)),
        ("FR", "pro", 1.0),
        (None, None, 1.0),
    ]


def test_a_condition_holds_before_the_limit(rows):
    query = {"metrics": ["invoiced"], "dimensions": ["country"], "order": [{"by": "invoiced"}], "limit": 1}
    assert rows(query)[0][0] == "DE"
    below = [{"metric": "invoiced", "op": "lt", "value": 200}]
    assert rows({**query, "having": below}) == [["FR", 100.3]]


def test_a_default_filter_holds_unless_the_query_speaks_of_its_dimension(rows):
    assert rows({"metrics": ["invoices"]}) == [[8]]
    assert rows({"metrics": ["invoices"], "dimensions": ["internal"]}) == [[False, 8], [True, 1]]
    everyone = [{"dimension": "internal", "values": [True, False]}]
    assert rows({"metrics": ["invoices"], "filters": everyone}) == [[9]]
    assert compiled({"metrics": ["invoices"], "filters": everyone}).notes == []
    assert compiled({"metrics": ["staff", "mrr"], "time_to": "2024-04-30"}).notes == [
        "Without internal accounts.",
        "That does not hold for staff.",
        "staff: as of 2024-04-30.",
        "MRR: as of 2024-04-30.",
    ]


# --- the text ---------------------------------------------------------------------------------------------------------

SHAPES = {
    "one part": {"metrics": ["invoiced"], "dimensions": ["country"], "grain": "quarter"},
    "two entities": {"metrics": ["mrr", "refunds"], "dimensions": ["country"], "grain": "fiscal_quarter"},
    "snapshots": {"metrics": ["staff"], "grain": "week", "time_from": "2024-02-01"},
    "everything": {
        "metrics": ["net_revenue"],
        "dimensions": ["country", "plan"],
        "grain": "month",
        "time_from": "2024-02-01",
        "compare": {"with": "previous_year"},
        "share": ["country"],
        "having": [{"metric": "net_revenue_growth", "op": "gte", "value": -0.5}],
        "order": [{"by": "net_revenue_share"}],
        "limit": 10,
    },
}


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite", "postgres", "mysql"])
@pytest.mark.parametrize("query", SHAPES.values(), ids=SHAPES)
def test_the_text_is_always_the_same_and_passes_the_guard(query, dialect):
    text = compiled(query, dialect).sql
    assert text == compile_query(read_model(LEDGER_YAML), metric_query(query), dialect, COVERAGE).sql
    assert guard(text, LEDGER.tables, dialect=dialect).tables


def test_a_table_called_as_a_layer_is_still_read(ledger):
    text = LEDGER_YAML.replace("table: refunds", "table: parts")
    sql = compile_query(read_model(text), metric_query({"metrics": ["net_revenue"]}), "duckdb", COVERAGE).sql
    ledger.execute("CREATE OR REPLACE VIEW parts AS SELECT * FROM refunds")
    assert ledger.execute(guard(sql, read_model(text).tables).sql).fetchall() == [(Decimal("245.50"),)]


def test_more_sql_than_may_run_is_refused():
    values = [f"{number:0>80}" for number in range(200)]
    query = {"metrics": ["net_revenue"], "filters": [{"dimension": "country", "values": values}]}
    with pytest.raises(InvalidInput, match="more SQL than may run"):
        compiled(query)
