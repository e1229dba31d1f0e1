"""Calls that wait for an answer: approved, denied, made by the client, expired, taken back; and every stop between."""

import asyncio

import msgspec
import pytest
from tests.kelpie.agents.conftest import call, say
from tests.kelpie.agents.turn.test_recovery import Fault, stop

from kelpie.actors import Reminders
from kelpie.agents import agent as agents
from kelpie.agents import conversing, limits
from kelpie.agents.rules import approving
from kelpie.agents.rules import rules as r
from kelpie.agents.rules.approving import Expiry
from kelpie.agents.turn.calls import INTERRUPTED_TEXT
from kelpie.agents.turn.pausing import UNASKED_TEXT
from kelpie.agents.turn.work import EXPIRED_TEXT, NOT_MADE_TEXT, WITHDRAWN_TEXT
from kelpie.config import Config
from kelpie.errors import Conflict, InvalidInput
from kelpie.models.model import ModelCard
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import export, steps
from kelpie.trajectories.records import Answer, Conversation, RunInput, RunOptions, StoredMessage
from umi.storage import Changes
from umi.wire.types import Message, ToolSpec

PAY, PAY_TWICE = '{"to": "Sam"}', (("pay", '{"to": "Sam"}'), ("pay", '{"to": "Kim"}'))
LOCAL = ToolSpec("open_editor", "On the client.", {"type": "object", "properties": {}})


@pytest.fixture
def made():
    """The arguments of every call that ran."""
    return []


@pytest.fixture
def extra_tools(made):
    async def pay(_context, arguments):
        made.append(arguments)
        return Outcome(f"paid {arguments['to']}")

    def tool(name, run, reach="outside", *, needs_approval=False):
        parameters = {"type": "object", "properties": {}}
        return Tool(ToolSpec(name, name, parameters), run, reach, needs_approval=needs_approval)

    async def look(_context, _arguments):
        return Outcome("sunny")

    return [tool("pay", pay), tool("always", pay, needs_approval=True), tool("look", look, "store")]


@pytest.fixture
async def agent(house):
    return await house.agent("pay", "look", rules=[r.Approved(tool="pay")])


async def answer(house, agent, *answers, said=(), otid=None, within="", **options):
    """The ended run that brings these answers, and perhaps messages after them."""
    new = house.host.ids.new
    incoming = [RunInput(id=new("message"), body=Message(role="user"), otid=otid, answers=list(answers))]
    incoming += [RunInput(id=new("message"), body=Message(role="user", content=text)) for text in said]
    stream = await house.inbox.accept("t", agent.id, incoming, RunOptions(**options), conversation_id=within)
    ended, _ = await asyncio.wait_for(stream.wait(), 10)
    return ended.run


async def asked(house, agent, *calls, **options):
    """The run that asks about these calls, and what waits."""
    house.model.will(call(*calls))
    run = await house.send(agent, "pay them", **options)
    assert run.stop_reason == "requires_approval"
    return run, await approving.pending(house.view, "t", agent.id, options.get("within", ""))


def approved(call_id="call-0"):
    return Answer(tool_call_id=call_id, is_approved=True)


async def reminders_of(house):
    return (await house.view.fetch("SELECT count(*) FROM reminder"))[0][0]


async def test_an_approved_call_runs_once_and_the_turn_goes_on(house, agent, made):
    run, waiting = await asked(house, agent, ("pay", PAY))
    assert (run.status, made) == ("completed", [])
    assert [(one.tool, one.by_client) for one in waiting.calls] == [("pay", False)]
    assert await reminders_of(house) == 1
    house.model.will(say("Sam is paid."))
    resumed = await answer(house, agent, approved())
    assert (resumed.stop_reason, made) == ("end_turn", [{"to": "Sam"}])
    assert await house.history(agent) == [
        ("user", "pay them"),
        ("assistant", ""),
        ("tool", "paid Sam"),
        ("assistant", "Sam is paid."),
    ]
    assert await approving.pending(house.view, "t", agent.id, "") is None
    assert await reminders_of(house) == 0
    first, *_ = await house.steps(resumed.id)
    (its,) = await steps.calls_of(house.view, "t", step_id=first.id)
    (before,) = await steps.calls_of(house.view, "t", run_id=run.id)
    assert (its.state, before.state) == ("done", "answered")


