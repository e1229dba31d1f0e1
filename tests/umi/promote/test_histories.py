"""Months of remembering, forgetting, editing and promoting under seeds: what must hold after every step."""

import random

import pytest

from umi import limits
from umi.core import ledger
from umi.errors import LimitExceeded
from umi.promote import Budget

DAY_MS = 86_400_000
KINDS = ["person", "organization", "topic", "project", "task", "preference", "note", "recipe", "self"]
SMALL = Budget(core_bytes_max=700, block_bytes_max=300, lines_max=9)


class Person:
    """Writes lines of their own into blocks, changes and removes promoted ones; knows what must be there."""

    def __init__(self, desk, rng):
        self.desk, self.rng = desk, rng
        self.lines = {}  # label -> the lines that are theirs, in order

    async def edit(self, number):
        blocks = await self.desk.core.blocks()
        if not blocks:
            return
        block = self.rng.choice(blocks)
        lines = ledger.lines_of(block)
        at = self.rng.randint(0, len(lines))
        change = self.rng.choice(["add", "add", "change", "remove"])
        if change == "add" or not lines:
            lines.insert(at, f"mine {number}")
        elif change == "change":
            lines[at - 1] = f"mine {number}, once: {lines[at - 1]}"[:60]
        else:
            del lines[at - 1]
        await self.desk.edit(block.label, "\n".join(lines))
        self.lines[block.label] = [line for line in lines if line.startswith("mine")]

    async def finds_everything(self):
        values = await self.desk.values()
        for label, mine in self.lines.items():
            found = [line for line in values.get(label, "").split("\n") if line.startswith("mine")]
            assert found == mine


@pytest.mark.parametrize("seed", range(12))
async def test_in_any_history_the_promises_hold(simulated, seed):
    desk, rng = simulated(seed), random.Random(seed)
    person, known, forgotten = Person(desk, rng), [], []
    for number in range(40):
        what = rng.choice(["say", "say", "say", "say", "forget", "edit", "edit", "wait"])
        if what == "say":
            name = f"N{rng.randint(0, 12)}"
            kind = rng.choice(KINDS) if name != "N0" else "self"
            text = f"{name} has number {number}" + " and more" * rng.randint(0, 9)
            fact = await desk.say(text, (name, kind), importance=rng.choice([0.3, 0.5, 0.7, 0.9]))
            known.append(fact)
        elif what == "forget" and known:
            forgotten.append(await desk.forget(known.pop(rng.randint(0, len(known) - 1))))
        elif what == "edit":
            await person.edit(number)
        elif what == "wait":
            desk.clock.advance(rng.randint(0, 20) * DAY_MS)
        desk.clock.advance(1000)
        if rng.random() < 0.6:
            before = await desk.core.blocks()
            try:
                await desk.promote(budget=SMALL)
            except LimitExceeded:  # people's lines left no room for Self
                assert await desk.core.blocks() == before
            else:
                await settled(desk, forgotten)
        await person.finds_everything()


async def settled(desk, forgotten):
    """What holds when a promotion has just run."""
    blocks = await desk.core.blocks()
    again = await desk.promote(budget=SMALL)
    assert (again.promoted, again.evicted) == ([], [])
    assert await desk.core.blocks() == blocks
    count = 0
    for block in blocks:
        book = ledger.read(block)
        lines = ledger.lines_of(block)
        promoted = [line for line, owner in zip(lines, ledger.owners(lines, book), strict=True) if owner is not None]
        count += len(promoted)
        assert len(promoted) == len(set(promoted)) == len(book.lines)
        assert not set(promoted) & {fact.text for fact in forgotten}
        if promoted:
            assert len(block.value.encode()) <= SMALL.block_bytes_max
            assert block.importance == max(line.importance for line in book.lines.values())
    assert count <= SMALL.lines_max
    if count:
        assert sum(len(block.value.encode()) for block in blocks) <= SMALL.core_bytes_max
    assert len(blocks) <= limits.CORE_MEMORY_BLOCKS_COUNT_MAX
