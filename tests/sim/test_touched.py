"""What simulation runs is production: which modules, room by room, and how much of the rooms that promise the most."""

import json
import subprocess
import sys
from collections import defaultdict

import pytest

from sim import touched
from tidy.tree import ROOT

SEEDS = 3
# Rooms that a message, a fact or a block goes through on its way from the socket to the disk: each module of these that
# holds more than names and bounds is run, not a stand-in for it.
ROOMS = {
    "umi": "entity",
    "umi/archival": "claims entities facts keys schema",
    "umi/core": "blocks ledger",
    "umi/embed": "behind embedder vectors",
    "umi/evolve": "plan timeline",
    "umi/extract": "clauses local names tokens",
    "umi/index": "bm25 cache rows scope_index terms",
    "umi/memory": "archive drafts reading remembering",
    "umi/promote": "candidate choose lines policy promotion statement",
    "umi/retrieve": "channels question ranking recall",
    "umi/storage": "changes database engine jobs page simulated sqlite",
    "umi/wire": "anthropic anthropic_reply anthropic_request draft exchange openai openai_reply openai_request sse",
    "kelpie/actors": "directory identity outbox silo",
    "kelpie/agents": "actor agent conversing create inbox profile",
    "kelpie/agents/context": "compacting context history summarising",
    "kelpie/agents/memory": "recalling remembering",
    "kelpie/agents/rules": "approving ruling",
    "kelpie/agents/turn": "asking calls committing pausing performing recording replies scene stream turn work",
    "kelpie/analyst": "agent asking catalog_build metric_query questions results service tools",
    "kelpie/analyst/answers": "assembling keeping stated steps",
    "kelpie/analyst/compile": "planning query",
    "kelpie/analyst/guard": "passing reading tables",
    "kelpie/analyst/planner": "conversation deciding model",
    "kelpie/analyst/provenance": "basis checking numbers records",
    "kelpie/api": "answer app failures gate house paging sse",
    "kelpie/api/routes": "agent_parts agents archival blocks messages questions runs tools",
    "kelpie/models": "providers registry scripted scripted_wire",
    "kelpie/server": "build metrics",
    "kelpie/tools": "arguments catalog custom memory source",
    "kelpie/trajectories": "content fulltext messages records runs steps",
}
# From a run's input to its end. What kinds, formats and previews of agents ask besides has tests of its own.
THE_TURN = ("calls", "committing", "pausing", "performing", "recording", "scene", "turn", "work")
# What no simulation can run: the lock and what is wrong with a file are the operating system's, and PostgreSQL is
# another program.
REAL_ONLY = {
    f"umi/storage/{module}.py"
    for module in ("lock", "failures", "dialect", "link", "nearest", "postgres", "postgres_writer")
}


@pytest.fixture(scope="module")
def lines():
    """{module: (lines, lines that ran)}"""
    command = [sys.executable, touched.__file__, str(SEEDS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {path: (count, count - missed) for path, (count, missed) in json.loads(ran.stdout).items()}


@pytest.mark.slow
def test_every_room_on_a_messages_way_is_the_real_one(lines):
    idle = [
        f"{room}/{module}.py"
        for room, modules in ROOMS.items()
        for module in modules.split()
        if lines.get(f"{room}/{module}.py", (0, 0))[1] < lines.get(f"{room}/{module}.py", (1, 0))[0] / 3
    ]
    assert idle == [], "\n".join(f"{path}: {lines.get(path)}" for path in idle)


# Less of the turn: nobody cancels a run or compacts by hand in a simulated world yet. Less of actors: a reminder there
# is sent once, so that the lines of intervals and cron are run by their own tests alone.
@pytest.mark.parametrize(
    ("what", "where", "share"),
    [
        ("actors", "kelpie/actors/", 0.86),
        ("storage", "umi/storage/", 0.89),
        ("the turn", tuple(f"kelpie/agents/turn/{module}.py" for module in THE_TURN), 0.84),
    ],
)
def test_most_lines_of_what_promises_the_most_are_run(lines, what, where, share):
    ours = {path: found for path, found in lines.items() if path.startswith(where) and path not in REAL_ONLY}
    total, ran = (sum(counts) for counts in zip(*ours.values(), strict=True))
    assert ran >= share * total, f"{what}: {ran} of {total}; {ours}"


def test_no_module_of_the_simulator_is_production(lines):
    """Production imports none of it: what is measured here would otherwise be measured against itself."""
    rooms = defaultdict(set)
    for module in (ROOT / "src").rglob("*.py"):
        path = str(module.relative_to(ROOT / "src"))
        if path.startswith("kelpie/simulate/"):
            continue
        if "import kelpie.simulate" in (text := module.read_text()) or "from kelpie.simulate" in text:
            rooms[path.rpartition("/")[0]].add(path)
    assert set(rooms) == {"kelpie/cli"}
