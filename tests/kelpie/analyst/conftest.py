"""A store, an Analyst and small warehouses; and a driver that plays the agent's turn: model, tools, commit."""

import asyncio
import json

import pytest
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee, build_flights

from kelpie.analyst import connections
from kelpie.analyst.agent import analyst_agent
from kelpie.analyst.migrations import MIGRATIONS
from kelpie.analyst.planner.model import PlannerModel
from kelpie.analyst.semantic import records
from kelpie.analyst.service import Analyst
from kelpie.analyst.tools import analyst_tools
from kelpie.demo.warehouse import semantic_model_yaml
from kelpie.errors import CallerError
from kelpie.people import NOBODY
from kelpie.people import schema as people
from kelpie.tools.tool import Outcome, ToolContext
from kelpie.trajectories import messages
from kelpie.trajectories import schema as trajectories
from kelpie.trajectories.records import RunInput, StoredMessage
from umi import memory
from umi.dst import Host, ManualClock, Rng
from umi.memory import Archive
from umi.storage import Changes, SqliteDatabase, View
from umi.wire.types import Message, Request

TENANT = "tenant-1"
STEPS_MAX = 8


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def flights_path(data_folder):
    return build_flights(str(data_folder / "flights.duckdb"))


@pytest.fixture(scope="session")
def coffee_path(data_folder):
    return build_coffee(str(data_folder / "coffee.duckdb"))


@pytest.fixture
async def database():
    rooms = [*MIGRATIONS, *memory.MIGRATIONS, *people.MIGRATIONS, *trajectories.MIGRATIONS]
    opened = await SqliteDatabase.open(":memory:", rooms)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def analyst(data_folder):
    """One for all tests: it holds sources and catalogs, no rows, and its ids never repeat."""
    made = Analyst(Host(clock=ManualClock(), rng=Rng("analyst")), str(data_folder))
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="session")
def registered():
    """path -> connection and semantic model, checked once and then written into each test's store."""
    return {}


class Desk:
    """An analyst agent at work: `ask` runs a whole turn, and what it did is left to look at.

    `speaker` is whom it answers; `turns` how many it has run, which names the runs: run-1, run-2, …
    """

    def __init__(self, host, database, analyst, record, connection):
        self.host, self.database, self.analyst = host, database, analyst
        self.record, self.connection = record, connection
        self.agent = analyst_agent(record)
        self.tools = {tool.name: tool for tool in analyst_tools(analyst)}
        self.model = PlannerModel(host)
        self.history, self.speaker, self.turns, self.said = [], NOBODY, 0, []
        self.calls, self.deltas, self.replies = [], [], []
        self.without = set()

    @property
    def view(self):
        return View(self.database)

    def system(self):
        return f"{self.agent.system}\n\n<memory_blocks>\n<persona>\nTables and charts are my life.\n</persona>"

    def request(self):
        specs = [tool.spec for tool in self.tools.values()]
        return Request(
            model="planner",
            messages=[Message(role="system", content=self.system()), *self.history],
            tools=[spec for spec in specs if spec.name not in self.without],
        )

    def context(self, call_id="call-1", step_id="step-1", tenant=TENANT, agent_id="agent-1"):
        return ToolContext(
            tenant=tenant,
            agent_id=agent_id,
            run_id=f"run-{max(1, self.turns)}",
            step_id=step_id,
            tool_call_id=call_id,
            view=self.view,
            host=self.host,
            archive=Archive(self.view.database, self.host),
            agent_metadata=self.agent.metadata,
            speaker=self.speaker,
            said=self.said,
            model="kelpie/planner",
        )

    async def call(self, name, /, **arguments):
        """One tool call as a turn makes it: a refusal is an Outcome, and its rows are committed."""
        try:
            outcome = await self.tools[name].run(self.context(), arguments)
        except CallerError as error:
            outcome = Outcome(str(error), is_error=True)
        await self.database.commit(outcome.changes)
        return outcome

    async def ask(self, text):
        """The agent's last words about `text`."""
        begin = len(self.history)
        self.turns += 1
        self.history.append(Message(role="user", content=text))
        self.said = [RunInput(id=f"message-{self.turns}", body=self.history[-1])]
        self.calls, self.deltas, self.replies = [], [], []
        says = await self._turn()
        await self._store(self.history[begin:])
        return says

    async def _turn(self):
        for _ in range(STEPS_MAX):
            reply = await self.model.reply(self.request(), self.deltas.append)
            self.replies.append(reply)
            self.history.append(reply.as_message())
            if not reply.tool_calls:
                return reply.text
            for call in reply.tool_calls:
                arguments = json.loads(call.arguments)
                self.calls.append((call.name, arguments))
                outcome = await self.call(call.name, **arguments)
                self.history.append(
                    Message(
                        role="tool",
                        content=outcome.text,
                        tool_call_id=call.id,
                        name=call.name,
                        is_error=outcome.is_error,
                    )
                )
                if outcome.ends_turn:
                    return outcome.says
        pytest.fail(f"the turn did not end: {self.calls}")

    async def _store(self, said):
        """The turn as the runtime keeps it: what a convention stands on is looked up there."""
        stored = [
            StoredMessage(
                tenant=TENANT,
                id=self.host.ids.new("message"),
                agent_id="agent-1",
                position=self.turns * 100 + number,
                run_id=f"run-{self.turns}",
                step_id=None,
                body=body,
            )
            for number, body in enumerate(said)
        ]
        await self.database.commit(messages.plan_add(stored))

    @property
    def did(self):
        """The names of the tools called in the last turn, but for the look at what is agreed on that begins each."""
        return [name for name, _ in self.calls if name != "conventions"]

    def called(self, name):
        return [arguments for called, arguments in self.calls if called == name]


async def open_desk(host, database, analyst, registered, path, yaml_text):
    view = View(database)
    if path in registered:
        connection, record = registered[path]
        await database.commit(await connections.plan_create(view, connection))
        await database.commit(await records.plan_create(view, record))
    else:
        connection, changes = await analyst.plan_connection(view, TENANT, path, {"path": path})
        await database.commit(changes)
        record, changes = await analyst.plan_model(view, TENANT, connection.id, yaml_text)
        await database.commit(changes)
        registered[path] = connection, record
    return Desk(host, database, analyst, record, connection)


@pytest.fixture
async def flights(host, database, analyst, registered, flights_path):
    return await open_desk(host, database, analyst, registered, flights_path, semantic_model_yaml())


@pytest.fixture
async def coffee(host, database, analyst, registered, coffee_path):
    return await open_desk(host, database, analyst, registered, coffee_path, COFFEE_YAML)


@pytest.fixture
def commit(database):
    async def commit(changes):
        assert isinstance(changes, Changes)
        await database.commit(changes)

    return commit
