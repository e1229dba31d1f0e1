"""A step's calls as rows of the audit: begun in the commit of the intents, ended in that of the results."""

from collections.abc import Sequence

from kelpie.agents.turn.calls import Prepared
from kelpie.agents.turn.work import Performed, Work
from kelpie.people.speaker import NOBODY
from kelpie.tools import audit
from kelpie.tools.audit import AuditRow, Ran
from kelpie.trajectories.records import Run, Step
from umi.dst import Host
from umi.storage import Changes

CANCELLED = Ran(state="cancelled")
FAILED = Ran(state="refused", refusal="the tool failed before what it runs was reached")


def plan_begin(work: Work, run: Run, host: Host) -> Changes:
    """A row for each call that a sandbox or an MCP server is about to be asked for; their ids go into `work`."""
    changes = Changes()
    for prepared in work.prepared:
        if prepared.is_outside and prepared.tool is not None and prepared.tool.sandboxed is not None:
            row = _row(work, prepared, run, host)
            work.audited[prepared.number] = row.id
            changes.extend(audit.plan_begin(row))
    return changes


def plan_end(work: Work, outcomes: Sequence[Performed]) -> Changes:
    changes = Changes()
    for number, audit_id in work.audited.items():
        outcome, _ = outcomes[number]
        ran = outcome.ran or (FAILED if outcome.is_error else Ran(level=outcome.level))
        changes.extend(audit.plan_end(work.step.tenant, audit_id, ran, is_error=outcome.is_error))
    return changes


def plan_interrupted(step: Step) -> Changes:
    return audit.plan_interrupted(step.tenant, step.id)


def _row(work: Work, prepared: Prepared, run: Run, host: Host) -> AuditRow:
    assert prepared.tool is not None and prepared.tool.sandboxed is not None  # noqa: PT018 - the caller looked
    return AuditRow(
        tenant=run.tenant,
        id=host.ids.new("audit"),
        at_ms=host.clock.now_ms(),
        tool=prepared.tool.name,
        sandboxed=prepared.tool.sandboxed,
        agent_id=run.agent_id,
        run_id=run.id,
        step_id=work.step.id,
        tool_call_id=prepared.call.id,
        speaker=(run.options.speaker or NOBODY).key,
        model=work.scene.card.handle,
    )