async def test_a_denied_call_does_not_run_and_the_model_reads_why(house, agent, made):
    await asked(house, agent, ("pay", PAY))
    house.model.will(say("All right."))
    run = await answer(house, agent, Answer(tool_call_id="call-0", reason="too much"))
    assert (run.stop_reason, made) == ("end_turn", [])
    result = house.model.requests[-1].messages[-1]
    assert (result.text, result.is_error) == ("the call was not made: it was denied: too much", True)


async def test_calls_of_one_reply_wait_together_and_are_answered_each(house, agent, made):
    _, waiting = await asked(house, agent, *PAY_TWICE, ("look", "{}"))
    assert [one.tool_call_id for one in waiting.calls] == ["call-0", "call-1"]  # look needs no answer, and waits
    house.model.will(say("done"))
    await answer(house, agent, Answer(tool_call_id="call-0"), approved("call-1"))
    assert made == [{"to": "Kim"}]
    texts = [message.text for message in house.model.requests[-1].messages if message.role == "tool"]
    assert texts == ["the call was not made: it was denied", "paid Kim", "sunny"]


async def test_one_word_may_answer_all_calls_that_wait(house, agent, made):
    await asked(house, agent, *PAY_TWICE)
    await answer(house, agent, Answer(is_approved=True))
    assert made == [{"to": "Sam"}, {"to": "Kim"}]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([approved("call-9")], "'call-9' does not wait for an answer; these do: 'call-0', 'call-1'"),
        ([approved("call-0")], "'call-1' has no answer"),
        ([approved("call-0"), approved("call-0"), approved("call-1")], "answered twice"),
        ([Answer(request_id="message-1", is_approved=True)], "nothing waits that message 'message-1' asked for"),
    ],
)
async def test_answers_to_other_calls_are_refused_by_name_and_change_nothing(house, agent, made, answers, why):
    await asked(house, agent, *PAY_TWICE)
    with pytest.raises(InvalidInput, match=why):
        await answer(house, agent, *answers)
    assert made == []
    assert await approving.pending(house.view, "t", agent.id, "") is not None


async def test_an_answer_where_nothing_waits_is_refused_and_a_repeated_one_meets_its_run(house, agent, made):
    with pytest.raises(InvalidInput, match="no tool call of agent"):
        await answer(house, agent, approved())
    await asked(house, agent, ("pay", PAY))
    first = await answer(house, agent, approved(), otid="once")
    assert (await answer(house, agent, approved(), otid="once")).id == first.id
    assert made == [{"to": "Sam"}]
    with pytest.raises(InvalidInput, match="no tool call"):
        await answer(house, agent, approved())


async def test_of_two_answers_at_once_one_counts(house, agent, made):
    await asked(house, agent, ("pay", PAY))
    done = await asyncio.gather(
        answer(house, agent, approved()), answer(house, agent, approved()), return_exceptions=True
    )
    assert sum(isinstance(one, Conflict | InvalidInput) for one in done) == 1
    assert made == [{"to": "Sam"}]


async def test_a_message_is_refused_while_a_call_waits_and_taken_with_the_answer(house, agent):
    await asked(house, agent, ("pay", PAY))
    with pytest.raises(Conflict, match="waits for an answer to a tool call"):
        await house.send(agent, "hello?")
    house.model.will(say("hi"))
    await answer(house, agent, approved(), said=["hello?"])
    assert (await house.history(agent))[-3:] == [("tool", "paid Sam"), ("user", "hello?"), ("assistant", "hi")]


