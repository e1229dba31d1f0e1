"""What is done twice, by many at once, or to a thing in use: attached again, deleted under a run that needs it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

SOURCE = 'def {name}() -> int:\n    """One."""\n    return 1\n'


@pytest.fixture
def things(live, http):
    """An agent, and for each kind of thing how it is attached, how it is listed, and its id."""
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}"
    tool = http.put("/v1/tools/", json={"source_code": SOURCE.format(name="attached")}).json()["id"]
    block = http.post("/v1/blocks/", json={"label": "attached", "value": ""}).json()["id"]
    folder = http.post("/v1/folders/", json={"name": agent["id"]}).json()["id"]
    archive = http.post("/v1/archives/", json={"name": "attached"}).json()["id"]
    yield {
        "tool": (f"{path}/tools/attach/{tool}", f"{path}/tools", tool),
        "block": (f"{path}/core-memory/blocks/attach/{block}", f"{path}/core-memory/blocks", block),
        "folder": (f"{path}/folders/attach/{folder}", f"{path}/folders", folder),
        "archive": (f"{path}/archives/attach/{archive}", f"/v1/archives/?agent_id={agent['id']}", archive),
    }
    for deleted in (path, f"/v1/tools/{tool}", f"/v1/blocks/{block}", f"/v1/folders/{folder}"):
        http.delete(deleted)


@pytest.mark.parametrize("kind", ["tool", "block", "folder", "archive"])
def test_attached_twice_it_is_there_once(http, things, kind):
    attach, listing, wanted = things[kind]
    answers = [http.patch(attach) for _ in range(2)]
    assert [answer.is_success for answer in answers] == [True, True], answers[1].text
    assert [one["id"] for one in http.get(listing).json()].count(wanted) == 1


@pytest.mark.parametrize("kind", ["tool", "block", "folder", "archive"])
def test_attached_by_many_at_once_it_is_there_once(http, things, kind):
    attach, listing, wanted = things[kind]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.patch(attach), range(8)))
    assert {answer.is_success for answer in answers} == {True}, [answer.text[:200] for answer in answers]
    assert [one["id"] for one in http.get(listing).json()].count(wanted) == 1


def test_what_a_run_needs_is_deleted_under_it_and_it_ends_all_the_same(live, http):
    tool = http.put("/v1/tools/", json={"source_code": SOURCE.format(name="going")}).json()
    block = http.post("/v1/blocks/", json={"label": "going", "value": "x"}).json()
    agent = live.agent(tool_ids=[tool["id"]], block_ids=[block["id"]])
    call = (
        '[[delay_ms:300]] [[tool:going {}]] [[tool:memory_insert {"label": "going", "new_string": "y"}]] [[say:ended]]'
    )
    run = http.post(f"/v1/agents/{agent['id']}/messages/async", json={"input": call}).json()
    running = live.server.app.state.house.inbox.stream_of(run["id"])
    assert running is not None, "the run should not have ended before"
    assert http.delete(f"/v1/tools/{tool['id']}").is_success
    assert http.delete(f"/v1/blocks/{block['id']}").is_success
    ended, _ = live.run(running.wait())
    assert ended.run.status == "completed"
    said = http.get(f"/v1/runs/{run['id']}/messages").json()
    returned = [one["status"] for one in said if one["message_type"] == "tool_return_message"]
    assert returned == ["error", "error"]
    assert said[-1]["content"] == "ended"


def test_fields_that_nobody_knows_are_ignored_wherever_they_stand(live, http):
    agent = live.agent(
        flavour="salty", memory_blocks=[{"label": "human", "value": "x", "colour": "red"}], model_settings={"zeal": 11}
    )
    assert {"flavour", "colour"} & (set(agent) | set(agent["blocks"][0])) == set()
    said = http.post(f"/v1/agents/{agent['id']}/messages", json={"input": "hi", "mood": "good"})
    assert said.status_code == 200, said.text


@pytest.mark.parametrize("version", ["0.1.324", "1.0.0", "99.0", "", "one", "1" * 5_000])
def test_a_client_of_any_version_is_answered(live, http, version):
    agent = live.agent()
    for path in ("/v1/agents/", f"/v1/agents/{agent['id']}"):
        answer = http.get(path, headers={"x-stainless-package-version": version})
        assert answer.status_code == 200, answer.text
