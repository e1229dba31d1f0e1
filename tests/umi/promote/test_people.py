"""What people write in core memory is theirs, also within a block that promotion made, and while it runs."""

import asyncio

import msgspec
import pytest

from umi import core, limits, promote
from umi.core import ledger
from umi.entity import Block
from umi.errors import Conflict, GuardFailed, LimitExceeded
from umi.promote import Budget


async def attach(desk, label, value, **fields):
    block = Block(
        tenant="t", id=f"block-{label}", label=label, value=value, limit_chars=100_000, metadata={"mine": 1}, **fields
    )
    await desk.database.commit(core.plan_create(block).extend(core.plan_attach("t", desk.scope, block.id, label)))
    return block


async def test_a_block_that_a_person_made_is_never_touched(desk):
    """Neither one of the same label nor one of the same type."""
    await attach(desk, "persona", "I am a pirate.")
    await attach(desk, "facts", "The sky is blue.", type="facts")
    before = await desk.core.blocks()
    for number in range(3):
        await desk.say(f"Bob likes tea {number} times.", ("Bob", "person"), ("Ada", "self"))
        await desk.promote()
    after = await desk.core.blocks()
    assert [one for one in after if one.metadata == {"mine": 1}] == before
    assert {one.label: one.type for one in after if one not in before} == {
        "persona-promoted": "persona",
        "facts-promoted": "facts",
    }


async def test_labels_that_are_taken_are_passed_over(desk):
    for label in ("facts", "facts-promoted", "facts-promoted-2"):
        await attach(desk, label, "mine")
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    assert (await desk.values())["facts-promoted-3"] == "Bob likes tea"


