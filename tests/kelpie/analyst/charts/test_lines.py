"""Lines break where there is no number, end with their number, and say when their axis is cut."""

from tests.kelpie.analyst.charts.results_to_draw import MONTH, SERIES, TREND, YEARS, basis, metric, stored

from kelpie.analyst.charts import build_spec

RATE = metric("rate", "churn rate", ".1%")


def test_a_hole_in_a_series_is_a_row_without_a_number():
    spec = build_spec(SERIES)
    gaps = [row for row in spec["data"]["values"] if row["delay"] is None]
    assert gaps == [{"month": "2013-02-01", "carrier": "A", "delay": None}]
    assert len(spec["data"]["values"]) == 6


def test_a_long_hole_is_one_break():
    query = stored(
        [MONTH, RATE], [["2013-01-01", 0.1], ["2013-06-01", 0.2], ["2013-07-01", 0.1]], of=basis(rate="ratio")
    )
    assert [row for row in build_spec(query, "line")["data"]["values"] if row["rate"] is None] == [
        {"month": "2013-02-01", "rate": None}
    ]


def test_the_legend_lists_lines_from_the_one_that_ends_highest():
    colour = build_spec(SERIES)["layer"][0]["encoding"]["color"]
    assert colour["sort"] == ["A", "B"]


def test_an_axis_that_does_not_begin_at_zero_says_so():
    spec = build_spec(TREND)
    assert spec["layer"][0]["encoding"]["y"]["scale"] == {"zero": False}
    assert "axis does not begin at zero" in spec["title"]["subtitle"]
    from_zero = build_spec(stored([MONTH, RATE], [["2013-01-01", 0.1], ["2013-02-01", 0.4]]), "line")
    assert "scale" not in from_zero["layer"][0]["encoding"]["y"]
    assert "subtitle" not in from_zero["title"]


def test_a_period_that_is_not_over_is_hollow():
    spec = build_spec(TREND)
    assert "2025-08-01" in spec["layer"][2]["transform"][0]["filter"]
    assert spec["title"]["subtitle"].startswith("Not whole: Q3 FY2026, data through 2025-09-18")


def test_a_single_line_ends_with_its_number():
    last = build_spec(TREND)["layer"][-1]
    assert "2025-08-01" in last["transform"][0]["filter"]
    assert last["encoding"]["text"]["field"] == "mrr"
    assert all("text" not in layer["encoding"] for layer in build_spec(SERIES)["layer"])


def test_the_time_before_is_a_second_line():
    spec = build_spec(YEARS, "line")
    assert spec["transform"] == [{"fold": ["mrr", "mrr_before"], "as": ["series", "value"]}]


def test_metrics_of_one_unit_share_an_axis():
    both = stored([MONTH, metric("a"), metric("b")], [["2013-01-01", 1.0, 2.0], ["2013-02-01", 2.0, 3.0]])
    assert build_spec(both, "line")["transform"][0]["fold"] == ["a", "b"]
    other = stored([MONTH, metric("a"), RATE], [["2013-01-01", 1.0, 0.2], ["2013-02-01", 2.0, 0.3]])
    assert "transform" not in build_spec(other, "line")
