"""Two teams and the made-up company, over the API: one number for all, each in their own form, and asked back once."""

import datetime as dt
import re
import shutil
from decimal import Decimal

import pytest
from tests.kelpie.analyst.warehouses import ask as by_hand
from tests.kelpie.api.conftest import Live
from tests.kelpie.demo.conftest import company_path  # noqa: F401 - a fixture

from kelpie.config import Config
from kelpie.demo.company import semantic_model_yaml

PEOPLE = """
teams: [Finance, Sales]
people:
  - {handle: anna, name: Anna Berg, teams: [Finance]}
  - {handle: fred, name: Fred Lund, teams: [Finance]}
  - {handle: sam, name: Sam Oduya, teams: [Sales]}
  - {handle: sue, name: Sue Park, teams: [Sales]}
"""
PREFERENCES = {"Finance": {"show": "table", "grain": "fiscal_quarter"}, "Sales": {"show": "chart", "grain": "month"}}
FIRST, LAST = "2024-02-01", "2025-01-31"  # FY2025
_PAID = "FROM subscriptions s JOIN customers c USING (customer_id) WHERE NOT c.is_internal AND NOT s.is_trial"
_HOLDS = f"{_PAID} AND s.started_on <= '{{day}}' AND (s.ended_on IS NULL OR s.ended_on > '{{day}}')"
_ALL_INVOICES = "FROM invoices i JOIN customers c USING (customer_id) WHERE NOT c.is_internal"
_INVOICES = f"{_ALL_INVOICES} AND i.status <> 'void'"
_REFUNDS = (
    "FROM refunds r JOIN invoices i USING (invoice_id) JOIN customers c USING (customer_id) WHERE NOT c.is_internal"
)
_SPAN = f"BETWEEN '{FIRST}' AND '{LAST}'"
_BILLED = f"(SELECT sum(i.amount) {_INVOICES} AND i.issued_on {_SPAN})"
_BACK = f"(SELECT sum(r.amount) {_REFUNDS} AND r.refunded_on {_SPAN})"
# A question, whether its quarters are their last month (a stock) or its sum (a flow), and by hand what the year is.
QUESTIONS = [
    ("How did MRR develop in FY2025?", "stock", f"SELECT sum(s.monthly_amount) {_HOLDS}"),
    ("Show the trend of paying customers in FY2025", "stock", f"SELECT count(DISTINCT s.customer_id) {_HOLDS}"),
    ("How did paid seats develop in FY2025?", "stock", f"SELECT sum(s.seats) {_HOLDS}"),
    ("ARR trend in FY2025", "stock", f"SELECT 12 * sum(s.monthly_amount) {_HOLDS}"),
    ("How did invoiced revenue net of refunds develop in FY2025?", "flow", f"SELECT {_BILLED} - {_BACK}"),
    ("Trend of invoiced revenue in FY2025", "flow", f"SELECT {_BILLED}"),
    ("How did refunds develop in FY2025?", "flow", f"SELECT {_BACK}"),
    (
        "How did collected revenue develop in FY2025?",
        "flow",
        f"SELECT sum(i.amount) {_ALL_INVOICES} AND i.paid_on {_SPAN}",
    ),
    (
        "How did new customers develop in FY2025?",
        "flow",
        f"SELECT count(*) {_PAID} AND s.start_reason = 'new' AND s.started_on {_SPAN}",
    ),
    (
        "Show the trend of churned customers in FY2025",
        "flow",
        f"SELECT count(*) {_PAID} AND s.end_reason = 'churned' AND s.ended_on {_SPAN}",
    ),
]
MRR = "MRR at the end of October 2025"
WORDINGS = [
    MRR,
    "What was the monthly recurring revenue at the end of October 2025?",
    "How much MRR was there at the end of October 2025?",
    "mrr, end of october 2025, please",
    "Tell me our monthly run rate at the end of October 2025",
]


class Company:
    """A server over the company, its model registered and its people there."""

    def __init__(self, path, folder):
        shutil.copy(path, folder / "company.duckdb")
        self.path = str(folder / "company.duckdb")
        self.live = Live(Config(data_folder=str(folder), analyst_model="kelpie/planner"))
        connection = self.post("/v1/analyst/connections", name="company", config={"path": "company.duckdb"})["id"]
        self.post("/v1/analyst/semantic-models", connection_id=connection, yaml=semantic_model_yaml())
        self.post("/v1/people/apply", yaml=PEOPLE)

    def post(self, path, **body):
        answer = self.live.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path, **query):
        answer = self.live.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer

    def ask(self, question, as_, session=None):
        said = self.post("/v1/analyst/questions", question=question, session=session or question, **{"as": as_})
        assert (said["status"], said["unsourced"]) == ("completed", None), said
        return said

    def keep(self, as_, topic, value, kind="preference", **more):
        body = {"kind": kind, "topic": topic, "value": value, "as": as_, **more}
        return self.post("/v1/analyst/conventions", **body)["convention"]

    def forget(self, convention, as_):
        whose = {} if as_ is None else {"as": as_}
        answer = self.live.http.delete(f"/v1/analyst/conventions/{convention['id']}", params=whose)
        assert answer.status_code == 200, answer.text

    def number(self, sql):
        ((value,),) = by_hand(self.path, sql)
        return Decimal(value)


