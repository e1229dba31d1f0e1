"""Jobs, batches and chat completions: Letta's other words for runs, and OpenAI's."""

import json

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker

from kelpie.agents import limits

UUID = "123e4567-e89b-42d3-8456-426614174000"
A, B = "a-key-0123456789abcdef", "b-key-0123456789abcdef"
MODEL = "openai/gpt-4o-mini"


@pytest.fixture(scope="module")
def office(scripted, tmp_path_factory):
    from tests.kelpie.api.conftest import Live

    from kelpie.config import Config

    config = Config(data_folder=str(tmp_path_factory.mktemp("jobs")), openai_base_url=scripted, keys={A: "a", B: "b"})
    live = Live(config, [A])
    live.other = live.client(B)
    yield live
    live.stop()


@pytest.fixture
def agent(office):
    return office.agent()["id"]


def ended(http, path):
    while True:
        found = http.get(path).json()
        if found["completed_at"] is not None:
            return found


# Jobs


def test_a_run_is_a_job(office, agent):
    run = office.http.post(f"/v1/agents/{agent}/messages/async", json={"input": "[[say:hi]]"}).json()
    job = ended(office.http, f"/v1/jobs/{run['id']}")
    assert (job["status"], job["job_type"], job["agent_id"], job["stop_reason"]) == (
        "completed",
        "run",
        agent,
        "end_turn",
    )
    assert job in office.http.get("/v1/jobs/").json()
    assert run["id"] not in [one["id"] for one in office.http.get("/v1/jobs/active").json()]
    assert office.http.patch(f"/v1/jobs/{run['id']}/cancel").status_code == 409
    assert office.http.delete(f"/v1/jobs/{run['id']}").json()["id"] == run["id"]
    assert office.http.get(f"/v1/jobs/{run['id']}").status_code == 404


def test_a_job_that_is_under_way_is_listed_and_cancelled(office, agent):
    run = office.http.post(f"/v1/agents/{agent}/messages/async", json={"input": "[[delay_ms:20000]][[say:hi]]"}).json()
    assert run["id"] in [one["id"] for one in office.http.get("/v1/jobs/active").json()]
    assert run["id"] in [one["id"] for one in office.http.get("/v1/jobs/", params={"active": True}).json()]
    assert office.http.delete(f"/v1/jobs/{run['id']}").status_code == 409
    cancelled = office.http.patch(f"/v1/jobs/{run['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")


def test_the_reading_of_a_file_is_a_job_of_its_folder(office):
    folder = office.http.post("/v1/folders/", json={"name": "papers"}).json()["id"]
    file = office.http.post(f"/v1/folders/{folder}/upload", files={"file": ("a.txt", b"some words")}).json()
    job_id = "job-" + file["id"].removeprefix("file-")
    job = ended(office.http, f"/v1/jobs/{job_id}")
    assert (job["status"], job["job_type"], job["metadata"]["file_id"]) == ("completed", "job", file["id"])
    listed = office.http.get("/v1/jobs/", params={"source_id": folder}).json()
    assert [one["id"] for one in listed] == [job_id]
    assert office.http.get("/v1/jobs/active", params={"source_id": folder}).json() == []
    assert office.http.patch(f"/v1/jobs/{job_id}/cancel").status_code == 409
    assert office.http.delete(f"/v1/jobs/{job_id}").status_code == 409
    assert office.other.get("/v1/jobs/", params={"source_id": folder}).status_code == 404
    assert office.other.get(f"/v1/jobs/{job_id}").status_code == 404


# Batches


def batch_of(http, *requests, status=200, **more):
    made = http.post("/v1/messages/batches", json={"requests": list(requests), **more})
    assert made.status_code == status, made.text
    return made.json()


