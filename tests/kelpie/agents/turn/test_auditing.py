"""The audit of a turn: a row before the call, its end with the results, and a word about those a crash cut off."""

import asyncio

import pytest

from kelpie.agents.agent import plan_delete
from kelpie.errors import IsolationMissing, SandboxBusy
from kelpie.people import NOBODY, Speaker
from kelpie.sandbox import LevelReport, SandboxResult
from kelpie.tools import audit, custom, secrets, workspace
from kelpie.tools.bench import Bench
from kelpie.tools.custom import ToolDraft
from kelpie.tools.run_code import run_code
from umi import core
from umi.storage import Page

SOURCE = 'def work(x: int = 1, *, client=None) -> str:\n    """Work."""\n'


class StandIn:
    """Stands for the machine's isolation: says what it is told to, once `gate` is open."""

    def __init__(self):
        self.result = SandboxResult(value="done", level="process", backend="none")
        self.calls, self.asks = [], []
        self.began, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def exec(self, call, trust, wanted=None):
        self.calls.append(call)
        self.began.set()
        for operation, arguments in self.asks:
            await call.asks(operation, arguments)
        await self.gate.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def reports(self):
        return [LevelReport(level="process", exists=True)]

    async def close(self):
        pass


@pytest.fixture
def sandbox():
    return StandIn()


@pytest.fixture
def bench(sandbox):
    return Bench(sandbox)


@pytest.fixture
def extra_tools(bench):
    return [run_code(bench)]


async def worker(house, speaker=NOBODY, **settings):
    """An agent with the custom tool `work` and run_code."""
    await custom.upsert(house.view, house.host, "t", ToolDraft(source_code=SOURCE, settings=settings))
    return await house.agent("work", "run_code", blocks=[("notes", "one")], speaker=speaker)


async def rows(house, **filters):
    return await audit.list_rows(house.view, "t", Page(ascending=True), **filters)


async def test_a_call_has_one_row_that_says_who_what_for_whom_and_where(house, sandbox):
    ada = Speaker("person-1", "Ada", ())
    agent = await worker(house, speaker=ada)
    house.model.will(house.call(("work", "{}"), ("core_memory_append", '{"label": "notes", "content": "x"}')))
    run = await house.send(agent, "go", speaker=ada)
    (row,) = await rows(house)
    assert (row.tool, row.state, row.is_error, row.ran.level, row.ran.backend) == (
        "work",
        "ran",
        False,
        "process",
        "none",
    )
    assert (row.agent_id, row.run_id, row.tool_call_id, row.speaker) == (agent.id, run.id, "call-0", "person-1")
    assert (row.model, row.sandboxed.trust, row.sandboxed.needs) == ("test/model", "reviewed", "process")
    tool = await custom.get_by_name(house.view, "t", "work")
    assert (row.sandboxed.tool_id, row.sandboxed.version) == (tool.id, 1)
    step, _ = await house.steps(run.id)
    assert row.step_id == step.id


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (IsolationMissing("untrusted", "microvm", ["microvm: no image"]), "isolation_missing: a tool of trust"),
        (SandboxBusy("microvm", 7), "sandbox_busy: every place at level 'microvm' is taken: try again in 7 s"),
        (RuntimeError("a bug"), "the tool failed before what it runs was reached"),
    ],
    ids=["no level", "no place", "bug"],
)
async def test_a_refusal_is_told_to_the_model_and_has_its_row(house, sandbox, error, told):
    agent = await worker(house)
    sandbox.result = error
    house.model.will(house.call(("run_code", '{"language": "python", "code": "print(1)"}')))
    run = await house.send(agent, "go")
    (row,) = await rows(house)
    assert (run.status, row.state, row.is_error, row.sandboxed.trust) == ("completed", "refused", True, "untrusted")
    assert row.ran.refusal.startswith(told)
    assert str(error) in house.model.requests[1].messages[-1].text