@pytest.fixture(scope="module")
def company(company_path, tmp_path_factory):  # noqa: F811 - the fixture
    made = Company(company_path, tmp_path_factory.mktemp("two-teams"))
    yield made
    made.live.stop()


@pytest.fixture(scope="module")
def teams(company):
    """With the preferences of both teams."""
    for team, preferences in PREFERENCES.items():
        for topic, value in preferences.items():
            company.keep(team, topic, value)
    return company


def series(said):
    """The first metric of an answer's only query, by the first day of each period; to the cent."""
    (query,) = said["queries"]
    kinds = [column["kind"] for column in query["columns"]]
    time, metric = kinds.index("time"), kinds.index("metric")
    return {row[time]: Decimal(str(row[metric])) for row in query["rows"]}


def value(said):
    (query,) = said["queries"]
    place = [column["kind"] for column in query["columns"]].index("metric")
    (row,) = query["rows"]
    return Decimal(str(row[place]))


def used(said):
    """Whose preferences had a part in an answer."""
    return {one["topic"]: (one["value"], one["whose"]) for one in said["conventions"] if one["used"]}


# --- one number -------------------------------------------------------------------------------------------------------


def test_a_metric_is_one_number_in_five_wordings_for_two_people_as_chart_table_and_report(teams):
    day = "2025-10-31"
    wanted = teams.number(f"SELECT sum(s.monthly_amount) {_HOLDS.format(day=day)}")
    for wording in WORDINGS:
        for who in ("anna", "sam"):
            said = teams.ask(wording, who)
            assert value(said) == wanted, wording
            assert f"{wanted:,.2f}" in said["text"]
    table = teams.ask("MRR by month in 2025, as a table", "anna")
    chart = teams.ask("MRR by month in 2025, as a chart", "sam")
    assert (table["charts"], len(chart["charts"])) == ([], 1)
    assert series(table) == series(chart)
    assert series(table)["2025-10-01"] == wanted
    spec = teams.get(f"/v1/analyst/charts/{chart['charts'][0]['id']}").json()["spec"]
    drawn = [Decimal(str(cell)) for row in spec["data"]["values"] for cell in row.values() if _is_number(cell)]
    assert set(series(chart).values()) <= set(drawn)
    for form in ("md", "html"):
        for said in (table, chart):
            report = teams.get(f"/v1/analyst/answers/{said['run_id']}", format=form).text
            assert f"{wanted:,.2f}" in report


def _is_number(cell):
    return isinstance(cell, int | float) and not isinstance(cell, bool)


# --- two forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("question", "kind", "sql"), QUESTIONS, ids=[question for question, _, _ in QUESTIONS])
def test_each_team_gets_its_own_form_and_the_totals_are_equal(teams, question, kind, sql):
    finance, sales = teams.ask(question, "anna"), teams.ask(question, "sam")
    by_quarter, by_month = series(finance), series(sales)
    assert (len(by_quarter), len(by_month)) == (4, 12)
    assert (len(finance["charts"]), len(sales["charts"])) == (0, 1)
    assert re.search(r"^\|.*\|$", finance["text"], re.MULTILINE)
    for said, team in ((finance, "Finance"), (sales, "Sales")):
        assert used(said) == {topic: (value, team) for topic, value in PREFERENCES[team].items()}
        assert f"preference of {team}" in said["text"]
    total = teams.number(sql.format(day=LAST))
    months = sorted(by_month)
    for place, quarter in enumerate(sorted(by_quarter)):
        three = months[3 * place : 3 * place + 3]
        assert quarter == three[0]
        of_months = by_month[three[-1]] if kind == "stock" else sum(by_month[month] for month in three)
        assert by_quarter[quarter] == of_months
    assert (by_quarter[max(by_quarter)] if kind == "stock" else sum(by_quarter.values())) == total
    assert (by_month[months[-1]] if kind == "stock" else sum(by_month.values())) == total


def test_a_preference_is_overridden_once_by_words_and_for_good_by_one_call(teams):
    question = "How did MRR develop in FY2025?"
    once = teams.ask(f"{question} As a table.", "sam", session="once")
    assert (once["charts"], used(once).get("show")) == ([], None)
    assert len(teams.ask(question, "sam", session="once")["charts"]) == 1, "once is once"
    listed = teams.get("/v1/analyst/conventions", **{"as": "sam"}).json()["conventions"]
    (show,) = [one for one in listed if one["topic"] == "show"]
    own = teams.post(f"/v1/analyst/conventions/{show['id']}/override", value="table", **{"as": "sam"})["convention"]
    try:
        for_good = teams.ask(question, "sam", session="for good")
        assert (for_good["charts"], used(for_good)["show"]) == ([], ("table", "Sam Oduya"))
        assert "preference of Sam Oduya" in for_good["text"]
        assert len(teams.ask(question, "sue")["charts"]) == 1, "Sam's, not the team's"
    finally:
        teams.forget(own, "sam")
    again = teams.ask(question, "sam", session="for good")
    assert (len(again["charts"]), used(again)["show"]) == (1, ("chart", "Sales"))


