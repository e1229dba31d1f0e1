"""An agent's files over HTTP: written, listed, read as bytes, removed; never somebody else's."""

import pytest

BYTES = bytes(range(256))


@pytest.fixture
def path(live):
    return f"/v1/agents/{live.agent()['id']}/workspace"


def test_a_file_is_what_was_put_there(http, path):
    put = http.put(f"{path}/in/data.bin", content=BYTES)
    assert (put.status_code, put.json()["path"], put.json()["bytes"], put.json()["version"]) == (
        200,
        "in/data.bin",
        256,
        1,
    )
    assert http.put(f"{path}/in/data.bin", content=BYTES * 2).json()["version"] == 2
    http.put(f"{path}/a.txt", content=b"")
    assert [one["path"] for one in http.get(path).json()] == ["a.txt", "in/data.bin"]
    assert [one["path"] for one in http.get(path, params={"after": "a.txt", "limit": 1}).json()] == ["in/data.bin"]
    assert http.get(f"{path}/in/data.bin").content == BYTES * 2
    assert http.delete(f"{path}/in/data.bin").status_code == 200
    for answer in (http.get(f"{path}/in/data.bin"), http.delete(f"{path}/in/data.bin")):
        assert answer.status_code == 404
    assert [one["path"] for one in http.get(path).json()] == ["a.txt"]


def test_a_browser_is_not_to_look_into_a_file(http, path):
    http.put(f"{path}/page.html", content=b"<script>alert(1)</script>")
    headers = http.get(f"{path}/page.html").headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"


@pytest.mark.parametrize("name", ["%2e%2e/x", "a/%2e%2e/%2e%2e/x", "a%00b", "a%5cb", "a//b", "%2fetc/passwd"])
def test_a_path_that_could_mean_somewhere_else_is_refused(http, path, name):
    for answer in (http.put(f"{path}/{name}", content=b"x"), http.get(f"{path}/{name}")):
        assert answer.status_code in (404, 422), answer.text
    assert http.get(path).json() == []


def test_files_are_bounded_and_no_file_is_a_folder(http, path):
    big = http.put(f"{path}/big", content=bytes((2 << 20) + 1))
    assert (big.status_code, "2,097,153 bytes" in big.text) == (422, True), big.text
    assert http.put(f"{path}/a", content=b"").status_code == 200
    assert http.put(f"{path}/a/b", content=b"").status_code == 409


def test_there_are_no_files_of_an_agent_that_is_not_there(http):
    path = "/v1/agents/agent-123e4567-e89b-42d3-8456-426614174000/workspace"
    answers = (http.get(path), http.get(f"{path}/x"), http.put(f"{path}/x", content=b""), http.delete(f"{path}/x"))
    assert [answer.status_code for answer in answers] == [404] * 4


def test_a_deleted_agent_leaves_no_file(live, http):
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}"
    http.put(f"{path}/workspace/x", content=b"1")
    assert http.delete(path).status_code == 200
    database = live.server.app.state.house.workshop.database
    ((rows),) = live.run(database.read([("SELECT path FROM workspace_file WHERE agent_id = ?", (agent["id"],))]))
    assert rows == []
