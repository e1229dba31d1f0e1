"""A disk that fails at every step of a promotion: nothing is half applied, and the next run makes it good."""

import contextlib
import itertools

import pytest

from umi.errors import StoreError
from umi.storage.simulated import KINDS

KINDS_THAT_FAIL = ("disk.write_error", "disk.sync_error", "disk.full", "disk.power_cut", "disk.partial_write")
WANTED = {"persona": "I am Ada", "facts": "mine\nBob likes gin", "goals": "Umi comes first"}


async def before_a_promotion(desk):
    """A block that holds a line of a person's and one that has to change, one to delete and two to make."""
    note = await desk.say("A note.", ("note", "note"))
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    await desk.edit("facts", "mine\nBob likes tea")
    await desk.promote()
    desk.clock.advance(1)
    await desk.say("Bob likes gin.", ("Bob", "person"))
    await desk.say("Umi comes first.", ("Umi", "project"))
    await desk.say("I am Ada.", ("Ada", "self"))
    await desk.forget(note)
    return await desk.values()


@pytest.mark.parametrize("kind", KINDS_THAT_FAIL)
async def test_a_fault_at_any_step_leaves_all_or_nothing_and_is_made_good(simulated, kind):
    assert kind in KINDS
    for step in itertools.count():
        desk = simulated(step)
        before = await before_a_promotion(desk)
        desk.database.faults.plan(kind, after=step)
        with contextlib.suppress(StoreError):
            await desk.promote()
        fired = desk.database.faults.fired[kind]
        desk.database.faults.stop()
        desk.database.crash()
        assert await desk.values() in (before, WANTED)
        await desk.promote()
        assert await desk.values() == WANTED
        if not fired:
            break
    assert step > 0, f"{kind} never happened"
