"""A call's context over a real store with one agent's blocks, and a sandbox that says what it is told to say."""

import dataclasses

import pytest

from kelpie.sandbox import LevelReport, SandboxResult
from kelpie.tools import schema as tool_schema
from kelpie.tools.tool import ToolContext
from kelpie.trajectories import schema as trajectories_schema
from umi import core, memory
from umi.entity import Block
from umi.memory import Archive
from umi.storage import SqliteDatabase

MIGRATIONS = [*memory.MIGRATIONS, *trajectories_schema.MIGRATIONS, *tool_schema.MIGRATIONS]


class StandIn:
    """Implements Sandbox where the machine's isolation is not what is tested: it keeps what it was asked for, makes the
    asks it is given, and answers `result`, or raises it."""

    def __init__(self):
        self.calls, self.trusts, self.limits = [], [], []
        self.asks, self.answers = [], []
        self.result = SandboxResult(value="done", backend="none", level="process")

    async def exec(self, call, trust, wanted=None):
        self.calls.append(call)
        self.trusts.append(trust)
        self.limits.append(wanted)
        for operation, arguments in self.asks:
            self.answers.append(await call.asks(operation, arguments))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def reports(self):
        return [LevelReport(level="process", exists=True)]

    async def close(self):
        pass

    @property
    def call(self):
        return self.calls[-1]


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
async def context(tmp_path, host):
    """Of a call by agent-1 of tenant t, whose block `human` says "one"; agent-2 and another tenant have theirs."""
    database = await SqliteDatabase.open(str(tmp_path / "tools.db"), MIGRATIONS, host=host)
    for tenant, agent_id in (("t", "agent-1"), ("t", "agent-2"), ("other", "agent-1")):
        value = "one" if (tenant, agent_id) == ("t", "agent-1") else f"of {tenant} {agent_id}"
        block = Block(tenant=tenant, id=host.ids.new("block"), label="human", value=value, limit_chars=100)
        await database.commit(core.plan_create(block).extend(core.plan_attach(tenant, agent_id, block.id, block.label)))
    made = ToolContext("t", "agent-1", "run-1", "step-1", "call-1", database.view(), host, Archive(database, host))
    yield dataclasses.replace(made, agent={"id": "agent-1", "name": "Ada's"})
    await database.close()
