"""Many numbers at once: colours with equal steps, names that don't lie on each other, axes of their own."""

from tests.kelpie.analyst.charts.results_to_draw import (
    CARRIER,
    DELAY,
    FLIGHTS,
    ORIGIN,
    SERIES,
    TWO_METRICS,
    TWO_OVER_TIME,
    WIDE,
    stored,
)

from kelpie.analyst.charts import build_spec


def test_the_longer_dimension_goes_down_and_time_goes_across():
    encoding = build_spec(WIDE)["layer"][0]["encoding"]
    assert (encoding["y"]["field"], encoding["x"]["field"]) == ("carrier", "origin")
    over_time = build_spec(SERIES, "heatmap")["layer"][0]["encoding"]
    assert (over_time["y"]["field"], over_time["x"]["field"]) == ("carrier", "month")


def test_about_zero_both_colours_are_equally_strong():
    scale = build_spec(WIDE)["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [-7, 7]
    positive = stored([CARRIER, ORIGIN, DELAY], [["a", "x", 1.0], ["b", "y", 5.0]])
    assert "domain" not in build_spec(positive, "heatmap")["layer"][0]["encoding"]["color"]["scale"]


def test_numbers_stand_in_the_cells_while_there_is_room():
    assert len(build_spec(WIDE)["layer"]) == 2
    narrow = stored([CARRIER, ORIGIN, DELAY], [[f"c{n}", f"o{m}", 1.0 * n] for n in range(20) for m in range(20)])
    assert len(build_spec(narrow, "heatmap")["layer"]) == 1


def test_points_are_named_and_names_that_would_lie_on_each_other_are_counted():
    spec = build_spec(TWO_METRICS, "scatter")
    named = [layer["transform"][0]["filter"] for layer in spec["layer"][1:]]
    assert all(any(f'"{name}"' in text for text in named) for name in "ABC")
    crowd = [[f"a rather long name {n}", 1.0 + n / 1000, 10] for n in range(6)] + [["far", 100.0, 900]]
    subtitle = build_spec(stored([CARRIER, DELAY, FLIGHTS], crowd), "scatter")["title"]["subtitle"]
    assert subtitle.endswith("of 7 points have no room for their name")


def test_metrics_on_axes_of_their_own_stand_below_or_beside_each_other():
    beside = build_spec(TWO_METRICS, "panels")["hconcat"]
    assert [panel["layer"][0]["encoding"]["x"]["field"] for panel in beside] == ["delay", "flights"]
    assert beside[1]["layer"][0]["encoding"]["y"]["axis"] is None
    below = build_spec(TWO_OVER_TIME, "panels")["vconcat"]
    assert [panel["encoding"]["y"]["field"] for panel in below] == ["delay", "flights"]
