"""Tool rules in a turn: what the model is offered, which calls are made, and when the turn may end. One test a rule."""

import pytest
from tests.kelpie.agents.conftest import call, say

from kelpie.agents import limits
from kelpie.agents.rules import rules as r
from kelpie.agents.rules.ruling import REMINDER
from kelpie.errors import InvalidInput
from kelpie.tools.tool import Outcome, Tool
from umi.wire.types import ToolSpec

NAMES = ["look", "plan", "act"]


@pytest.fixture
def made():
    """(tool, arguments) of every call that ran."""
    return []


@pytest.fixture
def extra_tools(made):
    def tool(name):
        async def run(_context, arguments):
            made.append((name, arguments))
            if arguments.get("fail"):
                return Outcome("failed", is_error=True)
            return Outcome(arguments.get("give", f"{name} done"))

        return Tool(ToolSpec(name, f"To {name}.", {"type": "object", "properties": {}}), run, "outside")

    return [tool(name) for name in NAMES]


@pytest.fixture
def turn(house):
    """Take a turn of an agent with these rules; the model says what is given. Returns the run."""

    async def take(rules, *replies, **options):
        agent = await house.agent(*NAMES, rules=rules, **options.pop("fields", {}))
        house.model.will(*replies)
        return await house.send(agent, "go", **options)

    return take


def offered(house):
    """What each request offered, whether a call was asked for, and whether several at once."""
    return [
        ([spec.name for spec in request.tools], request.tool_choice, request.parallel_tool_calls)
        for request in house.model.requests
    ]


def results(house):
    return [message.text for message in house.model.requests[-1].messages if message.role == "tool"]


async def test_run_first_alone_is_offered_and_has_its_arguments_filled_in(house, turn, made):
    rules = [r.RunFirst(tool="plan", arguments={"depth": 2})]
    run = await turn(rules, call(("plan", '{"depth": 9, "goal": "tea"}')), say("done"))
    assert run.stop_reason == "end_turn"
    assert offered(house) == [(["plan"], "required", False), (NAMES, "auto", False)]
    assert made == [("plan", {"depth": 2, "goal": "tea"})]
    assert "- begin with plan" in house.model.requests[0].messages[0].text


async def test_exit_loop_ends_the_turn_when_the_call_succeeds(turn, made):
    run = await turn([r.EndsTurn(tool="act")], call(("act", '{"fail": true}')), call(("act", "{}")), say("not reached"))
    assert run.stop_reason == "tool_rule"
    assert run.status == "completed"
    assert [name for name, _ in made] == ["act", "act"]


async def test_continue_loop_asks_the_model_again_where_its_kind_would_end(house, turn):
    fields = {"agent_type": "memgpt_v2_agent"}  # whose turns end with a call that asked for no heartbeat
    assert (await turn([], call(("look", "{}")), fields=fields)).stop_reason == "end_turn"
    assert len(house.model.requests) == 1
    await turn([r.GoesOn(tool="look")], call(("look", "{}")), call(("act", "{}")), fields=fields)
    assert len(house.model.requests) == 3


async def test_after_its_parent_only_a_child_may_be_called_and_one_must_be(house, turn, made):
    rules = [r.Children(tool="plan", children=["act"], arguments={"act": {"how": "well"}})]
    await turn(rules, call(("plan", "{}")), call(("look", "{}")), call(("act", '{"how": "badly"}')), say("done"))
    assert made == [("plan", {}), ("act", {"how": "well"})]
    assert offered(house) == [
        (NAMES, "auto", False),
        (["act"], "required", False),
        (["act"], "required", False),  # what the rules refuse does not count as called
        (NAMES, "auto", False),
    ]
    assert "don't allow 'look' now; call one of: act" in results(house)[1]


async def test_a_child_may_be_called_right_after_its_parent_alone(house, turn, made):
    rules = [r.Parent(tool="plan", children=["act"])]
    await turn(rules, call(("act", "{}")), call(("plan", "{}")), call(("act", "{}")), say("done"))
    assert [name for name, _ in made] == ["plan", "act"]
    assert offered(house)[0] == (["look", "plan"], "auto", False)
    assert offered(house)[2] == (["act"], "required", False)


