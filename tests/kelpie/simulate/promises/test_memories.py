"""Each promise about memory can fail: rows are bent behind the server's back, and the broken promise is named."""

import dataclasses

import msgspec
import pytest

from kelpie.agents.memory.recalling import NAME
from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.plans.drawing import EMPLOYERS
from kelpie.simulate.promises.promises import Promises
from umi.extract import LocalExtractor
from umi.storage import Changes


def op(number, kind, **args):
    return Event(id=f"op-{number}", at_ms=2_000.0 * number, kind=kind, lane="client-1", args=args)


def tell(number, agent, employer):
    return op(number, "send", agent=agent, text=f"I work at {employer}.", employer=employer, bare=True)


SHARED = Plan(
    scenario="one memory",
    seed=1,
    options=Options(agents=2, memory="user:sim", embeds=True),
    events=(
        tell(1, 0, EMPLOYERS[0]),
        tell(2, 1, EMPLOYERS[1]),
        op(3, "send", agent=0, text="Where do I work?", bare=True),
    ),
)
NOTED = Plan(
    scenario="notes among promoted lines",
    seed=1,
    options=Options(agents=1),
    events=(
        tell(1, 0, EMPLOYERS[0]),
        op(2, "annotate", agent=0),
        op(3, "send", agent=0, text='[[tool:core_memory_append {"label": "persona", "content": "op-3.1"}]]'),
        op(4, "review", agent=0),
    ),
)


@pytest.fixture
def bent(monkeypatch):
    """The verdict on a plan, with `sql` run on the healed store before anybody looks."""

    def verdict(plan, *sql, before=None):
        check = Promises.check

        async def bend(self):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            await self._world.database.commit(changes)
            if before is not None:
                before(self._world)
            await check(self)

        monkeypatch.setattr(Promises, "check", bend)
        return play(plan)

    return verdict


@pytest.mark.parametrize("plan", [SHARED, NOTED], ids=lambda plan: plan.scenario)
def test_nothing_is_wrong_with_what_nobody_bent(bent, plan):
    verdict = bent(plan, "SELECT 1")
    assert verdict.violations == []
    assert verdict.outcomes["send ok"] == sum(event.kind == "send" for event in plan.events)


@pytest.mark.parametrize(
    ("promise", "plan", "sql"),
    [
        ("each turn is remembered, once", SHARED, "UPDATE step SET remembered = NULL"),
        ("each turn is remembered, once", SHARED, "DELETE FROM fact WHERE seq = 1"),
        (
            "each turn is remembered, once",
            SHARED,
            "UPDATE fact SET source = (SELECT source FROM fact WHERE seq = 1) WHERE seq = 2",
        ),
        ("the last word holds", SHARED, "UPDATE fact SET valid_to_ms = NULL"),
        ("the last word holds", SHARED, "UPDATE fact SET valid_to_ms = 1"),
        (
            "nothing is left half done",
            SHARED,
            "INSERT INTO outbox VALUES (9, 't', 'nobody', 'x', 'x', '', x'80', 0, 1)",
        ),
        ("nothing is left half done", SHARED, "DELETE FROM fact_vector WHERE fact_seq = 1"),
        ("no orphans", SHARED, "INSERT INTO outbox VALUES (9, 't', 'nobody', 'x', 'x', 'agent/agent-0', x'80', 0, 1)"),
        ("no orphans", NOTED, "UPDATE fact SET scope = 'agent-nobody'"),
        ("operations are linearizable", NOTED, "UPDATE block SET value = 'op-9 note' WHERE label = 'facts'"),
        ("block changes stay, once", NOTED, "UPDATE block SET value = '' WHERE label LIKE 'persona%'"),
    ],
)
def test_a_bent_row_breaks_its_promise(bent, promise, plan, sql):
    assert promise in bent(plan, sql).promises_broken


def test_a_turn_that_memory_refused_is_noticed(bent):
    record = msgspec.msgpack.encode({"scope": "user:sim", "at_ms": 0, "refused": "no"}).hex()
    verdict = bent(SHARED, f"UPDATE step SET remembered = x'{record}' WHERE remembered IS NOT NULL")
    assert "each turn is remembered, once" in verdict.promises_broken


def test_a_model_that_is_shown_what_contradicts_itself_is_noticed(bent):
    def confuse(world):
        shown = world.shown[-1]
        said = "\n".join(f'- "I work at {employer}."' for employer in EMPLOYERS[:2])
        block = msgspec.structs.replace(shown.request.messages[-1], content=f"<{NAME}>\n{said}\n</{NAME}>")
        request = msgspec.structs.replace(shown.request, messages=[*shown.request.messages, block])
        world.shown[-1] = dataclasses.replace(shown, request=request)

    assert bent(SHARED, before=confuse).promises_broken == ["recollections agree"]


def test_what_is_told_in_a_scenario_is_a_claim_that_a_later_one_ends():
    for employer in EMPLOYERS:
        (claim,) = LocalExtractor().extract(f"I work at {employer}.", document_time_ms=0).claims
        assert (claim.subject, claim.attribute, claim.value, claim.many) == ("self", "works_at", employer, False)
