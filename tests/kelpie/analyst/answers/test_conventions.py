"""Which conventions had a part in an answer is told from what was done."""

import msgspec
import pytest
from tests.kelpie.analyst.answers.test_stated import message
from tests.kelpie.analyst.charts.results_to_draw import RANKING

from kelpie.analyst.answers.conventions import conventions_of
from kelpie.analyst.conventions.convention import Convention
from kelpie.analyst.results import Chart

ASKED = {"metrics": ["net_revenue"], "dimensions": ["plan"], "grain": "fiscal_quarter", "time": "paid",
         "filters": [{"dimension": "region", "values": ["Europe"]}]}  # fmt: skip
CHART = Chart(tenant="t", id="c", query_id="q", agent_id="a", spec={}, created_at_ms=0)


def used(kind, topic, value, question="Our revenue in Europe?", asked=ASKED, charts=()):
    one = Convention(
        id="f", kind=kind, topic=topic, value=value, scope="team", whose="Finance", weight=0.5, source="", said_at_ms=0
    )
    told = message("tool", msgspec.json.encode({"conventions": [one]}).decode(), name="conventions", tool_call_id="c")
    query = msgspec.structs.replace(RANKING, metric_query=asked)
    (found,) = conventions_of([told], question, [query], charts)
    assert (found.topic, found.value, found.whose) == (topic, value, "Finance")
    return found.used


@pytest.mark.parametrize(
    ("kind", "topic", "value", "is_used"),
    [
        ("definition", "revenue", "metric:net_revenue", True),
        ("definition", "revenue", "metric:gross_revenue", False),
        ("definition", "sales", "metric:net_revenue", False),
        ("correction", "Europe", "value:region=Europe", True),
        ("correction", "Asia", "value:region=Asia", False),
        ("definition", "revenue", "dimension:plan", True),
        ("definition", "revenue", "dimension:region", True),
        ("definition", "revenue", "dimension:shop", False),
        ("definition", "revenue", "time:paid", True),
        ("definition", "revenue", "time:issued", False),
        ("preference", "show", "table", True),
        ("preference", "show", "chart", False),
        ("preference", "grain", "fiscal_quarter", True),
        ("preference", "grain", "month", False),
    ],
)
def test_a_convention_was_used_if_what_was_done_follows_it(kind, topic, value, is_used):
    assert used(kind, topic, value) is is_used


def test_a_chart_follows_a_wish_for_charts():
    assert used("preference", "show", "chart", charts=[CHART])
    assert not used("preference", "show", "table", charts=[CHART])


def test_without_a_look_at_them_none_held():
    assert conventions_of([message("tool", "not JSON", name="conventions", tool_call_id="c")], "?", [], []) == []
