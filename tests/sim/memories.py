"""A memory that lives under a seed while its disk and its embedder fail: what it does, and what must hold after it.

`live(seed)` plays one life and returns what it broke, and what went wrong on the way. Every rule reads the tables as
they are, with code of its own.
"""

import contextlib
import itertools
import json
from collections import Counter, defaultdict

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.dst.faults import Faults
from umi.embed import HashEmbedder
from umi.embed.simulated import KINDS as EMBEDDER_KINDS
from umi.embed.simulated import FaultyEmbedder
from umi.errors import CommitUnknown, UmiError
from umi.storage import Page

PEOPLE = ("Alice", "Bob", "Chidi")
FIRMS = ("Acme", "Globex", "Hooli", "Initech")
RATES = {
    "disk.sync_error": 0.02,
    "disk.write_error": 0.006,
    "disk.full": 0.006,
    "disk.out_of_memory": 0.002,
    "disk.power_cut": 0.002,
}


class Life:
    """One memory, what it acknowledged, and what a person wrote into its core memory."""

    def __init__(self, seed):
        self.rng = Rng(f"life {seed}")
        self.clock = ManualClock(1_750_000_000_000)
        self.faults = Faults(Rng(f"embedder {seed}"), EMBEDDER_KINDS)
        embedder = FaultyEmbedder(HashEmbedder(16), self.faults)
        host = Host(self.clock, Rng(f"host {seed}"))
        self.memory = Memory(seed=seed, host=host, scope="ada", embedder=embedder)
        self.kept = {}  # id -> text of what was acknowledged and not since touched by an operation in doubt
        self.gone = set()  # ids whose forgetting was acknowledged
        self.lines = []  # what a person wrote, acknowledged

    async def step(self):
        self.clock.advance(3_600_000)
        what = self.rng.randint(0, 9)
        if what <= 3:
            await self.add()
        elif what == 4:
            text = f"{self.someone()} met {self.someone()} at {self.firm()}."
            done = await self.memory.remember(text, importance=0.9)
            self.kept |= {fact.id: fact.text for fact in done.facts}
        elif what == 5:
            await self.forget()
        elif what == 6:
            await self.promote()
        elif what == 7:
            line = f"line {self.rng.randint(1, 10**6)}"
            await self.memory.core.append("facts", line)
            self.lines.append(line)
        elif what == 8 and self.kept:
            await self.undo()
        else:
            await self.memory.recall(f"Where does {self.someone()} work?")

    def someone(self):
        return PEOPLE[self.rng.randint(0, len(PEOPLE) - 1)]

    def firm(self):
        return FIRMS[self.rng.randint(0, len(FIRMS) - 1)]

    async def add(self):
        draft = {"subject": self.someone(), "attribute": "works_at", "value": self.firm(), "importance": 0.9}
        draft["event_time"] = 1_500_000_000_000 + self.rng.randint(0, 50) * 86_400_000
        draft["entities"] = [{"name": draft["subject"], "type": "person", "content": "somebody"}]
        done = await self.memory.add_facts([draft])
        self.kept |= {fact.id: fact.text for fact in done.facts}

    def any_kept(self):
        return list(self.kept)[self.rng.randint(0, len(self.kept) - 1)]

    async def forget(self):
        if self.kept:
            fact_id = self.any_kept()
            del self.kept[fact_id]  # in doubt until it is acknowledged
            await self.memory.forget(fact_id, hard=self.rng.random() < 0.3)
            self.gone.add(fact_id)

    async def undo(self):
        fact_id = self.any_kept()
        text = self.kept.pop(fact_id)
        back = await self.memory.undo(fact_id)
        if back[0].known_to_ms is None:
            self.kept[fact_id] = text

    async def promote(self):
        await self.memory.promote()


async def live(seed, *, steps=30, rates=RATES):
    """What broke, and Counter of what went wrong, for one seed."""
    life = Life(seed)
    memory = life.memory
    await memory.count()
    for kind, rate in rates.items():
        memory.faults.rate(kind, rate)
    life.faults.rate("embedder.fails", 0.2)
    life.faults.rate("embedder.wrong_dimensions", 0.2)
    errors = Counter()
    for _ in range(steps):
        try:
            await life.step()
        except UmiError as error:
            errors[error.kind] += 1
        if memory.faults.fired["disk.power_cut"] > errors["crash"] or life.rng.random() < 0.04:
            memory.crash()
            errors["crash"] += 1
    memory.faults.stop()
    life.faults.stop()
    memory.crash()
    broken = await judge(life)
    fired = Counter(memory.faults.fired) + Counter(life.faults.fired) + errors
    await memory.close()
    return broken, fired


