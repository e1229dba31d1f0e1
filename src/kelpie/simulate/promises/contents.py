"""What must hold of the bytes that models were sent and said: what a step holds is there, and nothing else is."""

from collections import defaultdict
from collections.abc import Callable

from kelpie.simulate.machines.world import World
from kelpie.trajectories.content import HASH_BYTES

_PROMISE = "contents are those of the steps"


async def check(world: World, breaks: Callable[[str, str], None]) -> None:
    """Once no errand is left: what was deleted took along what it alone held."""
    wanted: dict[str, set[bytes]] = defaultdict(set)
    for agent_id, request, response in await world.rows("SELECT agent_id, request, response FROM step"):
        wanted[agent_id] |= {request[at : at + HASH_BYTES] for at in range(0, len(request), HASH_BYTES)}
        wanted[agent_id] |= {response} if response else set()
    held: dict[str, set[bytes]] = defaultdict(set)
    for agent_id, digest in await world.rows("SELECT agent_id, hash FROM content_held"):
        held[agent_id].add(digest)
    for agent_id in sorted(wanted.keys() | held.keys()):
        lost, left = wanted[agent_id] - held[agent_id], held[agent_id] - wanted[agent_id]
        if lost or left:
            breaks(
                _PROMISE, f"{agent_id}: {len(lost)} of its contents are held by nobody, {len(left)} of no step stayed"
            )
    there = {row[0] for row in await world.rows("SELECT hash FROM content")}
    everything = set().union(*wanted.values())
    if there != everything:
        text = f"{len(everything - there)} that a step holds are gone, {len(there - everything)} of no step stayed"
        breaks(_PROMISE, text)
