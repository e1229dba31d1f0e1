"""The real server under one seed: silos, store, network, disks, models, tools and clients in one process.

    plans            what a run is made of; the scenarios, how they are drawn from a seed, how a failure is made small
    machines         what stands in a world: silos, store, provider, sandbox, data source
    clients          people and programs outside, and what they saw
    promises         what must hold, at every moment and after everything has healed
    telling          a run as a story: in the terminal and as a page
    nemesis.py       faults as a plan has them
    kinds.py         every kind of fault, by name
    running.py       play(plan) -> Verdict

Nothing here is a copy of what it tests: API, actors, turns, memory, trajectories and storage are production's.
"""

from kelpie.simulate.plans.plan import Event, Options, Plan
from kelpie.simulate.running import Verdict, play

__all__ = ["Event", "Options", "Plan", "Verdict", "play"]
