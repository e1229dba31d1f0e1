"""What was shown first is kept, with its links, and what people said of it."""

import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import results
from kelpie.analyst.answers.keeping import Feedback, Held, feedback_of, held_of, plan_answer, plan_feedback
from kelpie.analyst.provenance import NumberLink, Numbers
from kelpie.trajectories import runs
from kelpie.trajectories.records import Run, RunInput, RunOptions
from umi.wire.types import Message

HELD = Held(
    text="5 cups", numbers=Numbers([NumberLink(text="5", start=0, end=1, query_id="q", row=0, column="n")], [(2, 3)])
)


@pytest.fixture
def view(database):
    return database.view()


@pytest.fixture
async def run(commit):
    """The one that is answered."""
    given = [RunInput(id="message-1", body=Message(role="user", content="How many cups?"))]
    accepted = Run(
        tenant=TENANT,
        id="run-1",
        agent_id="agent-1",
        status="created",
        input=given,
        options=RunOptions(),
        created_at_ms=1,
    )
    await commit(runs.plan_accept(accepted))


async def test_nothing_is_kept_of_a_run_that_is_gone(view, commit):
    said = Feedback(run_id="run-1", verdict="rejected", person=None, reason="no", created_at_ms=1)
    await commit(plan_answer(TENANT, "run-1", "agent-1", HELD, 1))
    await commit(plan_feedback(TENANT, "agent-1", said))
    assert await held_of(view, TENANT, "run-1") is None
    assert await feedback_of(view, TENANT, "run-1") == []


@pytest.mark.usefixtures("run")
async def test_what_was_shown_first_stays(view, commit):
    await commit(plan_answer(TENANT, "run-1", "agent-1", HELD, 1))
    await commit(plan_answer(TENANT, "run-1", "agent-1", Held(text="6", numbers=Numbers([], []), unsourced="6"), 2))
    assert await held_of(view, TENANT, "run-1") == HELD
    assert await held_of(view, "other", "run-1") is None


@pytest.mark.usefixtures("run")
async def test_feedback_is_kept_in_order_and_goes_with_the_agent(view, commit):
    said = [
        Feedback(run_id="run-1", verdict="rejected", person="p", reason="no", created_at_ms=1),
        Feedback(run_id="run-1", verdict="confirmed", person=None, reason="", created_at_ms=2),
    ]
    for one in said:
        await commit(plan_feedback(TENANT, "agent-1", one))
    await commit(plan_answer(TENANT, "run-1", "agent-1", HELD, 1))
    assert await feedback_of(view, TENANT, "run-1") == said
    await commit(results.plan_forget_agent(TENANT, "agent-1"))
    assert await feedback_of(view, TENANT, "run-1") == []
    assert await held_of(view, TENANT, "run-1") is None
