"""Folders and files over the wire: under both names, by Letta's own client, and whatever somebody sends."""

import importlib.util
import json
import select
import socket
import time
import urllib.parse

import pytest
from tests.kelpie.files.samples import docx, pdf

from kelpie.files import limits

MODEL = "openai/gpt-4o-mini"
FOREIGN = "-123e4567-e89b-42d3-8456-426614174000"


@pytest.fixture(scope="module")
def letta(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as client:
        yield client


@pytest.fixture
def names(request):
    """Names that no other test of this server uses."""
    return lambda name: f"{request.node.name[:60]} {name}"


@pytest.fixture
def folder(http, names):
    made = http.post("/v1/folders/", json={"name": names("folder")}).json()
    yield made
    http.delete(f"/v1/folders/{made['id']}")


def upload(http, folder, name, content, prefix="folders", media_type=None, **query):
    file = (name, content, media_type) if media_type else (name, content)
    return http.post(f"/v1/{prefix}/{folder['id']}/upload", files={"file": file}, params=query)


def done(http, folder, file):
    """The file once it is read."""
    for _ in range(2_000):
        seen = http.get(f"/v1/folders/{folder['id']}/files/{file['id']}", params={"include_content": True}).json()
        if seen["processing_status"] in ("completed", "error"):
            return seen
        time.sleep(0.01)
    raise AssertionError("the file is never read")


def read(http, folder, name, content, **query):
    answer = upload(http, folder, name, content, **query)
    assert answer.status_code == 200, answer.text
    return done(http, folder, answer.json())


# ---- Letta's own client


def test_lettas_client_makes_fills_and_deletes_folders(letta, http, names):
    from letta_client import ConflictError, NotFoundError

    folder = letta.folders.create(name=names("a"), description="papers", metadata={"k": 1}, embedding_chunk_size=100)
    assert (folder.description, folder.metadata, folder.embedding_config.embedding_chunk_size) == (
        "papers",
        {"k": 1},
        100,
    )
    with pytest.raises(ConflictError):
        letta.folders.create(name=names("a"))
    assert letta.folders.retrieve(folder.id) == folder
    assert [one.id for one in letta.folders.list(name=names("a"))] == [folder.id]
    changed = letta.folders.update(folder.id, name=names("b"), instructions="read them")
    assert (changed.name, changed.instructions, changed.description) == (names("b"), "read them", "papers")
    made = letta.folders.files.upload(folder.id, file=("whales.md", b"# Whales\n\nThey eat krill."))
    assert (made.processing_status, made.source_id, made.file_type) == ("pending", folder.id, "text/markdown")
    done(http, {"id": folder.id}, {"id": made.id})
    seen = letta.folders.files.retrieve(made.id, folder_id=folder.id, include_content=True)
    assert (seen.processing_status, seen.content) == ("completed", "# Whales\n\nThey eat krill.")
    assert (seen.total_chunks, seen.chunks_embedded, seen.file_size) == (1, 1, 25)
    again = letta.folders.files.upload(folder.id, file=("whales.md", b"x"), duplicate_handling="replace", name="fish")
    assert again.file_name == "fish.md"
    assert [one.file_name for one in letta.folders.files.list(folder.id, order="asc")] == ["whales.md", "fish.md"]
    assert [one.id for one in letta.folders.files.list(folder.id, limit=1)] == [again.id, made.id]  # it turns pages
    letta.folders.files.delete(again.id, folder_id=folder.id)
    letta.folders.delete(folder.id)
    with pytest.raises(NotFoundError):
        letta.folders.retrieve(folder.id)


def test_lettas_client_gives_agents_folders_and_opens_their_files(letta, http, names):
    agent = letta.agents.create(model=MODEL, embedding="openai/text-embedding-3-small", max_files_open=1)
    folder = letta.folders.create(name=names("f"))
    tools = {"open_files", "grep_files", "semantic_search_files"}
    assert letta.agents.folders.attach(folder.id, agent_id=agent.id) is None
    assert tools <= {tool.name for tool in letta.agents.tools.list(agent.id)}
    assert {tool.tool_type for tool in letta.agents.tools.list(agent.id) if tool.name in tools} == {"letta_files_core"}
    assert [one.id for one in letta.agents.folders.list(agent.id)] == [folder.id]
    assert [one.id for one in letta.agents.retrieve(agent.id).sources] == [folder.id]
    assert list(letta.folders.agents.list(folder.id)) == [agent.id]
    made = [read(http, {"id": folder.id}, f"{name}.txt", name.encode()) for name in "abc"]
    assert letta.agents.files.open(made[0]["id"], agent_id=agent.id) == []
    assert letta.agents.files.open(made[1]["id"], agent_id=agent.id) == [f"{folder.name}/a.txt"]
    listed = list(letta.agents.files.list(agent.id, limit=2))  # pages follow by their cursor
    assert [(one.file_name, one.is_open) for one in listed] == [("c.txt", False), ("b.txt", True), ("a.txt", False)]
    (held,) = letta.agents.files.list(agent.id, is_open=True).files
    assert (held.visible_content, held.start_line, held.end_line) == (
        "[start of the file]\n1: b\n[end of the file]",
        1,
        1,
    )
    assert letta.agents.files.close(made[1]["id"], agent_id=agent.id) is None
    assert letta.agents.files.close_all(agent.id) == []
    assert letta.agents.folders.detach(folder.id, agent_id=agent.id) is None
    assert not tools & {tool.name for tool in letta.agents.tools.list(agent.id)}
    assert letta.agents.files.list(agent.id).files == []
    letta.agents.delete(agent.id)
    letta.folders.delete(folder.id)


def test_an_agent_is_made_and_changed_with_folders(live, http, names, folder):
    other = http.post("/v1/folders", json={"name": names("other")}).json()
    agent = live.agent(folder_ids=[folder["id"]], source_ids=[other["id"]])
    assert [one["id"] for one in agent["sources"]] == [folder["id"], other["id"]]
    assert "open_files" in [tool["name"] for tool in agent["tools"]]
    seen = http.patch(f"/v1/agents/{agent['id']}", json={"folder_ids": [other["id"]]}).json()
    assert [one["id"] for one in seen["sources"]] == [other["id"]]
    seen = http.patch(f"/v1/agents/{agent['id']}", json={"source_ids": []}).json()
    assert seen["sources"] == []
    assert "open_files" not in [tool["name"] for tool in seen["tools"]]
    for path in ("/v1/agents", f"/v1/agents/{agent['id']}"):
        body = {"model": MODEL, "folder_ids": [f"source{FOREIGN}"]}
        answer = http.post(path, json=body) if path == "/v1/agents" else http.patch(path, json=body)
        assert (answer.status_code, "no folder has the id" in answer.text) == (404, True)
    http.delete(f"/v1/folders/{other['id']}")


def test_deleting_a_folder_takes_it_and_its_tools_from_its_agents(live, http, names, folder):
    other = http.post("/v1/folders", json={"name": names("other")}).json()
    one, two = live.agent(folder_ids=[folder["id"]]), live.agent(folder_ids=[folder["id"], other["id"]])
    file = read(http, folder, "a.txt", b"x")
    assert http.patch(f"/v1/agents/{one['id']}/files/{file['id']}/open").json() == []
    assert http.delete(f"/v1/folders/{folder['id']}").status_code == 200
    left = [http.get(f"/v1/agents/{agent['id']}").json() for agent in (one, two)]
    assert [["open_files" in [tool["name"] for tool in agent["tools"]], len(agent["sources"])] for agent in left] == [
        [False, 0],
        [True, 1],
    ]
    assert http.get(f"/v1/agents/{one['id']}/files").json() == {"files": [], "next_cursor": None, "has_more": False}
    http.delete(f"/v1/folders/{other['id']}")


# ---- what agents see


def test_an_agent_reads_its_files_and_sees_what_it_holds_open(live, http, folder):
    agent = live.agent(folder_ids=[folder["id"]], per_file_view_window_char_limit=50)
    file = read(http, folder, "notes.txt", b"whales eat krill\n" * 10)
    path = f"{folder['name']}/notes.txt"
    answer = live.send(agent["id"], f"[[tool:grep_files {json.dumps({'pattern': 'krill'})}]] [[say:done]]").json()
    assert "Found 10 matches" in answer["messages"][1]["tool_return"]
    wish = json.dumps({"file_requests": [{"file_name": path}]})
    answer = live.send(agent["id"], f"[[tool:open_files {wish}]] [[say:done]]").json()
    assert answer["messages"][1]["tool_return"].startswith(f"Opened {path}: lines 1 to 2, 8 lines after")
    assert answer["messages"][1]["status"] == "success"
    (held,) = http.get(f"/v1/agents/{agent['id']}/files", params={"is_open": True}).json()["files"]
    assert held["file_id"] == file["id"]
    http.delete(f"/v1/agents/{agent['id']}")
    assert http.get(f"/v1/folders/{folder['id']}/agents").json() == []


# ---- under both names


@pytest.mark.parametrize("prefix", ["folders", "sources"])
def test_both_names_do_the_same(live, http, names, prefix):
    at = f"/v1/{prefix}"
    before = http.get(f"{at}/count").json()
    folder = http.post(f"{at}/", json={"name": names("a/b".replace("/", " ")), "embedding": "openai/x"}).json()
    assert folder["embedding_config"]["handle"] == "openai/x"
    one = f"{at}/{folder['id']}"
    assert http.get(f"{at}/count").json() == before + 1
    assert http.get(f"{at}/name/{urllib.parse.quote(folder['name'])}").json() == folder["id"]
    assert folder["id"] in [each["id"] for each in http.get(f"{at}/", params={"limit": 1000}).json()]
    assert http.patch(one, json={"description": "d"}).json() == http.get(one).json()
    file = upload(http, folder, "a.txt", b"one two", prefix).json()
    done(http, folder, file)
    (passage,) = http.get(f"{one}/passages").json()
    assert (passage["text"], passage["file_id"], passage["file_name"]) == ("one two", file["id"], "a.txt")
    assert (passage["source_id"], passage["metadata"]) == (folder["id"], {"start": 0, "end": 7})
    assert [each["id"] for each in http.get(f"{one}/files").json()] == [file["id"]]
    assert http.get(f"{one}/files/{file['id']}").json()["content"] is None
    agent = live.agent()
    given = http.patch(f"/v1/agents/{agent['id']}/{prefix}/attach/{folder['id']}").json()
    assert [each["id"] for each in given["sources"]] == [folder["id"]]
    assert [each["id"] for each in http.get(f"/v1/agents/{agent['id']}/{prefix}").json()] == [folder["id"]]
    assert http.get(f"{one}/agents").json() == [agent["id"]]
    assert http.patch(f"/v1/agents/{agent['id']}/{prefix}/detach/{folder['id']}").json()["sources"] == []
    told = http.get(f"{at}/metadata", params={"include_detailed_per_source_metadata": True}).json()
    mine = next(each for each in told["sources"] if each["source_id"] == folder["id"])
    assert (mine["file_count"], mine["total_size"], mine["files"][0]["file_name"]) == (1, 7, "a.txt")
    assert http.get(f"{at}/metadata").json()["sources"] == []
    assert http.delete(f"{one}/{file['id']}").status_code == 204
    assert http.delete(one).json() is None
    assert http.get(one).status_code == 404


# ---- bad input


def test_documents_are_read_and_broken_ones_are_errors_of_their_row(http, folder):
    assert read(http, folder, "a.docx", docx("Dear Ada"))["content"] == "Dear Ada"
    assert read(http, folder, "a.pdf", pdf("Hello"))["content"] == "Hello"
    broken = read(http, folder, "b.pdf", b"%PDF-1.7 no more")
    assert (broken["processing_status"], broken["content"]) == ("error", None)
    assert broken["error_message"].startswith("'b.pdf' could not be read: it is damaged, or no pdf file")
    refused = upload(http, folder, "a.png", b"\x89PNG\x00\x00")
    assert (refused.status_code, "it is no text" in refused.json()["detail"]) == (415, True)


@pytest.mark.parametrize(
    ("query", "status"),
    [({"duplicate_handling": "skip"}, 200), ({"duplicate_handling": "error"}, 409), ({"duplicate_handling": "x"}, 422)],
)
def test_a_name_that_is_taken(http, folder, query, status):
    first = read(http, folder, "a.txt", b"one")
    answer = upload(http, folder, "a.txt", b"two", **query)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["id"] == answer.headers["x-existing-file-id"] == first["id"]
        assert answer.headers["x-upload-result"] == "skipped"


def test_an_upload_that_is_none_is_refused(http, folder):
    at = f"/v1/folders/{folder['id']}/upload"
    assert http.post(at, files={"other": ("a", b"x")}).status_code == 422
    assert http.post(at, json={"file": "x"}).status_code == 422
    assert http.post(
        at, content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    ).status_code in (400, 422)
    assert http.post(at, files={"file": ("..", b"x")}).status_code == 422
    assert http.get(f"/v1/folders/{folder['id']}/files").json() == []


def test_a_file_over_its_bound_is_refused(http, folder, monkeypatch):
    monkeypatch.setattr(limits, "FILE_BYTES_MAX", 10)
    answer = upload(http, folder, "a.txt", b"x" * 11)
    assert (answer.status_code, answer.json()["detail"]) == (413, "the file is 11 bytes; at most 10 are taken")


@pytest.mark.parametrize("says_its_length", [True, False])
def test_a_hundred_megabytes_are_refused_while_they_arrive(live, folder, says_its_length):
    """By their length if they say it, else once there are too many: the answer doesn't wait for the rest."""
    host, port = live.url.removeprefix("http://").split(":")
    total, sent, piece = 100_000_000, 0, b"x" * 1_000_000
    framing = f"content-length: {total}" if says_its_length else "transfer-encoding: chunked"
    start = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    head = (
        f"POST /v1/folders/{folder['id']}/upload HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: multipart/form-data; boundary=x\r\n{framing}\r\n\r\n"
    ).encode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head)
        if not says_its_length:
            connection.sendall(b"%x\r\n%s\r\n" % (len(start), start))
            while not select.select([connection], [], [], 0)[0] and sent < total:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
        answer = connection.recv(1_000)
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < total
    assert live.http.get(f"/v1/folders/{folder['id']}/files").json() == []


