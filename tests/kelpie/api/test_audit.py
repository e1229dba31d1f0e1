"""What an answer was made of, read back later: who asked what, of which data, by which SQL, under which rules."""

import json

QUESTION = "What was the turnover per drink?"
RULES = """
semantic_model: coffee
rules:
  - {name: no chai, table: orders, who: team Sales, rows: drink <> 'chai', says: without chai}
  - {name: no shops, table: shops, who: person ben, deny: true}
"""


def ask(house, question, **options):
    answer = house.http.post("/v1/analyst/questions", json={"question": question, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["run_id"]


def read_back(house, run_id):
    answer = house.http.get(f"/v1/analyst/answers/{run_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ruled(house):
    assert house.http.post("/v1/analyst/access-rules/apply", json={"yaml": RULES}).status_code == 200
    return {one["name"]: one["id"] for one in house.http.get("/v1/analyst/access-rules").json()}


def test_everything_about_an_answer_can_be_read_back(house):
    rules = ruled(house)
    body = {"kind": "preference", "topic": "show", "value": "table", "as": "ben"}
    kept = house.http.post("/v1/analyst/conventions", json=body).json()["convention"]
    run_id = ask(house, QUESTION, **{"as": "ben"})
    house.stop()
    house.start()
    said = read_back(house, run_id)
    (query,) = said["queries"]
    assert (said["question"], said["name"], said["model"]) == (QUESTION, "Ben Okoro", "kelpie/planner")
    assert said["person"] == house.http.get("/v1/people/ben").json()["id"]
    assert said["asked_at_ms"] <= query["created_at_ms"] <= said["completed_at_ms"]
    assert "drink <> 'chai'" in query["sql"]
    assert query["snapshot"]["where"].endswith("coffee.duckdb")
    assert (query["row_count"], len(query["rows"])) == (3, 3)
    assert query["duration_ms"] > 0
    assert query["verdict"]["access_rules"] == [rules["no chai"]]
    assert query["verdict"]["withheld"] == ["without chai (access rule 'no chai')"]
    assert query["basis"]["person"] == said["person"]
    (used,) = said["conventions"]
    assert (used["id"], used["whose"], used["used"]) == (kept["id"], "Ben Okoro", True)
    shown = house.http.get(f"/v1/analyst/queries/{query['id']}").json()
    assert shown["query"]["sql"] == query["sql"]
    assert shown["connection"]["name"] == "coffee"


def test_a_denied_attempt_can_be_read_back_too(house):
    rules = ruled(house)
    call = json.dumps({"sql": "SELECT * FROM shops"})
    run_id = ask(house, f"Show the shops. [[tool:run_sql {call}]]", model="openai/gpt-4o-mini", **{"as": "ben"})
    house.stop()
    house.start()
    said = read_back(house, run_id)
    assert (said["queries"], said["name"], said["model"]) == ([], "Ben Okoro", "openai/gpt-4o-mini")
    (denied,) = said["denied"]
    assert denied["sql"] == "SELECT * FROM shops"
    assert (denied["verdict"]["outcome"], denied["verdict"]["rule"]) == ("refused", "not_allowed")
    assert denied["verdict"]["access_rules"] == [rules["no shops"]]
    assert denied["basis"]["person"] == said["person"] is not None
    assert "may not see the table 'shops'" in said["steps"][-1]["text"]