async def test_a_condition_chooses_the_next_tool_by_what_the_call_gave(house, turn):
    rules = [r.Conditional(tool="look", by_output={"ready": "act"}, otherwise="plan")]
    await turn(rules, call(("look", '{"give": "ready"}')), call(("act", "{}")), say("done"))
    assert [names for names, *_ in offered(house)] == [NAMES, ["act"], NAMES]
    house.model.requests.clear()
    await turn(rules, call(("look", '{"give": "not yet"}')), call(("plan", "{}")), say("done"))
    assert [names for names, *_ in offered(house)] == [NAMES, ["plan"], NAMES]


async def test_max_count_takes_a_tool_away_once_it_was_called_so_often(house, turn, made):
    looks = [call(("look", "{}")) for _ in range(3)]
    await turn([r.AtMost(tool="look", count=2)], *looks, say("done"))
    assert len(made) == 2
    assert [names for names, *_ in offered(house)] == [NAMES, NAMES, ["plan", "act"], ["plan", "act"]]
    made.clear()
    await turn([r.AtMost(tool="look", count=2)], call(("look", "{}")), say("a new turn counts anew"))
    assert len(made) == 1


async def test_a_turn_that_may_not_end_yet_is_told_what_is_missing_a_few_times(house, turn, made):
    run = await turn([r.BeforeEnd(tool="act")], say("done?"), call(("act", "{}")), say("done"))
    assert run.stop_reason == "end_turn"
    assert house.model.requests[1].messages[-1].text == f"{REMINDER}act."
    assert [name for name, _ in made] == ["act"]
    house.model.requests.clear()
    run = await turn([r.BeforeEnd(tool="act")], *(say("no") for _ in range(9)))
    assert run.stop_reason == "tool_rule"
    assert len(house.model.requests) == limits.EXIT_REMINDERS_MAX + 1


async def test_a_turn_that_may_not_end_yet_ends_with_its_last_step(turn):
    run = await turn([r.BeforeEnd(tool="act")], say("done?"), max_steps=1)
    assert run.stop_reason == "max_steps"


async def test_requires_approval_stops_the_run(turn, made):
    run = await turn([r.Approved(tool="act")], call(("act", "{}")))
    assert (run.status, run.stop_reason) == ("completed", "requires_approval")
    assert made == []


async def test_several_calls_of_one_reply_are_judged_in_their_order(house, turn, made):
    rules = [r.AtMost(tool="look", count=1), r.Conditional(tool="plan", by_output={"x": "act"})]
    await turn(rules, call(("look", "{}"), ("look", "{}"), ("plan", "{}"), ("act", "{}")), say("done"))
    assert [name for name, _ in made] == ["look", "plan"]  # what follows from plan is not known yet
    assert "no tool may be called now" in results(house)[3]


async def test_without_rules_that_depend_on_calls_several_may_be_made_at_once(house, turn):
    await turn([r.EndsTurn(tool="act")], say("hi"))
    await turn([], say("hi"), fields={"parallel_tool_calls": False})
    assert [parallel for *_, parallel in offered(house)] == [True, False]


async def test_rules_count_the_calls_of_an_attempt_that_was_lost(house, clock, made):
    agent = await house.agent(*NAMES, rules=[r.AtMost(tool="look", count=1), r.BeforeEnd(tool="act")])
    lost = OSError("the activation is gone")
    house.model.will(call(("look", "{}")), lost, call(("look", "{}")), call(("act", "{}")), say("done"))
    stream = await house.accept(agent, "go")
    while stream.ended is None:
        clock.advance(1_000)
        await house.view.fetch("SELECT 1")
    assert stream.ended.run.stop_reason == "end_turn"
    assert [name for name, _ in made] == ["look", "act"]


async def test_a_rule_that_names_a_tool_nobody_has_is_refused(house):
    with pytest.raises(InvalidInput, match="don't exist: fly, swim"):
        await house.agent("look", rules=[r.Children(tool="look", children=["swim"]), r.EndsTurn(tool="fly")])
