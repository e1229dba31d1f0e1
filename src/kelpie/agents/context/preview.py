"""What an agent's model would be asked next: the request of a turn that is not taken."""

from collections.abc import Sequence

from kelpie.actors import Placement
from kelpie.agents import agent as agents
from kelpie.agents.context.history import History
from kelpie.agents.turn import scene
from kelpie.agents.turn.scene import Scene, Workshop
from kelpie.agents.turn.stream import RunStream
from kelpie.agents.turn.turn import Turn
from kelpie.trajectories.records import MAIN, Run, RunInput, RunOptions
from umi.storage import View
from umi.wire.types import Request


async def preview(
    workshop: Workshop,
    tenant: str,
    agent_id: str,
    incoming: Sequence[RunInput],
    options: RunOptions,
    conversation_id: str = MAIN,
) -> tuple[Scene, Request]:
    """The first request of a run with these messages, or with none the context as it stands; nothing is stored.

    Raises NotFound, ModelError (a handle nobody serves, or a context that does not fit the window).
    """
    who = agents.actor_id(tenant, agent_id)
    now = await scene.look(workshop, who, options.model, conversation_id)
    history = await History.load(View(workshop.database), tenant, agent_id, conversation_id)
    run = Run(
        tenant=tenant,
        id="",
        agent_id=agent_id,
        status="created",
        input=list(incoming),
        options=options,
        created_at_ms=workshop.host.clock.now_ms(),
        conversation_id=conversation_id,
    )
    nobodys = Placement(workshop.database, who, 0, 0)  # never claimed: the fence keeps out whatever it would commit
    return now, await Turn(workshop, nobodys, history, run, RunStream(run)).first_request(now)
