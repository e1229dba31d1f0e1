"""Two teams ask one question: the same numbers, each in the form that team likes."""

import os
from pathlib import Path
from typing import Any

from kelpie.console.ask import Files, put
from kelpie.console.client import Client
from kelpie.console.show import Screen
from kelpie.demo.claims import claim
from kelpie.demo.company import build_company, semantic_model_yaml
from kelpie.demo.server import DemoServer

MODEL = "kelpie/planner"
SESSION = "trends"
TREND = "What's our MRR trend?"
NET_REVENUE = "What was the invoiced revenue net of refunds by {} in fiscal 2025?"
WISHES = {"finance": "We in Finance always want quarterly tables", "sales": "We in Sales always want monthly charts"}


def connect_company(screen: Screen, server: DemoServer) -> None:
    """The second warehouse, with two teams that look at it."""
    with screen.waiting("three years of a company that sells subscriptions"):
        build_company(os.path.join(server.folder, "company.duckdb"), screen.note)
    body = {"name": "company", "config": {"path": "company.duckdb"}}
    connection = server.client.post("/v1/analyst/connections", body)
    body = {"connection_id": connection["id"], "yaml": semantic_model_yaml()}
    model = server.client.post("/v1/analyst/semantic-models", body)
    for team in WISHES:
        server.client.post("/v1/teams", {"name": team})
    screen.good(f"a made-up company connected, semantic model '{model['name']}' registered; teams: {', '.join(WISHES)}")


def two_forms(screen: Screen, client: Client, folder: str) -> None:
    """Tells each team's wish once, asks the same question for both, and compares the numbers."""
    for team, words in WISHES.items():
        _ask(screen, client, words, team)
    asked = _ask(screen, client, TREND, "finance")
    claim(not asked["queries"] and "fiscal" in asked["text"], "whose quarters are meant is asked, not guessed")
    quarters = _ask(screen, client, "fiscal", "finance")
    report, chart = Path(folder) / "mrr.html", Path(folder) / "mrr.png"
    months = _ask(screen, client, TREND, "sales", Files(chart=chart, report=report))
    claim("|" in quarters["text"] and not quarters["charts"], "Finance gets a table")
    claim(bool(months["charts"]) and chart.exists(), "Sales gets a chart")
    for answer, team in ((quarters, "finance"), (months, "sales")):
        claim(f"preference of {team}" in answer["text"], f"the answer says that {team} likes it so")
    by_quarter, by_month = _values(quarters), _values(months)
    claim(bool(by_quarter), "there is a value for each quarter")
    last_month: dict[str, str] = {}  # of each quarter
    for month in sorted(by_month):
        last_month[max(quarter for quarter in by_quarter if quarter <= month)] = month
    for quarter, value in by_quarter.items():
        last = last_month[quarter]
        claim(by_month[last] == value, f"the MRR of the quarter {quarter} is that of its last month, {last}")
    screen.good("one stock, two forms: the MRR of each quarter is that of its last month")
    totals = [
        sum(_cents(value) for value in _values(_ask(screen, client, NET_REVENUE.format(grain), "finance")).values())
        for grain in ("quarter", "month")
    ]
    claim(totals[0] == totals[1] > 0, "the net revenue of the quarters and that of the months add up to the same")
    screen.good(f"one flow, two forms: {totals[0] / 100:,.2f} USD by quarter and by month, equal to the cent")
    screen.note(f"Sales's answer as a page: {report}")


def _ask(screen: Screen, client: Client, question: str, team: str, files: Files | None = None) -> dict[str, Any]:
    screen.heading(f"{team}: “{question}”")
    return put(client, screen, question, semantic_model="company", session=SESSION, model=MODEL, as_=team, files=files)


def _values(answer: dict[str, Any]) -> dict[str, float]:
    """The first metric of the answer's last query, by the first day of each period."""
    query = answer["queries"][-1]
    kinds = [column["kind"] for column in query["columns"]]
    time, metric = kinds.index("time"), kinds.index("metric")
    return {row[time]: row[metric] for row in query["rows"]}


def _cents(value: float) -> int:
    return round(value * 100)
