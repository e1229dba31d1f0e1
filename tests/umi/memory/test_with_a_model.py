"""Memory with a language model: it reads first, it rewrites where little was found, and nothing depends on it."""

import pytest

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.retrieve.simulated import SimulatedModel

CLOCK_MS = 1_770_000_000_000


class Failing:
    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    async def complete(self, prompt, *, system, max_tokens):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def opened(model, clock=None):
    return Memory(":memory:", Host(clock or ManualClock(CLOCK_MS), Rng(1)), model=model, embedder=None)


async def test_the_simulated_model_answers_every_prompt():
    model = SimulatedModel()
    async with opened(model) as memory:
        done = await memory.remember("Bob works at Acme.")
        assert [(one.subject, one.value) for one in done.fact.claims] == [("Bob", "Acme")]
        await memory.remember("The doctor is called Weber.")
        found = await memory.recall("Who is the physician?", deep=True)
        assert [one.fact.text for one in found] == ["The doctor is called Weber."]
        assert await memory.recall("Who is the physician?", deep=False) == []
    assert len(model.prompts) == 3  # two texts read, one query rewritten; each was answered, or nothing were found


async def test_a_batch_is_read_in_one_call_and_what_is_known_in_none():
    model = SimulatedModel()
    async with opened(model) as memory:
        said = [{"role": "user", "content": "Bob works at Acme."}, {"role": "user", "content": "Emre lives in Porto."}]
        await memory.remember(said)
        assert len(model.prompts) == 1
        again = await memory.remember(said)
        assert len(model.prompts) == 1
        assert (len(again.facts), len(again.known)) == (0, 2)


@pytest.mark.parametrize("answer", ["no JSON", '{"texts": [{"text": 7}]}', "", OSError("gone"), 42])
async def test_a_model_that_fails_or_lies_costs_nothing_but_itself(answer):
    model = Failing(answer)
    async with opened(model) as memory:
        done = await memory.remember("Bob works at Acme.")
        assert model.asked == 1
        assert [(one.subject, one.value) for one in done.fact.claims] == [("Bob", "Acme")]
        assert [one.fact.text for one in await memory.recall("Acme", deep=True)] == ["Bob works at Acme."]