def test_each_request_of_a_batch_is_a_run_of_its_own(office):
    agents = [office.agent()["id"] for _ in range(3)]
    requests = [{"agent_id": one, "input": f"[[say:answer {number}]]"} for number, one in enumerate(agents)]
    made = batch_of(office.http, *requests, {"agent_id": agents[0], "input": "[[err:400]]"})
    assert (made["job_type"], made["completed_at"]) == ("batch", None)
    whole = ended(office.http, f"/v1/messages/batches/{made['id']}")
    assert whole["status"] == "completed"
    items = whole["metadata"]["items"]
    assert [one["state"] for one in items] == ["begun"] * 4
    statuses = [office.http.get(f"/v1/runs/{one['run_id']}").json()["status"] for one in items]
    assert statuses == ["completed"] * 3 + ["failed"]
    path = f"/v1/messages/batches/{made['id']}/messages"
    shown = office.http.get(path).json()["messages"]
    said = {one["agent_id"]: one["content"][0]["text"] for one in shown if one["role"] == "assistant"}
    assert said == {one: f"answer {number}" for number, one in enumerate(agents)}
    only = office.http.get(path, params={"agent_id": agents[1], "order": "asc"}).json()["messages"]
    assert [one["role"] for one in only] == ["user", "assistant"]
    page = office.http.get(path, params={"limit": 2}).json()["messages"]
    then = office.http.get(path, params={"limit": 100, "after": page[-1]["id"]}).json()["messages"]
    assert [one["id"] for one in page + then] == [one["id"] for one in shown]
    assert made["id"] in [one["id"] for one in office.http.get("/v1/messages/batches").json()]
    assert office.http.get(f"/v1/jobs/{made['id']}").json()["job_type"] == "batch"
    assert office.http.patch(f"/v1/messages/batches/{made['id']}/cancel").status_code == 409
    assert office.http.delete(f"/v1/jobs/{made['id']}").status_code == 200
    assert office.http.get(f"/v1/messages/batches/{made['id']}").status_code == 404


def test_a_tenant_has_so_many_open_batches(office, monkeypatch):
    monkeypatch.setattr(limits, "BATCHES_OPEN_MAX", 1)
    slow = {"agent_id": office.agent()["id"], "input": "[[delay_ms:20000]][[say:x]]"}
    made = batch_of(office.http, slow)
    refused = office.http.post("/v1/messages/batches", json={"requests": [slow]})
    assert (refused.status_code, "wait for one to end" in refused.text) == (429, True)
    office.http.patch(f"/v1/messages/batches/{made['id']}/cancel")
    ended(office.http, f"/v1/messages/batches/{made['id']}")
    again = batch_of(office.http, slow)
    office.http.patch(f"/v1/messages/batches/{again['id']}/cancel")
    ended(office.http, f"/v1/messages/batches/{again['id']}")


