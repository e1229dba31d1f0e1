"""A chart can't show a number that no query gave, and can't hide one without saying so."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.charts import results_to_draw
from tests.kelpie.analyst.charts.results_to_draw import CARRIER, DELAY, FLIGHTS, MONTH, RANKING, SERIES, SQL, stored

from kelpie.analyst.charts import CHART_KINDS, build_spec, check_spec
from kelpie.analyst.results import StoredQuery
from kelpie.errors import InternalError, InvalidInput

EVERY = [made for made in vars(results_to_draw).values() if isinstance(made, StoredQuery)]


@pytest.mark.parametrize("kind", [None, *CHART_KINDS])
def test_whatever_is_drawn_plots_rows_of_the_result_alone(kind):
    drawn = 0
    for query in EVERY:
        try:
            spec = build_spec(query, kind)
        except InvalidInput:
            continue
        drawn += 1
        names = {column.name: place for place, column in enumerate(query.columns)}
        for row in spec["data"]["values"]:
            if any(isinstance(cell, int | float) for cell in row.values()) and set(row) <= set(names):
                assert any(all(its[names[name]] == cell for name, cell in row.items()) for its in query.rows)
    assert drawn


@pytest.mark.parametrize(
    "change",
    [{"delay": 65.9}, {"carrier": "Nobody"}, {"extra": 1}, {"delay": "65.8"}, {"delay": None}],
    ids=["a number", "a name", "a column", "a type", "a gap where there is a number"],
)
def test_a_row_of_its_own_is_refused(change):
    spec = build_spec(RANKING)
    spec["data"]["values"][0] = spec["data"]["values"][0] | change
    with pytest.raises(InternalError):
        check_spec(spec, RANKING)


def test_a_row_that_vanished_is_missed():
    spec = build_spec(RANKING)
    del spec["data"]["values"][1]
    with pytest.raises(InternalError, match="doesn't say what became of the others"):
        check_spec(spec, RANKING)


@pytest.mark.parametrize(
    "part",
    [
        {"aggregate": "sum", "field": "delay"},
        {"timeUnit": "year", "field": "delay"},
        {"field": "other"},
        {"datum": 5},
        {"field": "delay", "bin": True},
    ],
)
def test_a_channel_that_would_plot_another_number_is_refused(part):
    spec = copy.deepcopy(build_spec(RANKING))
    spec["layer"][0]["encoding"]["x"] = part
    with pytest.raises(InternalError):
        check_spec(spec, RANKING)


@pytest.mark.parametrize(
    "change",
    [
        {"transform": [{"aggregate": [], "groupby": []}]},
        {"transform": [{"sample": 1}]},
        {"datasets": {}},
        {"params": []},
    ],
)
def test_a_chart_that_computes_or_fetches_is_refused(change):
    with pytest.raises(InternalError):
        check_spec({**build_spec(RANKING), **change}, RANKING)


def test_data_of_a_layer_are_refused():
    spec = copy.deepcopy(build_spec(SERIES))
    spec["layer"][0]["data"] = {"values": [{"delay": 1}]}
    with pytest.raises(InternalError):
        check_spec(spec, SERIES)


def test_columns_with_odd_names_are_plotted_under_plain_ones():
    assert build_spec(SQL)["data"]["values"] == [{"who": "a.b", "column_2": 1.5}, {"who": "c'd", "column_2": 2.5}]


@given(st.lists(st.tuples(st.text(max_size=8) | st.none(), st.floats(-1e9, 1e9) | st.none()), min_size=1, max_size=50))
def test_any_ranking_is_drawn_from_its_rows_or_refused(rows):
    query = stored([CARRIER, DELAY], [list(row) for row in rows], asked={})
    try:
        spec = build_spec(query)
    except InvalidInput:
        assert all(number is None for _, number in rows)
        return
    shown = len(spec["data"]["values"]) + spec["usermeta"]["left_out"]
    assert shown == sum(number is not None for _, number in rows)


def test_rows_without_a_date_are_said_to_be_missing():
    query = stored([MONTH, FLIGHTS], [["2013-01-01", 1], [None, 5], [None, 6], ["2013-02-01", 2]], asked={})
    spec = build_spec(query)
    assert spec["usermeta"]["left_out"] == 2
    assert spec["title"]["subtitle"] == "Not shown: 2 rows without a date"


def test_points_without_both_numbers_are_said_to_be_missing():
    query = stored([CARRIER, DELAY, FLIGHTS], [["a", 1.0, 2], ["b", 2.0, None]])
    assert build_spec(query, "scatter")["title"]["subtitle"] == "Not shown: 1 row without both numbers"