async def test_a_message_that_was_sent_before_meets_its_run_though_a_call_waits(house, agent):
    house.model.will(call(("pay", PAY)))
    new = house.host.ids.new

    async def send():
        incoming = [RunInput(id=new("message"), body=Message(role="user", content="pay"), otid="o1")]
        return (await (await house.inbox.accept("t", agent.id, incoming, RunOptions())).wait())[0].run.id

    assert await send() == await send()


async def test_nobody_is_asked_while_another_message_waits(house, agent, made):
    """The agent goes on as if they had said no: what waits behind the run must not wait for a person."""

    async def slow(_request, _on_delta):
        streams.append(await house.accept(agent, "and another thing"))
        return call(("pay", PAY))

    streams = []
    house.model.will(slow, say("I could not ask."), say("yes?"))
    run = await house.send(agent, "pay them")
    await streams[0].wait()
    assert (run.stop_reason, made) == ("end_turn", [])
    assert [text for _, text in await house.history(agent)][2:] == [
        UNASKED_TEXT,
        "I could not ask.",
        "and another thing",
        "yes?",
    ]


async def test_a_tool_may_need_approval_by_itself_unless_a_rule_says_otherwise(house, made):
    wary = await house.agent("always")
    await asked(house, wary, ("always", PAY))
    house.model.will(call(("always", PAY)), say("done"))
    trusting = await house.agent("always", rules=[r.Approved(tool="always", is_needed=False)])
    assert (await house.send(trusting, "go")).stop_reason == "end_turn"
    assert made == [{"to": "Sam"}]


async def test_a_persons_answer_is_about_the_arguments_that_rules_fill_in(house, made):
    rules = [r.Approved(tool="pay"), r.RunFirst(tool="pay", arguments={"to": "Kim"})]
    agent = await house.agent("pay", rules=rules)
    _, waiting = await asked(house, agent, ("pay", PAY))
    (row,) = await house.view.fetch("SELECT arguments FROM call WHERE state = 'waiting'")
    assert row[0] == '{"to":"Kim"}'
    house.model.will(say("done"))
    await answer(house, agent, approved(waiting.calls[0].tool_call_id))
    assert made == [{"to": "Kim"}]
    assert [tool.name for tool in house.model.requests[-1].tools] == ["pay"]  # it ran first: nothing forces it now
    assert house.model.requests[-1].tool_choice == "auto"


async def test_what_was_approved_is_made_though_rules_would_fill_in_something_else_now(house, made):
    def rules_for(to):
        return [r.Approved(tool="pay"), r.RunFirst(tool="pay", arguments={"to": to})]

    agent = await house.agent("pay", rules=rules_for("Sam"))
    await asked(house, agent, ("pay", "{}"))
    await agents.edit(house.view, "t", agent.id, 1, {"rules": rules_for("Mallory")})
    await answer(house, agent, approved())
    assert made == [{"to": "Sam"}]


async def test_what_nobody_answers_expires_and_the_agent_takes_messages_again(house, agent, clock, made):
    reminders = Reminders(house.database, house.host)
    Expiry(house.database, reminders)
    run, waiting = await asked(house, agent, ("pay", PAY))
    assert waiting.expires_at_ms - waiting.asked_at_ms == limits.APPROVAL_MS_DEFAULT == Config().approval_ms
    clock.advance(limits.APPROVAL_MS_DEFAULT - 1)
    assert await reminders.fire_due() == 0
    clock.advance(1)
    assert await reminders.fire_due() == 1
    with pytest.raises(InvalidInput, match="its time is over"):
        await answer(house, agent, approved())
    house.model.will(say("here"))
    later = await house.send(agent, "hello?")
    assert (await house.history(agent))[2:] == [("tool", EXPIRED_TEXT), ("user", "hello?"), ("assistant", "here")]
    assert (later.stop_reason, made) == ("end_turn", [])
    (before,) = await steps.calls_of(house.view, "t", run_id=run.id)
    assert before.state == "expired"


