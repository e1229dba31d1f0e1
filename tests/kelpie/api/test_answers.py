"""Answers, later: read again, exported, asked again, confirmed and corrected; by those alone who may."""

import csv
import io
import json
import re

import pytest
from tests.kelpie.analyst.warehouses import build_coffee
from tests.kelpie.api.conftest import ANNA, EVE, FINANCE, MODEL

QUESTION = "What was the turnover per drink?"
RIGHT = "SELECT drink, sum(paid) AS turnover FROM orders WHERE drink <> 'mocha' GROUP BY drink ORDER BY drink"


def ask(http, question=QUESTION, **options):
    answer = http.post("/v1/analyst/questions", json={"question": question, "model": "kelpie/planner", **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def said(shared_house):
    return ask(shared_house.http, session="answers")


def test_an_answer_is_read_back_as_it_was_shown(shared_house, said):
    again = shared_house.http.get(f"/v1/analyst/answers/{said['run_id']}").json()
    assert again.pop("feedback") == []
    assert again == said


def test_a_deleted_agent_leaves_no_answer(shared_house):
    gone = ask(shared_house.http, session="gone")
    assert shared_house.http.delete(f"/v1/agents/{gone['agent_id']}").status_code == 200
    for path in (f"answers/{gone['run_id']}", f"queries/{gone['queries'][0]['id']}"):
        assert shared_house.http.get(f"/v1/analyst/{path}").status_code == 404


def test_a_number_whose_query_is_gone_is_not_shown_any_more(shared_house):
    """Strip the record of a number: what was shown once is refused."""
    lost = ask(shared_house.http, session="lost")
    database = shared_house.server._database
    sql = "DELETE FROM analyst_query WHERE id = ?"
    from umi.storage import Changes

    shared_house.run(database.commit(Changes().write(sql, lost["queries"][0]["id"])))
    for form in ("json", "md", "html"):
        answer = shared_house.http.get(f"/v1/analyst/answers/{lost['run_id']}", params={"format": form})
        assert answer.status_code == 500
        assert "is not shown" in answer.json()["detail"]


def test_the_csv_is_the_table(shared_house, said):
    query = said["queries"][0]
    answer = shared_house.http.get(f"/v1/analyst/queries/{query['id']}/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{query["id"]}.csv"' in answer.headers["content-disposition"]
    head, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert head == [column["name"] for column in query["columns"]]
    assert [[name, type(cell)(number)] for (name, number), (_, cell) in zip(rows, query["rows"], strict=True)] == query[
        "rows"
    ]


def test_the_page_needs_nothing_else_and_each_number_leads_to_its_record(shared_house, said):
    answer = shared_house.http.get(f"/v1/analyst/answers/{said['run_id']}", params={"format": "html"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.text
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "<svg" in page
    assert "<script" not in page
    links = re.findall(r'<a class="n" href="#(a1-n\d+)">([^<]+)</a>', page)
    assert [text for _, text in links] == [number["text"] for number in said["numbers"]]
    for anchor, text in links:
        assert f'<tr id="{anchor}"><td class=r><strong>{text}</strong>' in page
    assert said["queries"][0]["sql"].split()[0] in page


def test_the_markdown_has_the_table_the_sql_and_the_records(shared_house, said):
    answer = shared_house.http.get(f"/v1/analyst/answers/{said['run_id']}", params={"format": "md"})
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith(f"# {QUESTION}\n")
    assert f"```sql\n{said['queries'][0]['sql']}\n```" in answer.text
    assert "SUM(sale.paid)" in answer.text


def test_a_session_is_one_report(shared_house):
    first = ask(shared_house.http, session="two of them")
    ask(shared_house.http, "And per shop?", session="two of them")
    path = f"/v1/analyst/sessions/{first['agent_id']}/answers"
    assert [one["question"] for one in shared_house.http.get(path).json()] == [QUESTION, "And per shop?"]
    page = shared_house.http.get(path, params={"format": "html"}).text
    assert page.count("<article>") == 2
    assert 'href="#a2-n1"' in page
    assert shared_house.client(EVE).get(path).status_code == 404


def test_a_chart_is_a_picture_in_three_forms(shared_house, said):
    path = f"/v1/analyst/charts/{said['charts'][0]['id']}"
    assert shared_house.http.get(path).json()["spec"]["data"]["values"]
    png = shared_house.http.get(path, params={"format": "png"})
    assert (png.headers["content-type"], png.content[:4]) == ("image/png", b"\x89PNG")
    svg = shared_house.http.get(path, params={"format": "svg"})
    assert (svg.headers["content-type"], svg.text[:4]) == ("image/svg+xml", "<svg")


def test_numbers_are_asked_for_again(shared_house, said):
    http = shared_house.http
    found = http.post(f"/v1/analyst/answers/{said['run_id']}/reexecute").json()["numbers"]
    assert [one["outcome"] for one in found] == ["same"] * len(said["numbers"])
    query = said["queries"][0]["id"]
    assert http.post(f"/v1/analyst/queries/{query}/rerun").json()["outcome"] == "same"
    check = http.post(f"/v1/analyst/queries/{query}/check").json()
    assert check["outcome"] == "agrees"
    assert http.get(f"/v1/analyst/answers/{said['run_id']}").json()["label"] == "verified"


def test_a_second_connection_is_asked_the_same(shared_house, said, tmp_path):
    http, query = shared_house.http, said["queries"][0]["id"]
    build_coffee(str(tmp_path / "twin.duckdb"))
    folder = shared_house.config.data_folder
    (tmp_path / "twin.duckdb").rename(f"{folder}/twin.duckdb")
    body = {"name": "twin", "config": {"path": "twin.duckdb"}}
    twin = http.post("/v1/analyst/connections", json=body).json()["id"]
    found = http.post(f"/v1/analyst/queries/{query}/cross-check", json={"connection_id": twin}).json()
    assert (found["same"], found["rows_there"]) == (True, said["queries"][0]["row_count"])
    http.delete(f"/v1/analyst/connections/{twin}")


@pytest.mark.parametrize("path", ["csv", "rerun", "check", "cross-check"])
def test_what_others_asked_is_not_there(shared_house, said, path):
    query = said["queries"][0]["id"]
    method = "GET" if path == "csv" else "POST"
    body = {"connection_id": "connection-1"} if path == "cross-check" else None
    for key in (EVE, ANNA):
        answer = shared_house.client(key).request(method, f"/v1/analyst/queries/{query}/{path}", json=body)
        assert answer.status_code in (403, 404)


# ---- learning


def confirm(http, run_id, **body):
    return http.post(f"/v1/analyst/answers/{run_id}/confirm", json=body)


def reject(http, run_id, **body):
    return http.post(f"/v1/analyst/answers/{run_id}/reject", json=body)


def test_a_confirmed_answer_s_sql_is_used_word_for_word_and_labelled(house):
    first = ask(house.http, session="a")
    assert first["label"] == "derived"
    made = confirm(house.http, first["run_id"]).json()
    assert (made["question"], made["kind"], made["holds_for"]) == (QUESTION, "confirmed", "")
    again = ask(house.http, "what was the TURNOVER per drink", session="b")
    assert [step["kind"] for step in again["steps"]][-1] in ("query", "chart")
    assert again["queries"][0]["basis"]["verified"]
    assert again["queries"][0]["basis"]["asked"] == made["sql"]
    assert again["queries"][0]["rows"] == first["queries"][0]["rows"]
    assert again["label"] == "verified"
    other = ask(house.http, "What was the turnover per shop?", session="c")
    assert other["label"] == "derived", "another question is not it"
    feedback = house.http.get(f"/v1/analyst/answers/{first['run_id']}").json()["feedback"]
    assert [one["verdict"] for one in feedback] == ["confirmed"]


def test_sql_that_was_edited_loses_the_label(house):
    first = ask(house.http, session="a")
    made = confirm(house.http, first["run_id"]).json()
    edited = made["sql"].replace("SUM(", "1 + SUM(")
    assert ask(house.http, f"run sql: {edited}", session="b")["label"] == "unverified"
    assert ask(house.http, f"run sql: {made['sql']}", session="c")["label"] == "unverified", "only by its name"


def test_a_thumb_down_with_the_right_sql_changes_the_next_answer(house):
    first = ask(house.http, session="a")
    rejected = reject(house.http, first["run_id"], reason="mocha is a gift", sql=RIGHT).json()["verified_query"]
    assert (rejected["kind"], rejected["sql"]) == ("corrected", RIGHT)
    again = ask(house.http, session="b")
    assert again["queries"][0]["basis"]["asked"] == RIGHT
    assert "mocha" not in json.dumps(again["queries"][0]["rows"])
    assert len(again["queries"][0]["rows"]) == len(first["queries"][0]["rows"]) - 1
    assert again["label"] == "verified"
    gone = reject(house.http, again["run_id"], reason="no, it is none").json()
    assert gone["verified_query"] is None
    assert house.http.get("/v1/analyst/verified-queries").json() == []
    assert ask(house.http, session="c")["queries"][0]["basis"].get("verified", "") == ""


def test_two_that_answer_a_question_differently_are_asked_about(house):
    first = ask(house.http, session="a", **{"as": "anna"})
    assert confirm(house.http, first["run_id"], **{"as": "anna"}).status_code == 200
    second = ask(house.http, f"run sql: {RIGHT}", session="b", **{"as": "ben"})
    assert confirm(house.http, second["run_id"], question=QUESTION, **{"as": "ben"}).status_code == 200
    third = ask(house.http, session="c")
    assert third["queries"] == []
    assert "Anna Berg" in third["text"]
    assert "Ben Okoro" in third["text"]
    chosen = ask(
        house.http, next(line for line in third["text"].splitlines() if "Ben" in line).lstrip("- "), session="c"
    )
    assert chosen["queries"][0]["basis"]["asked"] == RIGHT


def test_a_correction_is_its_person_s_own(house):
    first = ask(house.http, session="a", **{"as": "anna"})
    made = reject(house.http, first["run_id"], sql=RIGHT).json()["verified_query"]
    assert made["verified_by"] == "Anna Berg"
    assert ask(house.http, session="b", **{"as": "anna"})["label"] == "verified"
    for whom in ({"as": "ben"}, {"as": "Finance"}, {}):
        other = ask(house.http, session="c", **whom)
        assert (other["label"], other["queries"][0]["rows"]) == ("derived", first["queries"][0]["rows"])


def test_a_learned_query_runs_under_the_access_of_the_one_who_asks(house):
    first = ask(house.http, session="a")
    assert confirm(house.http, first["run_id"]).status_code == 200
    rules = "semantic_model: coffee\nrules: [{name: no chai, table: orders, who: team Finance, rows: drink <> 'chai'}]"
    made = house.http.post("/v1/analyst/access-rules/apply", json={"yaml": rules})
    assert made.status_code == 200, made.text
    finance = ask(house.client(FINANCE), session="b")
    assert finance["label"] == "verified"
    assert "chai" not in json.dumps(finance["queries"][0]["rows"])
    assert any("Withheld" in caveat for caveat in finance["caveats"])
    assert "chai" in json.dumps(ask(house.http, session="c")["queries"][0]["rows"])


@pytest.mark.parametrize(
    ("sql", "status"), [("DROP TABLE orders", 422), ("SELECT * FROM secrets", 422), ("SELECT nothing FROM orders", 422)]
)
def test_a_correction_has_to_be_a_query_that_may_run(house, sql, status):
    first = ask(house.http, session="a")
    assert reject(house.http, first["run_id"], sql=sql).status_code == status
    assert house.http.get("/v1/analyst/verified-queries").json() == []


def test_what_can_t_be_confirmed_says_why(house):
    refused = ask(house.http, "What do the baristas earn?", session="a")
    assert confirm(house.http, refused["run_id"]).status_code == 409
    made_up = ask(house.http, "[[say:It was 99.]]", session="b", model=MODEL)
    assert confirm(house.http, made_up["run_id"]).status_code == 409
    ask(house.http, session="c")
    follow_up = ask(house.http, "And per shop?", session="c")
    answer = confirm(house.http, follow_up["run_id"])
    assert (answer.status_code, "stand alone" in answer.json()["detail"]) == (422, True)
    assert confirm(house.http, follow_up["run_id"], question="Turnover per shop and drink?").status_code == 200
    assert confirm(house.client(ANNA), follow_up["run_id"]).status_code == 404


def test_a_verified_query_can_be_forgotten(house):
    made = confirm(house.http, ask(house.http, session="a")["run_id"]).json()
    assert [one["id"] for one in house.http.get("/v1/analyst/verified-queries").json()] == [made["id"]]
    assert house.http.delete(f"/v1/analyst/verified-queries/{made['id']}").json() == {"id": made["id"]}
    assert house.http.delete(f"/v1/analyst/verified-queries/{made['id']}").status_code == 404
    assert ask(house.http, session="b")["label"] == "derived"
