"""The seams between our code and the world: time, chance, names and tasks.

    clock.py   Clock: SystemClock in production, ManualClock in tests
    rng.py     Rng: named forks of one seed; SystemRng draws from the operating system
    ids.py     Ids: `agent-<uuid4>` names drawn from an Rng
    host.py    Host: the three together, plus `spawn` for background tasks
    threads.py in_thread: computing off the event loop

Simulation, for tests; production imports none of it (a Memory with a seed does):

    simulate.py  simulate(main, seed): a coroutine on virtual time; SimClock, SimResult
    loop.py      SimLoop: asyncio's loop with seeded steps, crashes that run no `finally`, and a digest of it all
    schedule.py  who runs next: uniform, sticky or fifo
    tasks.py     tasks and futures in a stable order, incarnations, and what ends a run early
    workers.py   thread pools without threads
    guards.py    what reaches around a simulation is refused, or follows the seed
    faults.py    Faults: what goes wrong, by name, and how often it really did
    disk.py      SimDisk: SQLite's files in memory, under power loss and every other fault of a disk
    disk_files.py, disk_vfs.py, disk_replay.py  what its files hold; its door for SQLite; a log's every ending
    network.py   SimNetwork: messages between nodes, pipes, partitions
    http.py      streaming ASGI over that network
    history.py   what clients saw, and whether any order of the operations explains it

Everything else receives a Host. Nothing else reads the wall clock or draws randomness (a lint enforces it), so
that the same code runs under one seed.
"""

from umi.dst.clock import Clock, ManualClock, SystemClock
from umi.dst.host import Host
from umi.dst.ids import Ids, named_uuid
from umi.dst.rng import Rng, SystemRng

__all__ = ["Clock", "Host", "Ids", "ManualClock", "Rng", "SystemClock", "SystemRng", "named_uuid"]
