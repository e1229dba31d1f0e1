"""A run that has ended, told again from its rows to whoever asks for it a second time."""

from kelpie.agents.turn.stream import Committed, Ended, RunStream
from kelpie.trajectories import messages, steps
from kelpie.trajectories.records import Run
from umi.storage import View


async def ended_stream(view: View, run: Run) -> RunStream:
    """What the run committed step by step, and its end."""
    stream, known = RunStream(run), {one.id for one in run.input}
    found = await steps.of_run(view, run.tenant, run.id)
    said = [one for one in await messages.of_run(view, run.tenant, run.id) if one.id not in known]
    for step in found:
        if fresh := [message for message in said if message.step_id == step.id]:
            stream.publish(Committed(step, fresh))
    stream.publish(Ended(run, found))
    return stream
