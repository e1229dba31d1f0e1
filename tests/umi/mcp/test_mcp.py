"""The operations as MCP tools, used by the protocol's own client over stdio and over HTTP."""

import json
import sys

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from umi import Memory
from umi.errors import InvalidInput
from umi.mcp.server import create_server
from umi.serve.operations import OPERATIONS


@pytest.fixture(scope="module")
def server(tmp_path_factory, umi_serve):
    with umi_serve(tmp_path_factory.mktemp("mcp") / "memory.db") as url:
        yield url


@pytest.fixture(params=["stdio", "http", "in process"])
async def connect(request, tmp_path):
    """Connects a client to the memory of scope "ada"."""
    if request.param == "http":
        yield lambda: Client(f"{request.getfixturevalue('server')}/mcp?scope=ada-{tmp_path.name}")
    elif request.param == "stdio":
        arguments = ["-m", "umi", "mcp", "--db", str(tmp_path / "memory.db"), "--scope", "ada"]
        yield lambda: Client(stdio_client(StdioServerParameters(command=sys.executable, args=arguments)))
    else:
        async with Memory(str(tmp_path / "memory.db"), scope="ada", embedder=None) as memory:
            yield lambda: Client(create_server(lambda _: memory))


def answer(result):
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content["result"]
    return result.structured_content["result"]


async def test_the_tools_are_the_operations_with_their_parameters(connect):
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == OPERATIONS.keys()
    recall = tools["recall"]
    assert recall.input_schema["type"] == "object"
    assert recall.input_schema["required"] == ["query"]
    assert recall.input_schema["properties"]["query"]["description"]
    assert recall.annotations.read_only_hint is True
    assert tools["forget"].annotations.destructive_hint is True
    assert all(tool.description for tool in tools.values())


async def test_a_conversation_with_the_memory(connect):
    async with connect() as client:

        async def call(name, /, **given):
            return answer(await client.call_tool(name, given))

        told = await call("remember", said="Bob works at Acme. His cat is called Miso.")
        fact_id = told["facts"][0]["id"]
        assert (await call("recall", query="cat"))[0]["fact"]["id"] == fact_id
        assert (await call("get", fact_id=fact_id))["text"].startswith("Bob works")
        assert {one["name"] for one in await call("entities")} >= {"Bob", "Acme"}
        assert await call("neighbours", name="Bob")
        await call("update", fact_id=fact_id, importance=0.9, reason="matters")
        assert len(await call("history", fact_id=fact_id)) == 2
        await call("undo", change_or_fact_id=fact_id)
        assert (await call("list", limit=1, newest_first=True))[0]["importance"] == 0.5
        await call("core_set_block", type="persona", content="kind")
        assert "kind" in (await call("core_render"))["text"]
        await call("working_set", key="draft", value="x")
        assert await call("working_get", key="draft") == {"text": "x"}
        assert await call("forget", fact_id=fact_id) is True
        assert await call("get", fact_id=fact_id) is None


async def test_what_was_wrong_is_told_to_the_model(connect):
    async with connect() as client:
        for name, given, says in (
            ("recall", {}, "query"),
            ("recall", {"query": "x", "colour": "red"}, "colour"),
            ("remember", {"said": " "}, "blank"),
            ("update", {"fact_id": "none", "text": "x"}, "no fact"),
        ):
            result = await client.call_tool(name, given)
            assert result.is_error
            assert says in result.content[0].text
            assert says in result.structured_content["detail"]


async def test_over_http_each_scope_has_its_own_memory(server):
    async with Client(f"{server}/mcp?scope=one") as client:
        await client.call_tool("remember", {"said": "The safe opens with 1234."})
    async with Client(f"{server}/mcp?scope=two") as client:
        assert answer(await client.call_tool("recall", {"query": "safe"})) == []
    async with Client(f"{server}/mcp?scope=one") as client:
        assert len(answer(await client.call_tool("recall", {"query": "safe"}))) == 1


async def test_only_the_tools_that_were_asked_for_are_there(tmp_path):
    async with Memory(str(tmp_path / "memory.db"), embedder=None) as memory:
        async with Client(create_server(lambda _: memory, ["recall", "remember"])) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["recall", "remember"]
            assert (await client.call_tool("clear", {})).is_error
        with pytest.raises(InvalidInput, match="there is no tool dream"):
            create_server(lambda _: memory, ["dream"])
