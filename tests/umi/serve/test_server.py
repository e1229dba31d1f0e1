"""`umi serve`: what a memory answers, over HTTP, and what it refuses."""

import subprocess
import sys

import httpx2
import pytest

from umi import limits
from umi.archival.history import Version
from umi.entity import Fact
from umi.errors import (
    EnvironmentFault,
    ImportRefused,
    InvalidInput,
    LimitExceeded,
    NotAllowed,
    NotFound,
    StoreClosed,
    StoreInUse,
    TypeMismatch,
)
from umi.memory import Memory
from umi.serve.client import Client
from umi.serve.keys import Keys
from umi.storage import Page

from .conftest import KEY


@pytest.fixture
async def ada(server, request):
    async with Client(server, scope=request.node.name[:200]) as client:
        yield client


async def test_a_client_has_the_memory_of_its_scope(ada):
    told = await ada.remember("Ada's cat is called Miso.", document_time="2024-03-01", tags=["pets"])
    assert isinstance(told.fact, Fact)
    found = await ada.recall("cat", limit=3, as_of=(None, None), explain=True)
    assert [one.fact for one in found] == [told.fact]
    assert found[0].explain
    assert await ada.get(told.fact.id) == told.fact
    assert await ada.list(Page(limit=1), filters={"tags": {"contains": "pets"}}) == [told.fact]
    assert await ada.count() == 1
    assert await ada.of("somebody else").recall("cat") == []


async def test_history_and_undo_cross_the_wire_whole(ada):
    fact = (await ada.add_facts([{"subject": "Bob", "attribute": "works_at", "value": "Acme"}])).fact
    changed = await ada.update(fact.id, text="Bob works at Globex.", actor="ada", reason="he said so")
    assert changed.version == 2
    versions = await ada.history(fact.id)
    assert [type(one) for one in versions] == [Version, Version]
    assert (versions[1].why.actor, versions[1].why.reason) == ("ada", "he said so")
    await ada.undo(fact.id)
    assert (await ada.get(fact.id)).text == fact.text
    assert await ada.forget(fact.id) is True
    assert await ada.forget(fact.id) is False
    assert await ada.get(fact.id) is None


async def test_entities_core_and_working_memory_too(ada):
    await ada.remember("Bob works at Acme.")
    assert {one.name for one in await ada.entities()} >= {"Bob", "Acme"}
    assert (await ada.neighbours("Bob"))[0]
    await ada.core.set_block("persona", "kind & calm", importance=0.75)
    assert "kind &amp; calm" in (await ada.core.render()).text
    assert (await ada.core.blocks())[0].importance == 0.75
    await ada.working.set("n", "7")
    await ada.working.set("raw", b"\x00\xff", ttl_ms=1_000)
    assert await ada.working.incr("n", 3) == 10
    assert await ada.working.get("raw") == b"\x00\xff"
    assert await ada.working.get("absent") is None
    assert [entry[:2] for entry in await ada.working.entries()] == [("n", "10"), ("raw", b"\x00\xff")]
    assert await ada.working.compare_and_set("raw", b"\x00\xff", "text") is True


async def test_errors_are_raised_here_as_they_were_there(ada):
    with pytest.raises(InvalidInput, match="blank"):
        await ada.remember(" ")
    with pytest.raises(LimitExceeded) as exceeded:
        await ada.working.set("k" * 257, "x")
    assert (exceeded.value.size, exceeded.value.maximum) == (257, limits.WORKING_MEMORY_KEY_BYTES_MAX)
    with pytest.raises(NotFound, match="no fact"):
        await ada.update("none", text="x")
    await ada.working.set("word", "x")
    with pytest.raises(TypeMismatch):
        await ada.working.incr("word")


async def test_an_export_over_http_is_imported_over_http(ada, tmp_path):
    await ada.remember("Ada likes tea.")
    path = str(tmp_path / "ada.jsonl")
    assert (await ada.export(path)).facts == 1
    copy = ada.of(f"{ada.scope} copy")
    assert (await copy.import_(path)).facts == 1
    assert (await copy.import_(path)).known == 1
    assert [fact.text for fact in await copy.list()] == ["Ada likes tea."]
    (tmp_path / "cut.jsonl").write_bytes((tmp_path / "ada.jsonl").read_bytes()[:-10])
    with pytest.raises(ImportRefused, match=r"^line \d"):
        await copy.import_(str(tmp_path / "cut.jsonl"))
    with pytest.raises(InvalidInput, match="can't be read"):
        await copy.import_(str(tmp_path / "none"))


