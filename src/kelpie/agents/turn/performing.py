"""The calls of one step, run in order."""

from kelpie.agents.together.switchboard import Line
from kelpie.agents.turn import auditing, calls
from kelpie.agents.turn.calls import Prepared
from kelpie.agents.turn.recording import Recording
from kelpie.agents.turn.stream import Cancelled
from kelpie.agents.turn.work import Performed, Work
from kelpie.people.speaker import NOBODY
from kelpie.tools.tool import Outcome, ToolContext
from umi.storage import Changes, View

CANCELLED_TEXT = "stopped: the run was cancelled"


async def perform(record: Recording, work: Work, kept: dict[int, Performed]) -> tuple[list[Performed], Changes]:
    """Run the calls in order; each sees what the earlier ones planned. Outside outcomes go into `kept`."""
    planned = Changes()
    outcomes: list[Performed] = []
    for prepared in work.prepared:
        if prepared.number not in kept:
            outcome, duration_ms = await _run(record, work, prepared, planned)
            if prepared.is_outside:
                kept[prepared.number] = (outcome, duration_ms)
        else:
            outcome, duration_ms = kept[prepared.number]
        planned.extend(outcome.changes)
        outcomes.append((outcome, duration_ms))
    return outcomes, planned


async def _run(record: Recording, work: Work, prepared: Prepared, planned: Changes) -> Performed:
    shop, run = record.shop, record.run
    context = ToolContext(
        tenant=run.tenant,
        agent_id=run.agent_id,
        run_id=run.id,
        step_id=work.step.id,
        tool_call_id=prepared.call.id,
        view=View(shop.database, planned),
        host=shop.host,
        archive=shop.archive,
        agent_metadata=work.scene.agent.metadata,
        speaker=run.options.speaker or NOBODY,
        said=[one for one in run.input if one.sender is None],
        model=work.scene.card.handle,
        agent=work.scene.state,
        conversation_id=run.conversation_id,
        others=Line(
            shop.switchboard, View(shop.database), shop.host, record.stream, work.scene.agent, prepared.call.id
        ),
    )
    try:
        return await record.stream.until_cancelled(calls.run(prepared, context, shop.events))
    except Cancelled:
        return Outcome(CANCELLED_TEXT, is_error=True, ran=auditing.CANCELLED), 0.0