ROUTES = (
    ("GET", "/v1/{prefix}/{folder}"), ("PATCH", "/v1/{prefix}/{folder}"), ("DELETE", "/v1/{prefix}/{folder}"),
    ("POST", "/v1/{prefix}/{folder}/upload"), ("GET", "/v1/{prefix}/{folder}/files"),
    ("GET", "/v1/{prefix}/{folder}/files/{file}"), ("DELETE", "/v1/{prefix}/{folder}/{file}"),
    ("GET", "/v1/{prefix}/{folder}/agents"), ("GET", "/v1/{prefix}/{folder}/passages"),
    ("GET", "/v1/agents/{agent}/{prefix}"), ("PATCH", "/v1/agents/{agent}/{prefix}/attach/{folder}"),
    ("PATCH", "/v1/agents/{agent}/{prefix}/detach/{folder}"), ("GET", "/v1/agents/{agent}/files"),
    ("PATCH", "/v1/agents/{agent}/files/{file}/open"), ("PATCH", "/v1/agents/{agent}/files/{file}/close"),
    ("PATCH", "/v1/agents/{agent}/files/close-all"),
)  # fmt: skip


@pytest.mark.parametrize("prefix", ["folders", "sources"])
def test_what_is_another_tenants_is_not_there(start, prefix):
    """Every operation with ids of another tenant, and each of its ids in turn beside ones of one's own."""
    ours, theirs = "ours-key-0123456789abcdef", "theirs-key-0123456789abc"
    live = start(keys={ours: "one", theirs: "two"})
    ids = []
    for client in (live.client(ours), live.client(theirs)):
        folder = client.post("/v1/folders", json={"name": "same"}).json()
        file = read(client, folder, "a.txt", b"secret")
        agent = client.post("/v1/agents", json={"model": MODEL, "folder_ids": [folder["id"]]}).json()
        ids.append({"folder": folder["id"], "file": file["id"], "agent": agent["id"]})
    own, foreign = ids
    http, met = live.client(ours), set()
    for method, path in ROUTES:
        kinds = [kind for kind in own if "{" + kind + "}" in path]
        for foreign_kind in kinds:
            filled = path.format(prefix=prefix, **{**own, foreign_kind: foreign[foreign_kind]})
            body = (
                {"files": {"file": ("a", b"x")}}
                if filled.endswith("/upload")
                else {"json": {}}
                if method == "PATCH"
                else {}
            )
            answer = http.request(method, filled, **body)
            met.add((method, path, answer.status_code))
            assert "secret" not in answer.text
    assert {status for _, _, status in met} == {404}
    assert len(met) == len(ROUTES)
    client = live.client(theirs)
    assert client.get(f"/v1/folders/{foreign['folder']}/files").json()[0]["id"] == foreign["file"]
    assert client.get(f"/v1/agents/{foreign['agent']}/files").json()["files"][0]["is_open"] is False


def test_what_was_uploaded_survives_a_restart(start):
    live = start()
    folder = live.http.post("/v1/folders", json={"name": "kept"}).json()
    made = [upload(live.http, folder, f"{number}.txt", b"whale %d\n" % number * 2_000).json() for number in range(5)]
    live.stop()
    live.start()
    seen = [done(live.http, folder, one) for one in made]
    assert [one["processing_status"] for one in seen] == ["completed"] * 5
    passages = live.http.get(f"/v1/folders/{folder['id']}/passages", params={"limit": 1000}).json()
    places = {(one["file_id"], one["metadata"]["start"]) for one in passages}
    assert len(places) == len(passages) == sum(one["total_chunks"] for one in seen)