# Who keeps what, from the farthest to the closest; each is forgotten again, the closest first.
CONFLICTS = [
    ("show", ["chart", "table", "chart"]),
    ("grain", ["week", "fiscal_quarter", "month"]),
]


@pytest.mark.parametrize(("topic", "values"), CONFLICTS, ids=[topic for topic, _ in CONFLICTS])
def test_the_closest_convention_holds_and_deleting_it_ends_its_effect_on_the_next_answer(company, topic, values):
    """On people of no preference: the team has none of its own while this runs."""
    company.post("/v1/people/apply", yaml="teams: [Ops]\npeople: [{handle: olga, name: Olga Ro, teams: [Ops]}]\n")
    question = "How did sign-ups develop from February 2024 to January 2025?"
    holders = [(None, ""), ("Ops", "Ops"), ("olga", "Olga Ro")]
    kept = []
    for (who, whose), one in zip(holders, values, strict=True):
        kept.append((company.keep(who, topic, one), who, whose, one))
        _follows(company.ask(question, "olga", session=f"{topic} {len(kept)}"), topic, one, whose)
    listed = company.get("/v1/analyst/conventions", **{"as": "olga"}).json()["conventions"]
    (top,) = [one for one in listed if one["topic"] == topic]
    beaten = [convention["id"] for convention, _, _, one in reversed(kept[:-1]) if one != values[-1]]
    assert top["overrides"] == beaten != []
    while kept:
        convention, who, *_ = kept.pop()
        company.forget(convention, who)
        said = company.ask(question, "olga", session=f"{topic} 3")
        if kept:
            _follows(said, topic, kept[-1][3], kept[-1][2])
        else:
            assert topic not in used(said)


def _follows(said, topic, wanted, whose):
    assert used(said)[topic] == (wanted, whose)
    if topic == "show":
        assert len(said["charts"]) == (wanted == "chart")
    else:
        assert said["queries"][0]["metric_query"]["grain"] == wanted


# --- asked once -------------------------------------------------------------------------------------------------------

OPEN_QUESTIONS = {
    "two dates": (
        "How many invoices were there in 2024?",
        "Which date counts",
        "day of payment",
        f"SELECT count(*) {_INVOICES} AND year(i.paid_on) = 2024",
    ),
    "fiscal or calendar": (
        "What was the invoiced revenue in the first quarter of 2024?",
        "fiscal or calendar",
        "calendar",
        f"SELECT sum(i.amount) {_INVOICES} AND i.issued_on BETWEEN '2024-01-01' AND '2024-03-31'",
    ),
    "three metrics": (
        "What was our revenue in 2024?",
        "What do you mean by “revenue”?",
        "net revenue",
        f"SELECT {_BILLED} - {_BACK}".replace(_SPAN, "BETWEEN '2024-01-01' AND '2024-12-31'"),
    ),
}


def questions_back(company, said):
    messages = company.get(f"/v1/runs/{said['run_id']}/messages", limit=100).json()
    calls = [one["tool_call"]["name"] for one in messages if one["message_type"] == "tool_call_message"]
    return calls.count("ask_user")


@pytest.mark.parametrize(("question", "asks", "answer", "sql"), OPEN_QUESTIONS.values(), ids=list(OPEN_QUESTIONS))
def test_what_is_ambiguous_is_asked_once_and_remembered_in_new_sessions_too(company, question, asks, answer, sql):
    wanted = company.number(sql)
    here = f"about {answer}"
    first = company.ask(question, "fred", session=here)
    assert (first["queries"], questions_back(company, first)) == ([], 1)
    assert asks in first["text"]
    second = company.ask(answer, "fred", session=here)
    assert (value(second), questions_back(company, second)) == (wanted, 0)
    for session in (here, f"{here} again", f"{here} later"):
        again = company.ask(question, "fred", session=session)
        assert (value(again), questions_back(company, again)) == (wanted, 0)
        assert session == here or "Fred Lund" in again["text"]
    # Fred's answer is Fred's: nobody else's question is settled by it.
    for other in ("anna", "sue", None):
        asked = company.ask(question, other, session=f"{here} for {other}")
        assert (asked["queries"], questions_back(company, asked)) == ([], 1)


def test_a_gold_year_is_that_of_the_model():
    assert dt.date.fromisoformat(LAST) - dt.date.fromisoformat(FIRST) == dt.timedelta(days=365)
    assert "year_begins: 2" in semantic_model_yaml()
