"""A custom tool tried out by a person, without an agent or a run: run once, audited, and nothing of it kept."""

import asyncio
from typing import Any

from kelpie.agents import auditing
from kelpie.agents.calls import bounded
from kelpie.agents.scene import Workshop
from kelpie.errors import CallerError, NotServed
from kelpie.tools import audit
from kelpie.tools.audit import AuditRow
from kelpie.tools.custom import ToolRecord
from kelpie.tools.secrets import Secrets
from kelpie.tools.tool import Outcome, ToolContext
from umi.storage import View


async def run_once(
    workshop: Workshop, record: ToolRecord, arguments: dict[str, Any], variables: Secrets
) -> tuple[str, Outcome]:
    """The id of the call, and what it came to. Raises what the sandbox refuses, which is audited as well."""
    bench, host = workshop.catalog.bench, workshop.host
    if bench is None:
        raise NotServed("this server runs no custom tools")
    call_id = host.ids.new("call")
    view = View(workshop.database)
    row = AuditRow(
        tenant=record.tenant,
        id=host.ids.new("audit"),
        at_ms=host.clock.now_ms(),
        tool=record.name,
        sandboxed=bench.sandboxed(record.settings.trust, "", 0),
        agent_id="",
        run_id="",
        step_id="",
        tool_call_id=call_id,
        speaker="",
        model="",
    )
    await workshop.database.commit(audit.plan_begin(row))
    ran, is_error = auditing.FAILED, True
    try:
        context = ToolContext(record.tenant, "", "", "", call_id, view, host, workshop.archive)
        outcome = await workshop.catalog.run_custom(record, context, arguments, variables)
        ran, is_error = outcome.ran or ran, outcome.is_error
    except CallerError as error:
        ran = audit.of_refusal(error)
        raise
    except asyncio.CancelledError:
        ran = auditing.CANCELLED
        raise
    finally:
        await workshop.database.commit(audit.plan_end(record.tenant, row.id, ran, is_error=is_error))
    return call_id, bounded(outcome, record.return_chars_max)
