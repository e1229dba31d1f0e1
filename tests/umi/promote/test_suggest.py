"""Suggestions for people: from what is there, and nothing before there is enough of it."""

from umi import limits, promote
from umi.promote import Suggestion

ENOUGH = limits.CATEGORY_EVOLUTION_MIN_SAMPLES


async def test_nothing_is_suggested_before_there_is_enough_to_judge_by(desk):
    for number in range(ENOUGH - 1):
        await desk.say(f"Bob wrote page {number}.", ("Bob", "person"))
    assert await promote.suggest(desk.view, "t", "ada") == []
    await desk.say("Bob wrote a page.", ("Bob", "person"))
    assert [one.kind for one in await promote.suggest(desk.view, "t", "ada")] == ["split"]


async def test_what_is_named_together_hardly_used_or_used_most_is_suggested(desk):
    for number in range(60):
        await desk.say(f"Bob and Acme, day {number}.", ("Bob", "person"), ("Acme", "organization"))
    for number in range(8):
        await desk.say(f"I plan Umi, day {number}.", ("Ada", "self"))
        await desk.say(f"Umi, day {number}.", ("Umi", "project"))
    assert await promote.block_usage(desk.view, "t", "ada") == {"facts": 120, "persona": 8, "goals": 8}
    assert await promote.co_occurrence(desk.view, "t", "ada") == {("Bob", "Acme"): 1.0}
    assert await promote.suggest(desk.view, "t", "ada") == [
        Suggestion(kind="create", about=("Bob", "Acme"), share=1.0),
        Suggestion(kind="merge", about=("goals", "persona"), share=8 / 136),
        Suggestion(kind="split", about=("facts",), share=120 / 136),
    ]


async def test_facts_that_are_forgotten_do_not_bind_names_together(desk):
    fact = await desk.say("Bob and Cy.", ("Bob", "person"), ("Cy", "person"))
    assert await promote.co_occurrence(desk.view, "t", "ada") == {("Bob", "Cy"): 1.0}
    await desk.forget(fact)
    assert await promote.co_occurrence(desk.view, "t", "ada") == {}
    assert await promote.co_occurrence(desk.view, "u", "ada") == {}