def test_a_batch_is_cancelled_where_it_stands(office):
    slow = [office.agent()["id"] for _ in range(10)]
    made = batch_of(office.http, *({"agent_id": one, "input": "[[delay_ms:20000]][[say:x]]"} for one in slow))
    cancelled = office.http.patch(f"/v1/messages/batches/{made['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    whole = ended(office.http, f"/v1/messages/batches/{made['id']}")
    states = [one["state"] for one in whole["metadata"]["items"]]
    assert set(states) <= {"begun", "cancelled"}
    assert states.count("cancelled") >= 2  # no more than eight begin at once
    assert office.http.get("/v1/jobs/active").json() == []


def test_a_batch_goes_on_after_a_restart_and_nothing_of_it_runs_twice(start):
    live = start()
    agents = [live.agent()["id"] for _ in range(12)]
    made = batch_of(live.http, *({"agent_id": one, "input": "[[delay_ms:300]][[say:x]]"} for one in agents))
    live.stop()
    live.start()
    whole = ended(live.http, f"/v1/messages/batches/{made['id']}")
    assert [one["state"] for one in whole["metadata"]["items"]] == ["begun"] * 12
    for one, item in zip(agents, whole["metadata"]["items"], strict=True):
        found = live.http.get("/v1/runs/", params={"agent_id": one}).json()
        assert [(run["id"], run["status"]) for run in found] == [(item["run_id"], "completed")]


def test_an_item_whose_agent_is_gone_is_refused_and_the_others_go_on(office):
    agents = [office.agent()["id"] for _ in range(9)]
    requests = [{"agent_id": one, "input": "[[delay_ms:400]][[say:x]]"} for one in agents]
    made = batch_of(office.http, *requests)
    assert office.http.delete(f"/v1/agents/{agents[8]}").status_code == 200
    items = ended(office.http, f"/v1/messages/batches/{made['id']}")["metadata"]["items"]
    assert [one["state"] for one in items] == ["begun"] * 8 + ["refused"]
    assert "no agent has the id" in items[8]["error"]


@pytest.mark.parametrize(
    ("requests", "more", "status", "says"),
    [
        ([], {}, 422, "at least 1 item"),
        ([{"input": "x"}], {}, 422, "Field required"),
        ([{"agent_id": "agent-1", "input": "x"}], {}, 422, "match pattern"),
        ([{"agent_id": f"agent-{UUID}", "input": "x"}], {}, 404, "no agent"),
        ([{"input": "x", "messages": []}], {}, 422, "not both"),
        ([{"input": "x", "streaming": True}], {}, 422, "not streamed"),
        ([{"input": "x", "override_model": "nobody/x"}], {}, 400, "no provider serves"),
        ([{"input": "x"}], {"callback_url": "http://localhost/"}, 501, "not served yet"),
        ([{"input": "x", "max_steps": 2**70}], {}, 422, "more than 64 bits"),
    ],
)
def test_what_can_be_no_batch_is_refused_whole(office, agent, requests, more, status, says):
    has_agent = says != "Field required"
    given = [{"agent_id": agent, **one} if has_agent else one for one in requests]
    before = office.http.get("/v1/messages/batches").json()
    refused = office.http.post("/v1/messages/batches", json={"requests": given, **more})
    assert (refused.status_code, says in refused.text) == (status, True), refused.text
    assert office.http.get("/v1/messages/batches").json() == before


def test_what_a_batch_keeps_counts_as_stored(office):
    agent = office.http.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    made = batch_of(office.http, *({"agent_id": agent, "input": "x" * 10_000} for _ in range(20)))
    office.http.patch(f"/v1/messages/batches/{made['id']}/cancel")
    assert office.http.delete(f"/v1/agents/{agent}").status_code == 200
    stored = office.http.get("/v1/tenants/me").json()["used"]["storage_bytes"]
    ended(office.http, f"/v1/messages/batches/{made['id']}")
    assert office.http.delete(f"/v1/jobs/{made['id']}").status_code == 200
    assert stored - office.http.get("/v1/tenants/me").json()["used"]["storage_bytes"] >= 200_000


def test_batches_and_jobs_of_others_are_not_there(office, agent):
    made = batch_of(office.http, {"agent_id": agent, "input": "[[say:x]]"})
    run = ended(office.http, f"/v1/jobs/{made['id']}") and office.http.get("/v1/runs/").json()[0]["id"]
    batch = f"/v1/messages/batches/{made['id']}"
    for method, path in (
        ("GET", batch),
        ("GET", f"{batch}/messages"),
        ("PATCH", f"{batch}/cancel"),
        *((method, f"/v1/jobs/{job}") for job in (made["id"], run) for method in ("GET", "DELETE")),
        *(("PATCH", f"/v1/jobs/{job}/cancel") for job in (made["id"], run)),
    ):
        assert office.other.request(method, path).status_code == 404, (method, path)
        malformed = path.replace(made["id"], "job-1").replace(run, "run-1")
        assert office.http.request(method, malformed).status_code == 422
    assert office.other.get("/v1/messages/batches").json() == office.other.get("/v1/jobs/").json() == []
    refused = office.other.post("/v1/messages/batches", json={"requests": [{"agent_id": agent, "input": "x"}]})
    assert refused.status_code == 404


def test_a_batch_that_is_asked_for_twice_is_made_once(office, agent):
    body = {"requests": [{"agent_id": agent, "input": "[[say:x]]"}]}
    headers = {"idempotency-key": "one-batch"}
    first, again = (office.http.post("/v1/messages/batches", json=body, headers=headers) for _ in range(2))
    assert first.content == again.content
    ended(office.http, f"/v1/messages/batches/{first.json()['id']}")
    assert len(office.http.get("/v1/runs/", params={"agent_id": agent}).json()) == 1


# Chat completions


def complete(http, agent, *messages, **more):
    return http.post("/v1/chat/completions", json={"model": agent, "messages": list(messages), **more})


def user(text):
    return {"role": "user", "content": text}


def test_an_agent_answers_as_a_model_would(office, agent):
    said = complete(office.http, agent, {"role": "system", "content": "s"}, user("[[say:hello there]]"), temperature=1)
    assert said.status_code == 200
    body = said.json()
    assert (body["object"], body["model"], body["choices"][0]["finish_reason"]) == ("chat.completion", agent, "stop")
    assert body["choices"][0]["message"]["content"] == "hello there"
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"] > 0
    again = [user("[[say:hello there]]"), {"role": "assistant", "content": "hello there"}, user("[[say:more]]")]
    assert complete(office.http, agent, *again).json()["choices"][0]["message"]["content"] == "more"
    listed = office.http.get(f"/v1/agents/{agent}/messages", params={"order": "asc"}).json()
    sent = [one["content"] for one in listed if one["message_type"] == "user_message"]
    assert sent == ["[[say:hello there]]", "[[say:more]]"]  # what it knows is not said again


def test_it_streams_as_a_model_would(office, agent):
    text = "[[n:12]]"
    said = complete(office.http, agent, user(text), stream=True, stream_options={"include_usage": True})
    assert said.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in said.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    assert {one["object"] for one in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    pieces = [one["choices"][0]["delta"].get("content", "") for one in chunks if one["choices"]]
    assert len([piece for piece in pieces if piece]) > 1
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    listed = office.http.get(f"/v1/agents/{agent}/messages").json()
    assert "".join(pieces) == next(one["content"] for one in listed if one["message_type"] == "assistant_message")


def test_a_failure_is_told_in_either_way(office, agent):
    failed = complete(office.http, agent, user("[[err:401]]"))
    assert (failed.status_code, failed.json()["error"]["type"]) == (401, "llm_authentication")
    streamed = complete(office.http, agent, user("[[err:401]]"), stream=True)
    events = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line]
    assert json.loads(events[-2])["error"]["type"] == "llm_authentication"
    assert events[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"messages": []}, 422, "at least 1 item"),
        ({"messages": [{"role": "system", "content": "x"}]}, 422, "no message of the user"),
        ({"messages": [user("x"), {"role": "assistant", "content": "y"}]}, 422, "no message of the user"),
        ({"messages": [user("")]}, 422, "must not be empty"),
        ({"messages": [user([{"type": "input_audio"}])]}, 501, "input_audio"),
        ({"model": "gpt-4o"}, 422, "match pattern"),
        ({"model": f"agent-{UUID}"}, 404, "no agent"),
        ({"n": 2}, 501, "'n' is not served"),
        ({"stop": "x"}, 501, "'stop'"),
        ({"tools": [{}]}, 501, "'tools'"),
    ],
)
def test_what_an_agent_can_not_do_is_refused_by_name(office, agent, body, status, says):
    refused = office.http.post("/v1/chat/completions", json={"model": agent, "messages": [user("x")], **body})
    assert (refused.status_code, says in refused.text) == (status, True), refused.text


