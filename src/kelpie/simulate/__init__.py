"""The real server under one seed: silos, store, network, disks, models, tools and clients in one process.

    plan.py          Plan: everything a run is made of, as data: options, operations, faults
    scenarios.py     the promises, each with the plans that try to break it; rooms that are not built yet
    drawing.py       a scenario and a seed become a plan
    world.py         World: boots, kills and heals the nodes
    silo.py          one life of a server process
    store.py         the real Database served over the network, and the silos' side of it
    watch.py         a Database that sees every commit: what is durable, whose epoch it is; where a process can die
    provider.py      the model provider: scripted replies over the real wires, with a provider's faults
    toolbox.py       the sandbox: what tools do outside, counted, with a tool's faults
    clients.py       people and programs that call the API, and what they saw
    connection.py    the data source: a real SQLite, and everything on the way to it that may fail
    warehouse.py     what it holds, its semantic model, the questions about it and their true answers
    asking.py        people who ask the analyst, and what they were shown
    conversing.py    people who talk in several conversations of an agent, and what each shows
    approvals.py     people who are asked whether a tool may run, and what became of their answers
    reminding.py     people who have messages sent later, and how often they were
    nemesis.py       faults as a plan has them
    kinds.py         every kind of fault, by name
    invariants.py    what must hold at every moment
    promises.py      what must hold after everything has healed; memories.py: of memory; compactions.py: of summaries;
                     answers.py: of the analyst's answers
    running.py       play(plan) -> Verdict
    shrink.py        the smallest plan that still fails
    timeline.py      a verdict's story laid out in time
    report.py        a run as a story: in the terminal, and as a page
    page.py          that page's table of moments and lanes; page_style.py: how it looks
    fault_points.py  a Database that fails by what a call touches

Nothing here is a copy of what it tests: API, actors, turns, memory, trajectories and storage are production's.
"""

from kelpie.simulate.plan import Event, Options, Plan
from kelpie.simulate.running import Verdict, play

__all__ = ["Event", "Options", "Plan", "Verdict", "play"]
