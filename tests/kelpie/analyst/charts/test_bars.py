"""Bars: in the order asked for, with their numbers, what is left out said, what is cut off paler."""

from tests.kelpie.analyst.charts.results_to_draw import (
    BEFORE,
    CARRIER,
    CROSSED,
    DELAY,
    FLIGHTS,
    MONTH,
    MONTHLY,
    RANKING,
    SHARES,
    TREND,
    UNORDERED,
    YEARS,
    basis,
    dimension,
    metric,
    stored,
)

from kelpie.analyst.charts import build_spec


def plotted(spec, field):
    return [one[field] for one in spec["data"]["values"]]


def test_a_ranking_keeps_its_order_and_names_its_unit():
    spec = build_spec(RANKING, title="Delays")
    bars = spec["layer"][0]["encoding"]
    assert bars["y"]["sort"] is None
    assert plotted(spec, "carrier") == ["SkyWest", "AirTran", None, "Alaska"]
    assert bars["x"]["axis"]["title"] == "Average delay (minutes)"
    assert spec["title"] == {"text": "Delays"}
    assert spec["layer"][1]["encoding"]["text"]["format"] == ",.1f"


def test_without_an_order_the_largest_comes_first_unless_members_have_an_order_of_their_own():
    assert plotted(build_spec(UNORDERED), "carrier") == ["b", "c", "a"]
    hours = stored([dimension("hour", kind="number"), DELAY], [[5, 1.0], [6, 3.0], [7, 2.0]], asked={})
    assert plotted(build_spec(hours), "hour") == [5, 6, 7]


def test_more_bars_than_fit_are_said_to_be_left_out():
    spec = build_spec(stored([CARRIER, DELAY], [[f"c{n}", 40 - n] for n in range(40)]))
    assert len(spec["data"]["values"]) == 30
    assert spec["title"]["subtitle"] == "The first 30 of 40"
    assert spec["usermeta"]["left_out"] == 10


def test_a_cut_result_is_never_called_all_of_it():
    spec = build_spec(stored([CARRIER, DELAY], [["a", 1.0]], truncated=True))
    assert spec["title"]["subtitle"] == "The first 1 of more rows than were kept"


def test_parts_of_a_whole_are_bars_in_per_cent():
    spec = build_spec(SHARES)
    x = spec["layer"][0]["encoding"]["x"]
    assert (x["field"], x["axis"]["format"]) == ("flights_share", ".0%")
    assert plotted(spec, "flights_share") == [0.7, 0.3]


def test_months_may_be_ranked_too():
    spec = build_spec(stored(MONTHLY.columns, MONTHLY.rows[::-1], asked={"order": [{"by": "flights"}]}), "bar")
    assert plotted(spec, "month")[0] == "2013-08-01"
    assert "Aug 2013" in spec["layer"][0]["encoding"]["y"]["axis"]["labelExpr"]


def test_columns_over_time_have_a_place_for_every_period_and_are_paler_where_cut_off():
    rows = [["2013-01-01", 5], ["2013-04-01", 7]]
    spec = build_spec(
        stored([MONTH, FLIGHTS], rows, asked={}, first="2013-01-01", last="2013-04-10", of=basis(flights="flow"))
    )
    encoding = spec["layer"][0]["encoding"]
    assert encoding["x"]["scale"]["domain"] == ["2013-01-01", "2013-02-01", "2013-03-01", "2013-04-01"]
    assert "2013-04-01" in encoding["opacity"]["condition"]["test"]
    assert spec["title"]["subtitle"] == "Not whole: Apr 2013, data through 2013-04-10"
    assert "opacity" not in build_spec(MONTHLY)["layer"][0]["encoding"]


def test_fiscal_quarters_are_named_under_the_axis():
    axis = build_spec(TREND, "column")["layer"][0]["encoding"]["x"]["axis"]
    assert '"2025-02-01":["Q1","FY2026"]' in axis["labelExpr"]


def test_a_number_stands_beside_what_it_was_before():
    spec = build_spec(BEFORE)
    assert spec["transform"] == [{"fold": ["mrr", "mrr_before"], "as": ["series", "value"]}]
    encoding = spec["layer"][0]["encoding"]
    assert encoding["yOffset"]["sort"] == ["mrr", "mrr_before"]
    assert encoding["color"]["scale"]["domain"] == ["mrr", "mrr_before"]
    assert "MRR before (USD)" in encoding["color"]["legend"]["labelExpr"]
    assert build_spec(YEARS)["encoding"]["xOffset"]["sort"] == ["mrr_before", "mrr"], "time goes from left to right"


def test_two_dimensions_stand_side_by_side_or_on_top_of_each_other():
    grouped = build_spec(CROSSED)["layer"][0]["encoding"]
    assert (grouped["y"]["field"], grouped["yOffset"]["field"]) == ("carrier", "origin")
    stacked = build_spec(CROSSED, "stacked")
    assert stacked["encoding"]["color"]["sort"] == ["LGA", "JFK"], "the largest lies at the bottom, last in the legend"


def test_money_is_written_short_only_where_the_table_is_not_repeated():
    rows = [["A", 1_234_567.5], ["B", 200_000.0]]
    spec = build_spec(stored([CARRIER, metric("mrr", number_format=",.2f", unit="USD")], rows))
    assert spec["layer"][1]["encoding"]["text"]["format"] == ",.2f"
    assert "~s" in spec["layer"][0]["encoding"]["x"]["axis"]["labelExpr"]