async def judge(life):
    """Everything that must hold after whatever happened."""
    memory = life.memory
    await memory.embedded()
    view = memory._archive.view
    facts = []
    while part := await memory.list(Page(limit=200, after=facts[-1].id if facts else None)):
        facts += part
    by_id = {fact.id: fact for fact in facts}
    broken = [f"{fact_id} was acknowledged and is not there" for fact_id in life.kept if fact_id not in by_id]
    broken += [f"{one} was forgotten and is there" for one in life.gone if one in by_id]
    broken += timeline(facts)
    broken += await versions(view)
    broken += await orphans(view)
    broken += await core(life)
    with_vector = {row[0] for row in await view.fetch("SELECT id FROM fact JOIN fact_vector ON fact_seq = fact.seq")}
    broken += [f"{fact_id} has no vector" for fact_id in by_id if fact_id not in with_vector]
    broken += [f"{fact_id} is forgotten and has a vector" for fact_id in with_vector if fact_id not in by_id]
    return broken


def timeline(facts):
    """Of each subject's jobs the one that began last holds, unless somebody undid its loss."""
    jobs = defaultdict(list)
    for fact in facts:
        for claim in fact.claims:
            if claim.attribute == "works_at":
                jobs[claim.subject].append((fact.valid_from_ms, fact.created_at_ms, claim, fact))
    for told in jobs.values():
        told.sort(key=lambda one: one[:2])
        for n, (_, _, claim, fact) in enumerate(told):
            later = [one for one in told[n + 1 :] if one[2].value != claim.value and one[3].id not in claim.kept]
            expected = later[0][0] if later else None
            if claim.ended_ms != expected:
                yield f"'{fact.text}' of {fact.valid_from_ms} ends at {claim.ended_ms} and not at {expected}"


async def versions(view):
    """Every version but the latest is kept, and lived until the next one began."""
    rows = await view.fetch(
        "SELECT fact_id, version, known_from_ms, known_to_ms FROM fact_past UNION ALL"
        " SELECT id, version, known_from_ms, known_to_ms FROM fact ORDER BY 1, 2"
    )
    broken = []
    for fact_id, group in itertools.groupby(rows, key=lambda row: row[0]):
        told = list(group)
        if [row[1] for row in told] != list(range(1, len(told) + 1)):
            broken.append(f"{fact_id} has the versions {[row[1] for row in told]}")
        broken += [
            f"version {one[1]} of {fact_id} ended at {one[3]} and the next began at {two[2]}"
            for one, two in itertools.pairwise(told)
            if one[3] not in (two[2], one[2])
        ]
    return broken


async def orphans(view):
    """What says something of a fact that isn't there, or should be said and isn't."""
    counted = {
        "mentions of no fact": "SELECT count(*) FROM mention WHERE fact_seq NOT IN (SELECT seq FROM fact)",
        "mentions of no entity": "SELECT count(*) FROM mention WHERE entity_seq NOT IN (SELECT seq FROM entity)",
        "claims of no fact": "SELECT count(*) FROM claim WHERE fact_seq NOT IN (SELECT seq FROM fact)",
        "entities of no mention": "SELECT count(*) FROM entity WHERE seq NOT IN (SELECT entity_seq FROM mention)",
        "vectors of no fact": "SELECT count(*) FROM fact_vector WHERE fact_seq NOT IN (SELECT seq FROM fact)",
    }
    broken = []
    for what, sql in counted.items():
        ((count,),) = await view.fetch(sql)
        broken += [f"{count} {what}"] if count else []
    for claims, seq in await view.fetch("SELECT claims, seq FROM fact"):
        told = {(one["attribute"], one["value"].casefold()) for one in json.loads(claims)}
        looked_up = set(await view.fetch("SELECT attribute, value FROM claim WHERE fact_seq = ?", seq))
        if not told <= looked_up:
            broken.append(f"fact {seq} says {told - looked_up}, which nobody can look up")
    return broken


async def core(life):
    """Every line a person wrote is there; after one more promotion no line tells of what isn't known or true."""
    block = await life.memory.core.get_block("facts")
    written = block.value.split("\n") if block else []
    broken = [f"a person's '{line}' is gone" for line in life.lines if line not in written]
    with contextlib.suppress(CommitUnknown):
        await life.memory.promote()
    block = await life.memory.core.get_block("facts")
    written = block.value.split("\n") if block else []
    broken += [f"a person's '{line}' is gone after promotion" for line in life.lines if line not in written]
    return broken