async def test_health_and_description_are_there(server):
    async with httpx2.AsyncClient(base_url=server) as http:
        assert (await http.get("/health")).json()["status"] == "ok"
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert {"/v1/remember", "/v1/recall", "/v1/core_render", "/v1/export"} <= paths.keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "/v1/recall", None, 405, "CallerError"),
        ("POST", "/v1/dream", b"{}", 404, "NotFound"),
        ("POST", "/v1/recall", b"{", 422, "InvalidInput"),
        ("POST", "/v1/recall", b"", 422, "InvalidInput"),
        ("POST", "/v1/recall", b'{"query": "\xff"}', 422, "InvalidInput"),
        ("POST", "/v1/recall?scope=", b'{"query": "x"}', 422, "InvalidInput"),
        ("POST", f"/v1/recall?scope={'s' * 257}", b'{"query": "x"}', 422, "LimitExceeded"),
        ("POST", "/v1/recall?scope=a%00b", b'{"query": "x"}', 422, "InvalidInput"),
        ("POST", "/v1/import", b"hello", 422, "ImportRefused"),
    ],
)
async def test_a_bad_request_is_answered_with_its_reason(server, method, path, body, status, error):
    async with httpx2.AsyncClient(base_url=server) as http:
        answer = await http.request(method, path, content=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["detail"]


async def test_a_body_larger_than_its_limit_is_refused_whether_or_not_it_says_so(server):
    async def pieces():
        for _ in range(limits.SERVE_BODY_BYTES_MAX // 1_000_000 + 2):
            yield b" " * 1_000_000

    async with httpx2.AsyncClient(base_url=server) as http:
        said = await http.post("/v1/recall", content=b" " * (limits.SERVE_BODY_BYTES_MAX + 1))
        unsaid = await http.post("/v1/recall", content=pieces())
    assert (said.status_code, unsaid.status_code) == (413, 413)


async def test_a_page_of_another_site_reaches_no_memory(server):
    async with httpx2.AsyncClient(base_url=server) as http:
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            answer = await http.post("/v1/count", content=b"{}", headers=headers)
            assert answer.status_code == 403
        assert (await http.post("/v1/count", content=b"{}", headers={"host": "localhost:1"})).status_code == 200


async def test_a_key_opens_its_tenant_and_no_other(locked):
    async with Client(locked, key=KEY) as default, Client(locked, key=f"{KEY}-acme") as acme:
        await default.remember("The password of the safe is in the drawer.")
        assert await acme.recall("safe") == []
        assert await acme.count() == 0
        with pytest.raises(NotAllowed, match="another tenant"):
            await acme.of("default", tenant="default").count()
    for key in (None, "wrong-key-of-some-length", ""):
        async with Client(locked, key=key) as stranger:
            with pytest.raises(NotAllowed, match="key"):
                await stranger.count()
    async with httpx2.AsyncClient(base_url=locked) as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/openapi.json")).status_code == 401
        assert (await http.post("/mcp", content=b"{}")).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_loopback_a_key_is_required(host, tmp_path):
    with pytest.raises(InvalidInput, match="lets others in"):
        Keys().check_host(host)
    Keys([KEY]).check_host(host)
    command = [sys.executable, "-m", "umi", "serve", "--db", str(tmp_path / "m.db"), "--host", host, "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "--key" in ended.stderr
    assert not (tmp_path / "m.db").exists()


def test_a_key_that_could_be_guessed_is_none():
    Keys(["x" * limits.SERVE_KEY_CHARS_MIN])
    with pytest.raises(InvalidInput, match="key 1 is shorter"):
        Keys(["x" * (limits.SERVE_KEY_CHARS_MIN - 1)])


async def test_a_server_that_is_not_there_is_an_error_that_says_what_to_do():
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(EnvironmentFault, match="umi serve"):
            await client.count()
    with pytest.raises(StoreClosed):
        await client.count()
    with pytest.raises(InvalidInput, match="http://"):
        Client("memory.db")


def test_a_second_server_on_the_port_says_so(server, tmp_path):
    port = server.rpartition(":")[2]
    command = [sys.executable, "-m", "umi", "serve", "--db", str(tmp_path / "m.db"), "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, "can't listen" in ended.stderr) == (1, True)


async def test_the_file_of_a_server_is_in_use_and_its_holder_is_named(tmp_path, umi_serve):
    path = tmp_path / "memory.db"
    with umi_serve(path), pytest.raises(StoreInUse, match=r"process \d+") as caught:
        await Memory.open(str(path))
    assert caught.value.holder_pid


CLIENT = """
import asyncio, sys
from umi.serve.client import Client

async def main(url, name):
    async with Client(url, scope="shared") as memory:
        for number in range(50):
            await memory.add_facts([f"{name} says {number}"])
            await memory.working.incr("said")

asyncio.run(main(*sys.argv[1:]))
"""


def run_clients(url):
    """Four of them at once; each must end well."""
    command = [sys.executable, "-c", CLIENT, url]
    processes = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in "ABCD"]
    for process in processes:
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 0


async def test_four_client_processes_lose_nothing(server):
    run_clients(server)
    async with Client(server, scope="shared") as memory:
        texts = {fact.text for fact in await memory.list(Page(limit=500))}
        assert texts == {f"{name} says {number}" for name in "ABCD" for number in range(50)}
        assert await memory.working.get("said") == "200"


async def test_what_was_answered_is_there_after_the_server_was_killed(tmp_path, umi_server):
    path = tmp_path / "memory.db"
    process, url = umi_server.start(path)
    async with Client(url) as client:
        await client.remember("Ada likes tea.")
    process.kill()
    process.communicate()
    async with Memory(str(path), embedder=None) as memory:
        assert [fact.text for fact in await memory.list()] == ["Ada likes tea."]