def test_somebody_elses_agent_is_no_model(office, agent):
    assert complete(office.other, agent, user("x")).status_code == 404


def test_images_are_passed_on(office, agent):
    parts = [
        {"type": "text", "text": "[[say:seen]]"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    assert complete(office.http, agent, user(parts)).json()["choices"][0]["message"]["content"] == "seen"
    assert complete(office.http, agent, user([{**parts[1], "image_url": {"url": "data:x"}}])).status_code == 422


# An agent's model, by itself, and older words


def test_an_agents_model_is_asked_without_the_agent(office, agent):
    path = f"/v1/agents/{agent}/generate"
    said = office.http.post(path, json={"prompt": "[[say:plainly]]", "system_prompt": "s"})
    assert (said.status_code, said.json()["content"]) == (200, "plainly")
    assert said.json()["usage"]["total_tokens"] > 0
    assert office.http.get("/v1/runs/", params={"agent_id": agent}).json() == []
    assert office.http.post(path, json={"prompt": "[[err:401]]"}).status_code == 401
    for body, status in (
        ({}, 422),
        ({"prompt": ""}, 422),
        ({"prompt": "x", "override_model": "nobody/x"}, 400),
        ({"prompt": "x", "response_schema": {"type": "x" * 70_000}}, 422),
    ):
        assert office.http.post(path, json=body).status_code == status
    assert office.other.post(path, json={"prompt": "x"}).status_code == 404


def test_older_words_for_what_is_there(office, agent):
    said = office.http.post(f"/v1/agents/{agent}/messages", json={"input": "[[say:x]]"}).json()
    step = said["messages"][0]["step_id"]
    assert office.http.get(f"/v1/telemetry/{step}").json() == office.http.get(f"/v1/steps/{step}/trace").json()
    memory = office.http.get(f"/v1/agents/{agent}/core-memory").json()
    assert memory == office.http.get(f"/v1/agents/{agent}").json()["memory"]
    for path in (f"/v1/telemetry/{step}", f"/v1/agents/{agent}/core-memory"):
        assert office.other.get(path).status_code == 404


def test_answers_follow_lettas_schemas(office, agent, needs):
    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    checker = Checker(json.loads(LETTA.read_text(encoding="utf-8"))["components"]["schemas"])
    made = batch_of(office.http, {"agent_id": agent, "input": "[[say:x]]"})
    batch = ended(office.http, f"/v1/messages/batches/{made['id']}")
    shown = office.http.get(f"/v1/messages/batches/{made['id']}/messages").json()
    completion = complete(office.http, agent, user("[[say:x]]")).json()
    faults = []
    for name, body in (
        ("BatchJob", made),
        ("BatchJob", batch),
        ("LettaBatchMessages", shown),
        *(("Job", job) for job in office.http.get("/v1/jobs/").json()),
        ("ChatCompletion", completion),
    ):
        faults += checker.faults(body, {"$ref": f"#/components/schemas/{name}"})
    assert faults == []
