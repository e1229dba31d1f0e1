"""An office with people, teams and their conventions; and an agent's tools as a turn calls them."""

import json

import pytest

from kelpie.analyst.conventions import keeping, publishing
from kelpie.analyst.conventions.convention import wish
from kelpie.analyst.conventions.tools import convention_tools
from kelpie.errors import CallerError
from kelpie.people import NOBODY, records, schema
from kelpie.people.resolving import resolve
from kelpie.tools.tool import Outcome, ToolContext
from kelpie.trajectories import messages
from kelpie.trajectories import schema as trajectories
from kelpie.trajectories.records import RunInput, StoredMessage
from umi import memory
from umi.memory import Archive
from umi.storage import SqliteDatabase
from umi.wire.types import Message, ToolCall

TENANT = "t"


class Office:
    def __init__(self, database, host, model=None):
        self.database, self.host, self.model = database, host, model
        self.view, self.archive = database.view(), Archive(database, host)
        self.tools = {tool.name: tool for tool in convention_tools(self._model)}
        self.position = 0

    async def _model(self, _context):
        return self.model

    async def commit(self, planned):
        made, changes = await planned
        await self.database.commit(changes)
        return made

    async def staff(self, *people, tenant=TENANT):
        """Each is (handle, teams…)."""
        for handle, *teams in people:
            for team in teams:
                if (await records.roster(self.view, tenant)).team(team) is None:
                    await self.commit(records.plan_add_team(self.view, self.host, tenant, team))
            plan = records.plan_add_person(
                self.view, self.host, tenant, handle=handle, name=handle.title(), teams=teams
            )
            await self.commit(plan)

    async def speaker(self, name, tenant=TENANT):
        return NOBODY if name is None else await resolve(self.view, tenant, name)

    async def keep(self, name, topic, value, *, kind=None, weight=0.5, tenant=TENANT, **where):
        kind = kind or ("definition" if ":" in value else "preference")
        speaker = await self.speaker(name, tenant)
        return await keeping.keep(self.view, self.archive, tenant, speaker, wish(kind, topic, value, weight), **where)

    async def published(self, name, tenant=TENANT):
        return await publishing.published(self.view, tenant, await self.speaker(name, tenant))

    async def holds(self, name, tenant=TENANT):
        """{topic: (value, whose)}."""
        return {one.topic: (one.value, one.whose) for one in await self.published(name, tenant)}

    # What an agent does

    async def call(self, tool, speaker, said=(), run="run-now", tenant=TENANT, **arguments):
        """(what the model reads, whether it is an error); what was planned is committed."""
        given = [RunInput(id=f"message-{n}", body=Message(role="user", content=text)) for n, text in enumerate(said)]
        context = ToolContext(
            tenant=tenant,
            agent_id="agent-1",
            run_id=run,
            step_id="step-1",
            tool_call_id="call-1",
            view=self.view,
            host=self.host,
            archive=self.archive,
            speaker=await self.speaker(speaker, tenant) if isinstance(speaker, str | None) else speaker,
            said=given,
        )
        try:
            outcome = await self.tools[tool].run(context, arguments)
        except CallerError as error:
            outcome = Outcome(str(error), is_error=True)
        await self.database.commit(outcome.changes)
        return (outcome.text, True) if outcome.is_error else (json.loads(outcome.text), False)

    async def happened(self, run, question, *options):
        """A turn that ended with a question to the user."""
        asked = ToolCall(
            id="call-9", name="ask_user", arguments=json.dumps({"question": "Which?", "options": list(options)})
        )
        for body in (
            Message(role="user", content=question),
            Message(role="assistant", content=None, tool_calls=[asked]),
            Message(role="tool", content="asked", tool_call_id="call-9", name="ask_user"),
        ):
            await self._store(run, body)

    async def answered(self, run, question, answer):
        """A turn that ended with an answer."""
        await self._store(run, Message(role="user", content=question))
        await self._store(run, Message(role="assistant", content=answer))

    async def _store(self, run, body):
        stored = StoredMessage(
            tenant=TENANT,
            id=self.host.ids.new("message"),
            agent_id="agent-1",
            position=self.position,
            run_id=run,
            step_id=None,
            body=body,
        )
        self.position += 1
        await self.database.commit(messages.plan_add([stored]))


@pytest.fixture
async def office(host):
    migrations = [*memory.MIGRATIONS, *schema.MIGRATIONS, *trajectories.MIGRATIONS]
    database = await SqliteDatabase.open(":memory:", migrations, host=host)
    made = Office(database, host)
    yield made
    await made.archive.close()
    await database.close()