async def test_a_question_can_be_taken_back(house, agent, made):
    run, _ = await asked(house, agent, ("pay", PAY))
    ended = await house.inbox.cancel_of("t", agent.id)
    assert {run_id: one.status for run_id, one in ended.items()} == {run.id: "cancelled"}
    with pytest.raises(Conflict, match="nothing to cancel"):
        await house.inbox.cancel_of("t", agent.id)
    assert await reminders_of(house) == 0
    house.model.will(say("here"))
    await house.send(agent, "hello?")
    assert ((await house.history(agent))[2], made) == (("tool", WITHDRAWN_TEXT), [])


async def test_a_history_that_begins_anew_waits_for_nothing(house, agent):
    await asked(house, agent, ("pay", PAY))
    first = StoredMessage(
        tenant="t",
        id=house.host.ids.new("message"),
        agent_id=agent.id,
        position=0,
        run_id=None,
        step_id=None,
        body=Message(role="system", content="anew"),
    )
    await house.inbox.start_anew("t", agent.id, [first])
    house.model.will(say("hi"))
    assert (await house.send(agent, "hello?")).stop_reason == "end_turn"


async def test_a_clients_tool_is_shown_and_its_call_is_handed_to_the_client(house, agent, made):
    _, waiting = await asked(house, agent, ("open_editor", "{}"), ("look", "{}"), client_tools=(LOCAL,))
    assert [spec.name for spec in house.model.requests[0].tools] == ["pay", "look", "open_editor"]
    assert [(one.tool, one.by_client) for one in waiting.calls] == [("open_editor", True)]
    with pytest.raises(InvalidInput, match="'open_editor' is the client's own tool"):
        await answer(house, agent, approved(), client_tools=(LOCAL,))
    house.model.will(say("done"))
    result = Answer(tool_call_id="call-0", is_approved=True, result="opened", stdout=["a line"])
    await answer(house, agent, result)  # the result counts, whether or not the tools come with it again
    texts = [message.text for message in house.model.requests[-1].messages if message.role == "tool"]
    assert (texts, made) == (["opened", "sunny"], [])
    (kept,) = await house.view.fetch("SELECT level FROM call WHERE tool = 'open_editor' AND state = 'done'")
    assert kept[0] == "client"


async def test_a_clients_tool_stands_for_ours_of_its_name(house, agent):
    own = ToolSpec("look", "Mine.", LOCAL.parameters)
    _, waiting = await asked(house, agent, ("look", "{}"), client_tools=(own,))
    assert waiting.calls[0].by_client
    assert [spec.description for spec in house.model.requests[0].tools] == ["pay", "Mine."]


async def test_an_agent_with_heartbeats_is_shown_what_its_client_s_tool_came_to(house):
    agent = await house.agent("look", agent_type="memgpt_agent")
    await asked(house, agent, ("open_editor", '{"request_heartbeat": true}'), client_tools=(LOCAL,))
    house.model.will(say("I see."))
    await answer(house, agent, Answer(tool_call_id="call-0", is_approved=True, result="opened"), client_tools=(LOCAL,))
    assert (await house.history(agent))[-2:] == [("tool", "opened"), ("assistant", "I see.")]


async def test_an_agent_that_forgets_keeps_what_a_question_was_about(house):
    agent = await house.agent("pay", rules=[r.Approved(tool="pay")], agent_type="workflow_agent", forgets=True)
    house.model.will(say("long ago"))
    await house.send(agent, "before")
    await asked(house, agent, ("pay", PAY))
    house.model.will(say("done"))
    await answer(house, agent, approved())
    shown = [(message.role, message.text) for message in house.model.requests[-1].messages[1:]]
    assert shown == [("user", "pay them"), ("assistant", ""), ("tool", "paid Sam")]


