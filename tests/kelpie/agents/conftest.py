"""A house with everything but the front door: store, silo, inbox, catalog, and a model that a test scripts."""

import asyncio

import pytest

from kelpie import actors
from kelpie.actors import Outbox, Silo
from kelpie.agents import agent as agents
from kelpie.agents import create as creation
from kelpie.agents.agent import Agent
from kelpie.agents.inbox import Inbox
from kelpie.agents.memory.remembering import Remembering
from kelpie.agents.turn.scene import Workshop
from kelpie.events import Events
from kelpie.files import schema as files_schema
from kelpie.groups import schema as groups_schema
from kelpie.identities import schema as identities_schema
from kelpie.models.model import ModelCard
from kelpie.models.registry import Models
from kelpie.people import NOBODY
from kelpie.tools import custom
from kelpie.tools import schema as tool_schema
from kelpie.tools.catalog import Catalog
from kelpie.tools.mcp import records as mcp_records
from kelpie.tools.memory import MEMORY_TOOLS
from kelpie.trajectories import messages, runs, schema, steps
from kelpie.trajectories.records import RunInput, RunOptions
from umi import memory
from umi.entity import Block
from umi.memory import Archive
from umi.storage import Page, SqliteDatabase
from umi.wire.transport import HttpTransport
from umi.wire.types import Message, Reply, ToolCall, Usage

MIGRATIONS = [
    *memory.MIGRATIONS,
    *actors.MIGRATIONS,
    *schema.MIGRATIONS,
    *tool_schema.MIGRATIONS,
    *mcp_records.MIGRATIONS,
    *files_schema.MIGRATIONS,
    *identities_schema.MIGRATIONS,
    *groups_schema.MIGRATIONS,
    *agents.MIGRATIONS,
]


class TestModel:
    """Answers with what the test queued: a Reply, an exception, or a function of the request. Keeps every request."""

    __test__ = False

    def __init__(self):
        self.requests = []
        self.script = []
        self.open = 0

    def will(self, *answers):
        self.script += answers

    async def reply(self, request, on_delta=None):
        self.requests.append(request)
        self.open += 1
        try:
            answer = self.script.pop(0) if self.script else say("ok")
            if callable(answer):
                answer = answer(request, on_delta)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.open -= 1


def say(text, finish="stop"):
    return Reply(text=text, tool_calls=[], finish=finish, usage=Usage(10, 5), model="test", raw_response=text.encode())


def call(*calls, text=None):
    """A reply with tool calls, each given as (name, JSON arguments)."""
    made = [ToolCall(id=f"call-{n}", name=name, arguments=arguments) for n, (name, arguments) in enumerate(calls)]
    return Reply(
        text=text,
        tool_calls=made,
        finish="tool_calls",
        usage=Usage(10, 5),
        model="test",
        raw_request=[b"{}"],
        raw_response=b"{}",
    )


class House:
    say = staticmethod(say)
    call = staticmethod(call)

    def __init__(self, database, host, extra_tools, bench=None):
        self.database = database
        self.host = host
        self.seen = []
        self.events = Events()
        self.events.subscribe(self.seen.append)
        self.model = TestModel()
        self.models = Models(host, HttpTransport())
        self.models.register(ModelCard("test/model", "test", "model", "test", context_window_tokens=8_000), self.model)
        self.tools = {tool.name: tool for tool in (*MEMORY_TOOLS, *extra_tools)}
        self.archive, self.outbox = Archive(database, host), Outbox(database, host)
        self.workshop = Workshop(
            database, host, self.events, self.models, Catalog(self.tools, bench), self.archive, self.outbox
        )
        Remembering(self.workshop)
        self.silo = Silo("silo-1", database, host, self.events)
        self.inbox = Inbox(self.workshop, self.silo)

    @property
    def view(self):
        return self.database.view()

    async def agent(self, *tool_names, blocks=(), speaker=NOBODY, **fields):
        await self.database.commit(await custom.plan_builtins(self.view, "t", 0, self.tools.values()))
        agent = Agent(
            **{
                "tenant": "t",
                "id": self.host.ids.new("agent"),
                "name": "Ada",
                "model": "test/model",
                "system": "Be kind.",
            }
            | fields
        )
        made = [
            Block(tenant="t", id=self.host.ids.new("block"), label=label, value=value, limit_chars=1000)
            for label, value in blocks
        ]
        draft = creation.Draft(agent=agent, blocks=made, tool_names=list(tool_names), speaker=speaker)
        return await creation.create(self.workshop, draft)

    async def accept(self, agent, *texts, within="", **options):
        incoming = [
            RunInput(id=self.host.ids.new("message"), body=Message(role="user", content=text)) for text in texts
        ]
        return await self.inbox.accept("t", agent.id, incoming, RunOptions(**options), conversation_id=within)

    async def send(self, agent, *texts, **options):
        """The ended run."""
        stream = await self.accept(agent, *texts, **options)
        ended, _ = await asyncio.wait_for(stream.wait(), 10)
        return ended.run

    async def settled(self):
        """Let tasks that only have to notice an end come to theirs."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def history(self, agent):
        """(role, text) of every stored message but the system message."""
        stored = await messages.list_messages(self.view, "t", Page(limit=1000), agent_id=agent.id)
        return [(m.body.role, m.body.text) for m in stored if m.body.role != "system"]

    async def run(self, run_id):
        return await runs.get(self.view, "t", run_id)

    async def steps(self, run_id):
        return await steps.of_run(self.view, "t", run_id)


@pytest.fixture
def extra_tools():
    """Override to give the house more tools."""
    return []


@pytest.fixture
def bench():
    """Override to give the house a place where custom tools run."""
    return


@pytest.fixture
async def open_house(tmp_path, host, extra_tools, bench):
    """Opens the house on one file, as often as a test wants; closing it is what a stop of the process does."""
    opened = []

    async def open_one():
        database = await SqliteDatabase.open(str(tmp_path / "house.db"), MIGRATIONS, host=host)
        opened.append(House(database, host, extra_tools, bench))
        return opened[-1]

    yield open_one
    await host.close()
    for one in opened:
        await one.database.close()


@pytest.fixture
async def house(open_house):
    return await open_house()
