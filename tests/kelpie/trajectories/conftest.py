"""A store with the tables of trajectories, and short ways to fill it."""

import msgspec
import pytest

from kelpie.trajectories import content, messages, runs, schema, steps
from kelpie.trajectories.records import Run, RunInput, RunOptions, Step, StoredMessage
from umi.storage import SqliteDatabase
from umi.wire.types import Message, Usage


class Shelf:
    def __init__(self, database):
        self.database = database
        self.view = database.view()
        self.positions = {}

    async def say(
        self, text, *, agent="agent-1", tenant="t", within="", role="user", run_id=None, step_id=None, at_ms=0, **fields
    ):
        position = self.positions.get((tenant, agent), 0)
        self.positions[tenant, agent] = position + 1
        message = StoredMessage(
            tenant=tenant,
            id=f"message-{tenant}-{agent}-{position}",
            agent_id=agent,
            position=position,
            run_id=run_id,
            step_id=step_id,
            body=Message(role=role, content=text, **fields),
            created_at_ms=at_ms,
            conversation_id=within,
        )
        await self.database.commit(messages.plan_add([message]))
        return message

    def make_run(self, number, *, tenant="t", agent="agent-1", **fields):
        given = [RunInput(id=f"message-in-{number}", body=Message(role="user", content=f"question {number}"))]
        return Run(
            **{"tenant": tenant, "id": f"run-{number}", "agent_id": agent, "status": "created", "input": given}
            | {"options": RunOptions(), "created_at_ms": number}
            | fields
        )

    async def run(self, number, **fields):
        run = self.make_run(number, **fields)
        await self.database.commit(runs.plan_accept(run))
        return run

    async def step(self, run, number=1, *, request=(b"{}",), response=b"{}", **fields):
        hashes, stored = content.plan_put(run.tenant, run.agent_id, [*request, response])
        step = Step(
            **{"tenant": run.tenant, "id": f"step-{run.id}-{number}", "run_id": run.id, "agent_id": run.agent_id}
            | {"number": number, "state": "done", "model": "test/model", "provider": "test", "provider_type": "test"}
            | {"model_name": "m", "model_version": "1", "context_window_tokens": 100, "usage": Usage(3, 4)}
            | {"request": hashes[:-1], "response": hashes[-1]}
            | fields
        )
        await self.database.commit(stored.extend(steps.plan_add(step)))
        return step

    async def end(self, run, status="completed", stop="end_turn", error=None):
        await self.database.commit(runs.plan_end(run, status, stop, 99, error))
        return msgspec.structs.replace(run, status=status, stop_reason=stop, completed_at_ms=99, error=error)


@pytest.fixture
async def shelf(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "t.db"), schema.MIGRATIONS, host=host)
    yield Shelf(database)
    await database.close()
