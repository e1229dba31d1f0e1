"""A tool called by a person, without a run: once, audited, and nothing of it kept but what it writes for its agent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kelpie.actors import ActorId
from kelpie.agents.agent import ACTOR_KIND
from kelpie.agents.turn import auditing
from kelpie.agents.turn.calls import bounded
from kelpie.agents.turn.scene import Workshop, look
from kelpie.errors import (
    CallerError,
    Conflict,
    GuardFailed,
    NotFound,
    NotServed,
    SandboxBusy,
    ToolUnavailable,
)
from kelpie.tools import audit
from kelpie.tools.arguments import check_arguments
from kelpie.tools.audit import AuditRow, Sandboxed
from kelpie.tools.custom import ToolRecord
from kelpie.tools.secrets import Secrets
from kelpie.tools.tool import Outcome, ToolContext
from umi.storage import View


async def run_once(
    workshop: Workshop, record: ToolRecord, arguments: dict[str, Any], variables: Secrets
) -> tuple[str, Outcome]:
    """A custom tool: the id of the call, and what it came to. Raises what the sandbox refuses, which is audited as
    well."""
    bench, host = workshop.catalog.bench, workshop.host
    if bench is None:
        raise NotServed("this server runs no custom tools")
    call_id = host.ids.new("call")
    view = View(workshop.database)
    context = ToolContext(record.tenant, "", "", "", call_id, view, host, workshop.archive)
    row = _row(workshop, record.tenant, record.name, bench.sandboxed(record.settings.trust, "", 0), call_id)
    outcome = await _audited(workshop, row, lambda: workshop.catalog.run_custom(record, context, arguments, variables))
    return call_id, bounded(outcome, record.return_chars_max)


async def call_once(
    workshop: Workshop, tenant: str, tool: str, sandboxed: Sandboxed, call: Callable[[], Awaitable[Outcome]]
) -> Outcome:
    """A tool of an MCP server: what `call` came to. Raises what it raises, which is audited as well."""
    row = _row(workshop, tenant, tool, sandboxed, workshop.host.ids.new("call"))
    return await _audited(workshop, row, call)


async def call_for_agent(
    workshop: Workshop, tenant: str, agent_id: str, name: str, arguments: dict[str, Any]
) -> Outcome:
    """A tool of an agent, as the agent would call it: with its secrets and files, and what it writes is kept. What the
    tool says went wrong is an outcome.

    Raises NotFound for an agent, or a tool that it hasn't; Conflict where somebody changed the same meanwhile;
    ModelError where nobody serves its model; what the sandbox refuses.
    """
    scene = await look(workshop, ActorId(ACTOR_KIND, agent_id, tenant), None)
    tool = scene.tools.get(name)
    if tool is None:
        raise NotFound(f"agent '{agent_id}' has no tool named '{name[:100]}'")
    checked = check_arguments(name, tool.spec.parameters, arguments)
    call_id, view = workshop.host.ids.new("call"), View(workshop.database)
    context = ToolContext(
        tenant,
        agent_id,
        "",
        "",
        call_id,
        view,
        workshop.host,
        workshop.archive,
        agent_metadata=scene.agent.metadata,
        agent=scene.state,
    )
    try:
        if tool.sandboxed is None:
            outcome = await tool.run(context, checked)
        else:
            row = _row(workshop, tenant, name, tool.sandboxed, call_id, agent_id)
            outcome = await _audited(workshop, row, lambda: tool.run(context, checked))
    except (ToolUnavailable, SandboxBusy):
        raise
    except CallerError as error:
        return Outcome(str(error), is_error=True)
    outcome = bounded(outcome, tool.return_chars_max)
    if outcome.changes and not outcome.is_error:
        try:
            await workshop.database.commit(outcome.changes)
        except GuardFailed:
            raise Conflict(f"what '{name}' was to write is being changed by somebody else; try again") from None
    return outcome


def _row(
    workshop: Workshop, tenant: str, tool: str, sandboxed: Sandboxed, call_id: str, agent_id: str = ""
) -> AuditRow:
    host = workshop.host
    return AuditRow(
        tenant=tenant,
        id=host.ids.new("audit"),
        at_ms=host.clock.now_ms(),
        tool=tool,
        sandboxed=sandboxed,
        agent_id=agent_id,
        run_id="",
        step_id="",
        tool_call_id=call_id,
        speaker="",
        model="",
    )


async def _audited(workshop: Workshop, row: AuditRow, call: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """The call between its row's beginning and its end."""
    await workshop.database.commit(audit.plan_begin(row))
    ran, is_error = auditing.FAILED, True
    try:
        outcome = await call()
        ran, is_error = outcome.ran or ran, outcome.is_error
    except CallerError as error:
        ran = audit.of_error(error)
        raise
    except asyncio.CancelledError:
        ran = auditing.CANCELLED
        raise
    finally:
        await workshop.database.commit(audit.plan_end(row.tenant, row.id, ran, is_error=is_error))
    return outcome