async def test_a_question_that_was_not_answered_is_no_part_of_the_next_turn(house, clock):
    """What it called does not count there."""
    reminders = Reminders(house.database, house.host)
    Expiry(house.database, reminders)
    agent = await house.agent("pay", "look", rules=[r.Approved(tool="pay"), r.RunFirst(tool="look")])
    house.model.will(call(("look", "{}")), call(("pay", PAY)))
    await house.send(agent, "pay them")
    clock.advance(limits.APPROVAL_MS_DEFAULT)
    await reminders.fire_due()
    await house.send(agent, "look again")
    assert [[spec.name for spec in request.tools] for request in house.model.requests] == [
        ["look"],
        ["pay", "look"],
        ["look"],
    ]


async def test_a_run_that_only_made_calls_is_no_line_of_an_export(house, agent):
    house.model.will(msgspec.structs.replace(call(("pay", PAY)), raw_request=[b'{"messages": []}']))
    await house.send(agent, "pay them")
    run = await answer(house, agent, approved(), max_steps=1)
    assert run.stop_reason == "max_steps"
    lines = [line async for line in export.chat_lines(house.view, "t")]
    assert len(lines) == 1


async def test_what_a_conversation_has_for_itself_holds_for_its_answered_calls_too(house, agent, made):
    house.models.register(ModelCard("test/other", "test", "other", "test", context_window_tokens=8_000), house.model)
    one = Conversation(tenant="t", id=house.host.ids.new("conv"), agent_id=agent.id, model="test/other")
    await conversing.begin(house.workshop, one)
    await asked(house, agent, ("pay", PAY), within=one.id)
    run = await answer(house, agent, approved(), within=one.id)
    assert (run.stop_reason, made) == ("end_turn", [{"to": "Sam"}])
    assert [step.model for step in await house.steps(run.id)] == ["test/other"] * 2


async def test_a_tool_that_was_detached_meanwhile_is_not_run(house, agent, made):
    await asked(house, agent, ("pay", PAY))
    await house.database.commit(Changes().write("DELETE FROM agent_tool WHERE agent_id = ?", agent.id))
    await answer(house, agent, approved())
    assert made == []
    assert "no tool named 'pay' is attached" in (await house.history(agent))[2][1]


COMMITS = 4  # of a run that brings answers: accept, intents, results, last reply


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(1, COMMITS + 1))
async def test_a_stop_at_any_commit_loses_no_answer_and_runs_no_call_twice(open_house, made, number, side):
    first = await open_house()
    agent = await first.agent("pay", rules=[r.Approved(tool="pay")])
    await asked(first, agent, *PAY_TWICE)
    fault = Fault(first, number, side, stop)
    answers = approved("call-0"), Answer(tool_call_id="call-1", reason="no")
    answering = asyncio.ensure_future(answer(first, agent, *answers, otid="once"))
    await asyncio.wait_for(fault.fired.wait(), 10)
    await first.host.close()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    await first.database.close()

    second = await open_house()
    await second.inbox.recover()
    run = await answer(second, agent, *answers, otid="once")  # its sender tries until it hears of it
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    texts = [text for role, text in await second.history(agent) if role == "tool"]
    was_stopped_within = (number, side) in ((2, "after"), (3, "before"))
    assert texts == [INTERRUPTED_TEXT if was_stopped_within else "paid Sam", "the call was not made: it was denied: no"]
    assert len(made) == ((number, side) != (2, "after"))
    assert await approving.pending(second.view, "t", agent.id, "") is None


async def test_calls_of_a_run_that_ended_before_it_made_them_are_told_of(house, agent, made):
    """A run that brings answers and can't go on: its calls are not made later, by any other."""
    await asked(house, agent, ("pay", PAY))
    run = await answer(house, agent, approved(), model="nobody/serves")
    assert run.status == "failed"
    assert ((await house.history(agent))[2:], made) == ([("tool", NOT_MADE_TEXT)], [])
    house.model.will(say("hi"))
    assert (await house.send(agent, "hello?")).stop_reason == "end_turn"


async def test_an_agent_is_deleted_with_what_waits(house, agent):
    await asked(house, agent, ("pay", PAY))
    await house.database.commit(agents.plan_delete("t", agent.id))
    assert await house.view.fetch("SELECT * FROM approval") == []
    assert await reminders_of(house) == 0
