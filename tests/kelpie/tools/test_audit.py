"""The audit's rows: begun, ended, interrupted, listed."""

import pytest

from kelpie.errors import IsolationMissing, NotFound
from kelpie.sandbox import SandboxResult, Usage
from kelpie.tools import audit
from kelpie.tools.audit import AuditRow, Ran, Sandboxed
from umi.storage import Page


def row(number, **fields):
    made = {
        "tenant": "t",
        "id": f"audit-{number}",
        "at_ms": number,
        "tool": "roll",
        "sandboxed": Sandboxed(trust="reviewed", needs="process", tool_id="tool-1", version=3),
        "agent_id": "agent-1",
        "run_id": "run-1",
        "step_id": f"step-{number}",
        "tool_call_id": f"call-{number}",
        "speaker": "",
        "model": "openai/m",
    }
    return AuditRow(**{**made, **fields})


@pytest.fixture
def begin(context):
    async def call(*rows):
        for one in rows:
            await context.view.database.commit(audit.plan_begin(one))

    return call


async def listed(context, **filters):
    page = Page(limit=100, ascending=True)
    return [one.id for one in await audit.list_rows(context.view, "t", page, **filters)]


async def test_a_row_is_there_before_the_call_and_says_afterwards_what_came_of_it(context, begin):
    await begin(row(1))
    assert await audit.get(context.view, "t", "audit-1") == row(1, ran=Ran(state="begun"))
    result = SandboxResult(
        error="it took too much",
        killed_by="memory",
        level="process",
        backend="bwrap",
        usage=Usage(duration_ms=1.5, cpu_ms=2.5, memory_bytes=3),
        network=["a" * 1_000, "half \ud800 and \0"],
    )
    ran = audit.of_result(result, {"blocks.get": 2})
    await context.view.database.commit(audit.plan_end("t", "audit-1", ran, is_error=True))
    found = await audit.get(context.view, "t", "audit-1")
    assert (found.state, found.is_error, found.ran.killed_by, found.ran.backend) == ("ran", True, "memory", "bwrap")
    assert (found.ran.duration_ms, found.ran.cpu_ms, found.ran.memory_bytes) == (1.5, 2.5, 3)
    assert (found.ran.asks, found.ran.network) == ({"blocks.get": 2}, ["a" * 300, "half ? and ?"])
    assert (found.tool, found.step_id, found.sandboxed.version) == ("roll", "step-1", 3)
    with pytest.raises(NotFound):
        await audit.get(context.view, "other", "audit-1")


async def test_a_refusal_says_why(context, begin):
    await begin(row(1))
    ran = audit.of_error(IsolationMissing("untrusted", "microvm", ["microvm: no image"]))
    await context.view.database.commit(audit.plan_end("t", "audit-1", ran, is_error=True))
    found = await audit.get(context.view, "t", "audit-1")
    assert found.state == "refused"
    assert found.ran.refusal.startswith("isolation_missing: a tool of trust 'untrusted'")


async def test_what_a_dead_process_had_begun_is_interrupted_and_what_it_ended_is_not(context, begin):
    await begin(row(1, step_id="step-1"), row(2, step_id="step-1"), row(3, step_id="step-3"))
    await context.view.database.commit(audit.plan_end("t", "audit-2", Ran(level="process"), is_error=False))
    await context.view.database.commit(audit.plan_interrupted("t", "step-1"))
    states = [(await audit.get(context.view, "t", f"audit-{n}")).state for n in (1, 2, 3)]
    assert states == ["interrupted", "ran", "begun"]


async def test_rows_are_found_by_what_is_asked_and_by_for_whom(context, begin):
    untrusted = Sandboxed(trust="untrusted", needs="process")
    await begin(
        row(1),
        row(2, tool="run_code", sandboxed=untrusted),
        row(3, speaker="person-1", agent_id="agent-2"),
        row(4, tenant="other"),
    )
    assert await listed(context) == ["audit-1", "audit-2", "audit-3"]
    assert await listed(context, equal={"tool": "run_code", "trust": "untrusted"}) == ["audit-2"]
    assert await listed(context, equal={"agent_id": "agent-2"}) == ["audit-3"]
    assert await listed(context, speakers=["person-1", "team:x"]) == ["audit-3"]
    assert await listed(context, speakers=[]) == []
    assert await listed(context, since_ms=2, until_ms=3) == ["audit-2"]
    with pytest.raises(AssertionError):
        await listed(context, equal={"tenant": "other"})
    lowered = [(await audit.get(context.view, "t", f"audit-{n}")).is_lowered for n in (1, 2)]
    assert lowered == [False, True]