async def test_lines_that_a_person_adds_stay_where_they_are(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    await desk.edit("facts", "first\nBob likes tea\n\nlast")
    desk.clock.advance(1)
    await desk.say("Bob likes gin.", ("Bob", "person"))
    gone = await desk.say("Cy is tall.", ("Cy", "person"))
    await desk.promote()
    assert await desk.values() == {"facts": "first\nBob likes gin\n\nlast\nCy is tall"}
    await desk.forget(gone)
    await desk.promote()
    assert await desk.values() == {"facts": "first\nBob likes gin\n\nlast"}


@pytest.mark.parametrize("edited", ["Bob likes tea, and only tea\nCy is tall", "Cy is tall"])
async def test_a_line_that_a_person_changed_or_removed_is_theirs_until_there_is_something_new_to_say(desk, edited):
    await desk.say("Bob likes tea.", ("Bob", "person"), importance=0.95)
    await desk.say("Cy is tall.", ("Cy", "person"))
    await desk.promote()
    assert await desk.values() == {"facts": "Bob likes tea\nCy is tall"}
    await desk.edit("facts", edited)
    for _ in range(2):
        done = await desk.promote()
        assert ([one.name for one in done.kept], done.promoted, done.evicted) == (["Cy"], [], [])
        assert await desk.values() == {"facts": edited}
    desk.clock.advance(1)
    await desk.say("Bob likes gin.", ("Bob", "person"))
    await desk.promote()
    assert await desk.values() == {"facts": f"{edited}\nBob likes gin"}
    await desk.promote()
    assert await desk.values() == {"facts": f"{edited}\nBob likes gin"}


async def test_a_persons_line_outlives_the_fact_it_was_made_of(desk):
    fact = await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    await desk.edit("facts", "Bob likes tea (I asked him)")
    await desk.forget(fact)
    await desk.promote()
    assert await desk.values() == {"facts": "Bob likes tea (I asked him)"}


async def test_a_block_that_a_person_emptied_stays_empty(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    await desk.edit("facts", "")
    await desk.promote()
    assert await desk.values() == {"facts": ""}


async def test_moving_and_doubling_lines_confuses_nothing(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.say("Cy is tall.", ("Cy", "person"))
    await desk.promote()
    await desk.edit("facts", "Cy is tall\nBob likes tea\nCy is tall")
    desk.clock.advance(1)
    await desk.say("Cy is small.", ("Cy", "person"))
    await desk.promote()
    assert await desk.values() == {"facts": "Cy is small\nBob likes tea\nCy is tall"}


async def test_a_person_who_sets_the_importance_keeps_it(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    await desk.core.set_importance(0.2, "facts")
    await desk.say("Cy is tall.", ("Cy", "person"), importance=1.0)
    await desk.promote()
    assert (await desk.core.get_block("facts")).importance == 0.2


async def test_a_block_renamed_by_a_person_is_still_kept_up_to_date(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    block = await desk.core.get_block("facts")
    await core.edit(desk.view, "t", block.id, 1, {"label": "world"})
    await desk.say("Cy is tall.", ("Cy", "person"), importance=0.8)
    await desk.promote()
    assert await desk.values() == {"world": "Bob likes tea\nCy is tall"}


async def test_a_promoted_block_that_another_scope_shares_is_that_scopes_to_read_alone(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    block = await desk.core.get_block("facts")
    await desk.database.commit(core.plan_attach("t", "eve", block.id, "facts"))
    await promote.promote(desk.view, "t", "eve", desk.host)
    assert await desk.values() == {"facts": "Bob likes tea"}
    # When its last line leaves, the other scope doesn't lose a block it was given.
    await promote.evict(desk.view, "t", "ada", desk.host)
    assert await desk.values() == {"facts": ""}


async def test_a_broken_ledger_makes_the_block_a_persons(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    block = await desk.core.get_block("facts")
    await core.edit(desk.view, "t", block.id, 1, {"metadata": {ledger.KEY: "mine now"}})
    await desk.promote()
    assert await desk.values() == {"facts": "Bob likes tea", "facts-promoted": "Bob likes tea"}


async def test_blocks_of_people_count_against_the_budget_unless_they_have_bounds_of_their_own(desk):
    await attach(desk, "notes", "é" * limits.CORE_MEMORY_SIZE_BYTES_MAX)
    await desk.say("Bob likes tea.", ("Bob", "person"))
    assert (await desk.promote()).promoted == []
    assert [one.name for one in (await desk.promote(budget=Budget(typed_only=True))).promoted] == ["Bob"]
    await desk.say("I am Ada.", ("Ada", "self"))
    with pytest.raises(LimitExceeded, match="Self"):
        await desk.promote()
    assert (await desk.values())["facts"] == "Bob likes tea"


async def test_a_block_that_a_person_bounds_takes_no_more_than_that(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    block = await desk.core.get_block("facts")
    await core.edit(desk.view, "t", block.id, 1, {"limit_chars": 25})
    await desk.say("Cy is a very tall man.", ("Cy", "person"), importance=0.8)
    await desk.say("Dee is ill.", ("Dee", "person"), importance=0.8)
    await desk.promote()
    assert await desk.values() == {"facts": "Bob likes tea\nDee is ill"}


async def test_what_promotion_wrote_goes_with_its_owner_and_what_people_wrote_stays(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"), ("Ada", "self"))
    await desk.promote()
    await desk.edit("facts", "mine\nBob likes tea")
    await desk.database.commit(await promote.plan_withdraw(desk.view, "t", "ada", desk.clock.now_ms()))
    assert await desk.values() == {"facts": "mine"}


async def test_people_who_write_while_it_runs_lose_nothing(desk):
    """Edits, appends and promotions at once: every word that somebody wrote is there afterwards, once."""
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()

    async def insert(number):
        for _ in range(100):
            block = await core.by_label(desk.view, "t", "ada", "facts")
            new = f"typed {number}\n{block.value}"
            try:
                await desk.database.commit(
                    core.plan_update(block, msgspec.structs.replace(block, value=new), desk.clock.now_ms())
                )
            except GuardFailed:
                continue
            return
        pytest.fail("no edit came through")

    async def tell(number):
        await desk.say(f"P{number} is tall.", (f"P{number}", "person"))
        await desk.promote()

    await asyncio.gather(
        *(insert(number) for number in range(5)),
        *(desk.core.append("facts", f"added {number}") for number in range(5)),
        *(tell(number) for number in range(5)),
    )
    lines = (await desk.values())["facts"].split("\n")
    wanted = [f"{how} {number}" for how in ("typed", "added") for number in range(5)]
    assert sorted(lines) == sorted([*wanted, "Bob likes tea", *(f"P{number} is tall" for number in range(5))])


async def test_two_promotions_at_once_make_one_block(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await asyncio.gather(*(desk.promote() for _ in range(4)))
    assert await desk.values() == {"facts": "Bob likes tea"}


async def test_edits_without_end_are_answered_with_a_conflict(desk, monkeypatch):
    await desk.say("Bob likes tea.", ("Bob", "person"))
    await desk.promote()
    plan = promote.promotion.plan_promote

    async def disturbed(*args, **kwargs):
        planned = await plan(*args, **kwargs)
        await desk.core.append("facts", "me first")
        return planned

    monkeypatch.setattr(promote.promotion, "plan_promote", disturbed)
    monkeypatch.setattr(limits, "PROMOTION_ATTEMPTS_MAX", 5)
    desk.clock.advance(1)
    await desk.say("Bob likes gin.", ("Bob", "person"))
    with pytest.raises(Conflict, match="too many writers"):
        await desk.promote()
    assert (await desk.values())["facts"] == "\n".join(["Bob likes tea", *["me first"] * 5])


async def test_a_person_who_takes_the_room_meanwhile_has_it(desk):
    """The budget holds in the commit: what was planned for room that is gone is planned anew."""
    await desk.say("Bob likes tea.", ("Bob", "person"))
    _, changes = await promote.plan_promote(desk.view, "t", "ada", desk.host)
    await attach(desk, "notes", "x" * limits.CORE_MEMORY_SIZE_BYTES_MAX)
    with pytest.raises(GuardFailed, match="core"):
        await desk.database.commit(changes)
    assert (await desk.promote()).promoted == []
