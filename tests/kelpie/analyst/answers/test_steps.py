"""Steps say in words what was done, with the guard's verdict, rows and time of each query."""

import msgspec
import pytest
from tests.kelpie.analyst.answers.test_stated import message
from tests.kelpie.analyst.charts.results_to_draw import RANKING

from kelpie.analyst.answers.steps import query_step, steps_of
from kelpie.analyst.results import Basis, Verdict
from umi.wire.types import ToolCall

ASKED = {"metrics": ["mrr", "customers"], "dimensions": ["plan"], "grain": "month"}


def query(**fields):
    verdict = Verdict(outcome="run", tables=["plans"])
    return msgspec.structs.replace(RANKING, **{"verdict": verdict, "metric_query": ASKED, "duration_ms": 4.5, **fields})


@pytest.mark.parametrize(
    ("stored", "kind", "text"),
    [
        (query(), "query", "asked for mrr, customers by plan, month: passed by the guard, read plans; 4 rows"),
        (
            query(metric_query=None, truncated=True),
            "query",
            "ran SQL: passed by the guard, read plans; 4 rows, and there are more",
        ),
        (
            query(basis=Basis(verified="board")),
            "query",
            "ran the verified query 'board': passed by the guard, read plans; 4 rows",
        ),
        (
            query(verdict=Verdict(outcome="run", tables=["plans"], withheld=["only Europe"])),
            "query",
            "asked for mrr, customers by plan, month: passed by the guard, read plans; only Europe; 4 rows",
        ),
        (
            query(metric_query=None, verdict=Verdict(outcome="refused", message="no (rule: x)")),
            "refused",
            "ran SQL: no (rule: x)",
        ),
        (query(metric_query=None, verdict=Verdict(outcome="failed", message="late")), "failed", "ran SQL: late"),
    ],
)
def test_a_query_is_a_step(stored, kind, text):
    step = query_step(stored)
    assert (step.kind, step.text, step.query_id, step.sql) == (kind, text, stored.id, stored.sql)
    assert (step.duration_ms is None) == (kind != "query")


def test_each_call_of_a_run_is_a_step_in_order():
    calls = [
        ToolCall(id=f"c{n}", name=name, arguments="{}")
        for n, name in enumerate(("conventions", "list_metrics", "query_metric", "chart", "x"))
    ]
    told = [
        '{"conventions":[{"topic":"show","value":"table"}]}',
        '{"label":"the shop","metrics":[1,2],"dimensions":[1]}',
        "{}",
        '{"chart_id":"chart-1","query_id":"query-1"}',
        "not JSON",
    ]
    messages = [message("assistant", "", tool_calls=calls)]
    messages += [
        message("tool", text, name=call.name, tool_call_id=call.id) for call, text in zip(calls, told, strict=True)
    ]
    messages.append(message("tool", "gone", name="chart", tool_call_id="c9", is_error=True))
    steps = steps_of(messages, [query(tool_call_id="c2")])
    assert [step.kind for step in steps] == ["conventions", "catalog", "query", "chart", "other", "failed"]
    assert steps[0].text == "1 convention held: show: table"
    assert steps[1].text == "looked at what the shop can tell: 2 metrics, 1 dimension"
    assert steps[5].text == "chart: gone"
