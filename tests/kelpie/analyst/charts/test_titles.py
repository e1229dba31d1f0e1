"""A title's numbers are in the result too; a title with another one gives way to the name of what is shown."""

import pytest
from tests.kelpie.analyst.charts.results_to_draw import RANKING, TREND

from kelpie.analyst.charts import build_spec


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Delays by carrier", "Delays by carrier"),
        ("SkyWest's 65.8 minutes", "SkyWest's 65.8 minutes"),
        ("All 4 carriers", "All 4 carriers"),
        ("Delays doubled to 131.6", "Average delay (minutes)"),
        ("Up 12%", "Average delay (minutes)"),
        (None, "Average delay (minutes)"),
    ],
)
def test_a_number_of_its_own_is_not_shown(title, shown):
    assert build_spec(RANKING, title=title)["title"]["text"] == shown


def test_periods_and_what_the_question_stated_may_be_said():
    title = "MRR by fiscal quarter, Q1 FY2026 to Q3 FY2026, the last 7 quarters"
    assert build_spec(TREND, title=title)["title"]["text"] == "MRR (USD)"
    assert build_spec(TREND, title=title, stated=["7 quarters"])["title"]["text"] == title