async def test_what_does_not_fit_is_a_refusal_as_well(house, sandbox):
    agent = await worker(house)
    house.model.will(house.call(("work", '{"y": 1}')))
    await house.send(agent, "go")
    (row,) = await rows(house)
    assert (row.state, row.ran.refusal[:12], sandbox.calls) == ("refused", "tool_failed:", [])


async def test_the_row_is_there_while_the_call_runs_and_a_crash_leaves_it_interrupted(house, open_house, sandbox):
    agent = await worker(house)
    sandbox.gate.clear()
    house.model.will(house.call(("work", "{}")))
    stream = await house.accept(agent, "go")
    await sandbox.began.wait()
    (row,) = await rows(house)
    assert (row.state, row.ran.level) == ("begun", "")
    await house.host.close()  # the process stops in the middle of the call
    await house.database.close()
    again = await open_house()
    assert await again.inbox.recover() == 1
    await again.inbox.stream_of(stream.run.id).wait()
    (row,) = await rows(again)
    assert (row.state, row.is_error, row.ran.level, len(sandbox.calls)) == ("interrupted", True, "", 1)


async def test_a_cancelled_call_says_so(house, sandbox):
    agent = await worker(house)
    sandbox.gate.clear()
    house.model.will(house.call(("work", "{}")))
    stream = await house.accept(agent, "go")
    await sandbox.began.wait()
    await house.inbox.cancel("t", stream.run.id)
    (row,) = await rows(house)
    assert (row.state, row.is_error) == ("cancelled", True)


async def test_files_and_what_was_asked_for_are_committed_with_the_results(house, sandbox):
    agent = await worker(house, capabilities=["blocks:write"], workspace=True)
    sandbox.asks = [("blocks.append", {"label": "notes", "content": "two"})]
    sandbox.result = SandboxResult(value="done", files={"a.txt": b"1"})
    sandbox.gate.clear()
    house.model.will(house.call(("work", "{}")))
    stream = await house.accept(agent, "go")
    await sandbox.began.wait()
    assert await workspace.read_all(house.view, "t", agent.id) == {}
    sandbox.gate.set()
    await stream.wait()
    assert set(await workspace.read_all(house.view, "t", agent.id)) == {"a.txt"}
    assert (await core.by_label(house.view, "t", agent.id, "notes")).value == "one\ntwo"


async def test_a_call_whose_file_somebody_else_changed_meanwhile_is_told_that_nothing_was_stored(house, sandbox):
    agent = await worker(house, workspace=True)
    sandbox.result = SandboxResult(value="done", files={"a.txt": b"mine", "b.txt": b"mine"})
    sandbox.gate.clear()
    house.model.will(house.call(("work", "{}")))
    stream = await house.accept(agent, "go")
    await sandbox.began.wait()
    theirs = await workspace.plan_put(house.view, "t", agent.id, "a.txt", b"theirs", 0)
    await house.database.commit(theirs)
    sandbox.gate.set()
    ended, _ = await stream.wait()
    found = await workspace.read_all(house.view, "t", agent.id)
    assert {path: file.content for path, file in found.items()} == {"a.txt": b"theirs"}
    assert "of that nothing was stored" in house.model.requests[1].messages[-1].text
    (row,) = await rows(house)
    assert (ended.run.status, row.state, row.is_error, len(sandbox.calls)) == ("completed", "ran", True, 1)


async def test_a_deleted_agents_files_and_secrets_are_gone_and_the_audit_stays(house, sandbox):
    agent = await worker(house, workspace=True)
    sandbox.result = SandboxResult(value="done", files={"a.txt": b"1"})
    house.model.will(house.call(("work", "{}")))
    await house.send(agent, "go")
    kept = secrets.check({"TOKEN": "x"})
    await house.database.commit(secrets.plan_replace(house.host, "t", agent.id, kept))
    await house.database.commit(plan_delete("t", agent.id))
    assert await workspace.read_all(house.view, "t", agent.id) == {}
    assert not await secrets.of_agent(house.view, "t", agent.id)
    assert len(await rows(house)) == 1
