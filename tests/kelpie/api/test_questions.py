"""Questions over HTTP: steps as they happen and in their order, an answer that is checked, a cancel that is felt."""

import json

import pytest
from tests.kelpie.analyst.sources import worlds
from tests.kelpie.api.conftest import ALL, ANNA, EVE, MODEL

QUESTION = "What was the turnover per drink?"
# Every triple of orders, three thousand million: longer than any test.
SLOW = "run sql: SELECT count(*) AS n FROM orders a, orders b, orders c WHERE a.cups * b.cups + c.cups > 40"


def ask(http, question=QUESTION, **options):
    answer = http.post("/v1/analyst/questions", json={"question": question, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def events_of(answer):
    for line in answer.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def streamed(http, question=QUESTION, **options):
    body = {"question": question, "stream": True, **options}
    with http.stream("POST", "/v1/analyst/questions", json=body) as answer:
        return list(events_of(answer))


def test_the_steps_come_in_order_then_the_answer_then_its_check(shared_house):
    events = streamed(shared_house.http, session="stream")
    kinds = [event["event"] for event in events]
    assert kinds[0] == "run"
    assert kinds[-2:] == ["answer", "check"]
    assert "text" not in kinds, "no number is shown before its source is known"
    called = [event["name"] for event in events if event["event"] == "tool_call"]
    steps = [event["step"]["kind"] for event in events if event["event"] == "step"]
    assert called[-2:] == ["query_metric", "chart"]
    assert steps[-2:] == ["query", "chart"]
    assert len(called) == len(steps)
    for number, kind in enumerate(kinds):
        if kind == "tool_return":
            assert (kinds[number - 1], kinds[number + 1]) in {("tool_call", "step"), ("step", "step")}
    answer, check = events[-2]["answer"], events[-1]
    assert answer["run_id"] == events[0]["run_id"] == check["run_id"]
    assert answer["label"] == "derived"
    assert (check["label"], check["checks"][0]["outcome"]) == ("verified", "agrees")
    query = next(event["step"] for event in events if event["event"] == "step" and event["step"]["kind"] == "query")
    assert query["sql"] == answer["queries"][0]["sql"]
    assert query["rows"] == answer["queries"][0]["row_count"]
    assert "passed by the guard" in query["text"]


def test_the_check_is_made_on_demand_or_not_at_all(shared_house):
    assert ask(shared_house.http, session="no check")["label"] == "derived"
    assert ask(shared_house.http, session="check", check=True)["label"] == "verified"
    events = streamed(shared_house.http, session="stream, no check", check=False)
    assert (events[-1]["event"], events[-1]["answer"]["label"]) == ("answer", "derived")


def test_an_answer_says_all_that_it_stands_on(shared_house):
    said = ask(shared_house.http, session="all", **{"as": "anna"})
    assert (said["status"], said["error"], said["unsourced"]) == ("completed", None, None)
    assert (said["question"], said["name"], said["semantic_model"]) == (QUESTION, "Anna Berg", "coffee")
    assert said["model"] == "kelpie/planner"
    assert said["freshness"]["last"] > "2023-01-01"
    assert said["steps"][0]["kind"] == "conventions"
    (query,) = said["queries"]
    assert said["numbers"]
    for number in said["numbers"]:
        assert said["text"][number["start"] : number["end"]] == number["text"]
        assert number["query_id"] == query["id"]
        assert (number["formula"], number["label"]) == ("SUM(sale.paid)", "derived")
        assert (number["engine"], number["connection"]) == ("duckdb", "coffee")
    assert "tenant" not in json.dumps(said)


@pytest.mark.parametrize(
    ("says", "number"),
    [
        ("The turnover was 5,000,000.", "5,000,000"),
        ("The turnover was 1.2M.", "1.2M"),
        ("It grew 3x.", "3x"),
        ("Nothing was asked, and yet it is 42 %.", "42 %"),
    ],
)
def test_a_language_model_s_number_without_a_source_is_not_shown(shared_house, says, number):
    said = ask(shared_house.http, f"[[say:{says}]]", model=MODEL, session=says)
    assert said["unsourced"] == number
    assert said["text"] == f"This answer is not shown: the number {number} in it stands in no result of its queries."
    assert (said["numbers"], said["label"]) == ([], None)
    again = shared_house.http.get(f"/v1/analyst/answers/{said['run_id']}").json()
    assert (again["text"], again["unsourced"]) == (said["text"], number)
    messages = shared_house.http.get(f"/v1/runs/{said['run_id']}/messages").json()
    assert says in json.dumps(messages, ensure_ascii=False), "the run keeps the model's own words"


def test_a_language_model_s_number_that_is_a_cell_is_shown(shared_house):
    call = '[[tool:query_metric {"metrics":["cups"]}]]'
    first = ask(shared_house.http, f"{call}[[say:no number]]", model=MODEL, session="cells")
    cups = first["queries"][0]["rows"][0][0]
    shown = ask(shared_house.http, f"{call}[[say:That is {cups:,} cups.]]", model=MODEL, session="cells")
    assert (shown["text"], shown["unsourced"]) == (f"That is {cups:,} cups.", None)
    assert [number["value"] for number in shown["numbers"]] == [cups]
    wrong = ask(shared_house.http, f"{call}[[say:That is {cups + 1:,} cups.]]", model=MODEL, session="cells")
    assert wrong["unsourced"] == f"{cups + 1:,}"


def test_a_number_of_an_earlier_question_is_no_source(shared_house):
    """A model that remembers a number instead of asking for it is not believed."""
    call = '[[tool:query_metric {"metrics":["cups"]}]]'
    cups = ask(shared_house.http, f"{call}[[say:ok]]", model=MODEL, session="memory")["queries"][0]["rows"][0][0]
    said = ask(shared_house.http, f"[[say:It was {cups:,}.]]", model=MODEL, session="memory")
    assert said["unsourced"] == f"{cups:,}"


def test_a_question_that_was_denied_is_part_of_the_answer(shared_house):
    said = ask(shared_house.http, "run sql: SELECT * FROM secrets", session="denied")
    assert said["queries"] == []
    (denied,) = said["denied"]
    assert denied["verdict"]["rule"] == "table"
    assert [step["kind"] for step in said["steps"]][-1] == "refused"
    assert any("refused" in caveat for caveat in said["caveats"])


def test_the_first_event_comes_while_the_query_still_runs_and_a_cancel_stops_it(shared_house):
    """The order proves it: the run's id and the call are here, the query has not ended, and is then stopped."""
    http, other = shared_house.http, shared_house.client(ALL)
    body = {"question": SLOW, "stream": True, "session": "slow"}
    with http.stream("POST", "/v1/analyst/questions", json=body) as answer:
        events = events_of(answer)
        run = next(events)
        assert run["event"] == "run"
        seen = [run]
        while seen[-1].get("name") != "run_sql":
            seen.append(next(events))
        assert [event for event in seen if event.get("step", {}).get("kind") == "query"] == []
        cancelled = other.post(f"/v1/analyst/questions/{run['run_id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        last = list(events)[-1]
    assert last["event"] == "answer"
    assert (last["answer"]["status"], last["answer"]["queries"]) == ("cancelled", [])
    again = other.post(f"/v1/analyst/questions/{run['run_id']}/cancel")
    assert again.status_code == 409
    assert ask(http, session="slow")["status"] == "completed", "the threads are free again"


def test_nobody_else_cancels_or_reads_a_question(shared_house):
    run_id = ask(shared_house.http, session="mine", **{"as": "ben"})["run_id"]
    for key, status in ((EVE, 404), (ANNA, 404)):
        http = shared_house.client(key)
        assert http.post(f"/v1/analyst/questions/{run_id}/cancel").status_code == status
        assert http.get(f"/v1/analyst/answers/{run_id}").status_code == status


def test_a_client_that_goes_away_changes_nothing(shared_house):
    body = {"question": QUESTION, "stream": True, "session": "away"}
    with shared_house.http.stream("POST", "/v1/analyst/questions", json=body) as answer:
        run_id = next(events_of(answer))["run_id"]
    path = f"/v1/runs/{run_id}"
    while shared_house.http.get(path).json()["status"] in ("created", "running"):
        pass
    assert shared_house.http.get(f"/v1/analyst/answers/{run_id}").json()["numbers"]


NUMBERS_YAML = """\
name: numbers
label: the numbers
entities: [{name: number, table: numbers, key: n, label: number, plural: numbers}]
metrics: [{name: count, label: count of numbers, kind: flow, entity: number, expr: COUNT(*)}]
"""


def until(holds):
    for _ in range(2_000):
        if found := holds():
            return found
    raise AssertionError("it never came to be")


def test_a_cancel_stops_the_query_in_postgresql(start, postgres_server, tmp_path):
    """Seen from the server's own list of what runs: the query is there, is cancelled, and is gone."""
    world = worlds.PostgresWorld(tmp_path, postgres_server)
    live = start(analyst_model="kelpie/planner")
    body = {"name": "pg", "engine": "postgres", "config": world.config()}
    connection = live.http.post("/v1/analyst/connections", json=body).json()
    body = {"connection_id": connection["id"], "yaml": NUMBERS_YAML}
    assert live.http.post("/v1/analyst/semantic-models", json=body).status_code == 200
    other = live.client()
    body = {"question": f"run sql: {world.endless}", "stream": True}
    with live.http.stream("POST", "/v1/analyst/questions", json=body) as answer:
        run_id = next(events_of(answer))["run_id"]
        until(world.running)
        assert other.post(f"/v1/analyst/questions/{run_id}/cancel").json()["status"] == "cancelled"
        until(lambda: not world.running())
    assert other.get(f"/v1/analyst/answers/{run_id}").json()["status"] == "cancelled"
    count = ask(live.http, "run sql: SELECT count(*) AS n FROM numbers", session="after")
    assert count["queries"][0]["rows"] == [[1000]]
