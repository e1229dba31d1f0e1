"""Groups that answer: whose turn it is in each kind, what everybody hears, and what a stop of the server leaves."""

import asyncio
import json

import pytest
from tests.kelpie.agents.together.conftest import Cast, ask, rest, returned
from tests.kelpie.agents.turn.test_recovery import Fault, fail

from kelpie.agents import agent as agents
from kelpie.agents.together import furnishing
from kelpie.errors import Conflict, InvalidInput, LimitExceeded, ModelError, NotFound, QueueFull, StoreError
from kelpie.groups import limits, records
from kelpie.groups import runs as group_runs
from kelpie.groups.records import Group
from kelpie.tools.others import CHOOSE, IN_GROUP
from kelpie.trajectories import messages, runs
from kelpie.trajectories.records import Answer, RunInput, RunOptions
from umi.storage import Page
from umi.wire.types import Message, ToolSpec

THREE = ("Ada", "Bob", "Cleo")


async def crew(house, cast, *said):
    """Three agents, of which each says one thing."""
    made = [await ask(house, name, system=f"I am {name}.") for name in THREE]
    for one, text in zip(made, said, strict=False):
        cast.play(one, *[house.say(text)] * 20)
    return made


async def group_of(house, kind, members, manager=None, **fields):
    group = Group(
        tenant="t",
        id=house.host.ids.new("group"),
        kind=kind,
        description="",
        agents=[one.id for one in members],
        manager=manager.id if manager else None,
        **fields,
    )
    return await furnishing.found(house.workshop, group)


async def say(house, group, *texts):
    incoming = [RunInput(id=house.host.ids.new("message"), body=Message(role="user", content=text)) for text in texts]
    return await house.talking.accept("t", group.id, incoming, RunOptions())


async def ended(talk):
    return await asyncio.wait_for(talk.wait(), 10)


async def turns(house, run):
    """Who had a turn, in order."""
    return [(one.agent_id, one.part) for one in await group_runs.turns_of(house.view, "t", run.id)]


async def heard(house, agent):
    return [text for role, text in await house.history(agent) if role == "user"]


def chooses(house, one):
    return house.call((CHOOSE, json.dumps({"next_speaker_agent_id": one.id})))


async def test_each_in_turn_hears_what_those_before_it_said(house, cast):
    crew_ = ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    group = await group_of(house, "round_robin", crew_, turns_max=4)
    run = await ended(await say(house, group, "go", "on"))
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    assert [one for one, _ in await turns(house, run)] == [ada.id, bob.id, cleo.id, ada.id]
    assert await heard(house, ada) == ["go", "on", "Bob: B", "Cleo: C"]
    assert await heard(house, bob) == ["go", "on", "Ada: A"]
    assert await heard(house, cleo) == ["go", "on", "Ada: A", "Bob: B"]
    theirs = await runs.list_runs(house.view, "t", Page(), agent_ids=[cleo.id])
    assert theirs[0].options.group_id == group.id
    assert [one.sender for one in theirs[0].input] == [None, None, ada.id, bob.id]
    found = await messages.list_messages(house.view, "t", Page(), group_id=group.id)
    assert {one.agent_id for one in found} == {ada.id, bob.id, cleo.id}


async def test_without_a_number_each_speaks_once_and_one_alone_goes_on(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    run = await ended(await say(house, await group_of(house, "round_robin", [ada, bob, cleo]), "go"))
    assert len(await turns(house, run)) == 3
    alone = await group_of(house, "round_robin", [ada], turns_max=2)
    await ended(await say(house, alone, "alone"))
    assert (await heard(house, ada))[-1].startswith("[Nobody else has said anything")


async def test_a_supervisor_speaks_to_all_of_its_group_and_answers(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(ada, house.call((IN_GROUP, json.dumps({"message": "report"}))), house.say("both reported"))
    group = await group_of(house, "supervisor", [bob, cleo], ada)
    run = await ended(await say(house, group, "how is it?"))
    assert (run.status, await turns(house, run)) == ("completed", [(ada.id, "speaker")])
    (text,) = await returned(house, ada)
    assert [(one["name"], one["reply"]) for one in json.loads(text)] == [("Bob", "B"), ("Cleo", "C")]
    found = await messages.list_messages(house.view, "t", Page(), group_id=group.id)
    assert {one.agent_id for one in found} == {ada.id, bob.id, cleo.id}, "what they were asked is the group's too"


async def test_a_dynamic_group_s_manager_says_who_speaks_until_somebody_ends_it(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(ada, chooses(house, cleo), chooses(house, bob), chooses(house, bob))
    cast.play(cleo, house.say("C"))
    cast.play(bob, house.say("B"), house.say("That's all. DONE!"))
    group = await group_of(house, "dynamic", [bob, cleo], ada, token="DONE!")
    run = await ended(await say(house, group, "go"))
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    spoke = [(cleo.id, "speaker"), (bob.id, "speaker"), (bob.id, "speaker")]
    assert await turns(house, run) == [turn for one in spoke for turn in ((ada.id, "manager"), one)]
    told = await heard(house, ada)
    assert told[0] == "go"
    assert f"- Bob, ID {bob.id}" in told[1]
    assert told[2] == "Cleo: C"
    assert await heard(house, bob) == ["go", "Cleo: C", "[Nobody else has said anything since. Go on.]"]


@pytest.mark.parametrize("most", [None, 2])
async def test_a_dynamic_group_s_talk_is_over_after_so_many_turns(house, cast, most):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(ada, *[chooses(house, bob)] * 20)
    group = await group_of(house, "dynamic", [bob, cleo], ada, token=None, turns_max=most)
    run = await ended(await say(house, group, "go"))
    spoken = [one for one in await turns(house, run) if one[1] == "speaker"]
    assert len(spoken) == (most or limits.GROUP_TURNS_DEFAULT)
    assert (run.status, run.stop_reason) == ("completed", "max_steps")


async def test_a_manager_may_name_one_in_words_or_end_it_and_one_that_names_nobody_ends_it_as_failed(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(ada, house.say("Bob, please"), house.say("nothing is left. DONE!"), house.say("Bob or Cleo?"))
    group = await group_of(house, "dynamic", [bob, cleo], ada, token="DONE!")
    run = await ended(await say(house, group, "go"))
    assert [one for one, _ in await turns(house, run)] == [ada.id, bob.id, ada.id]
    assert run.status == "completed"
    failed = await ended(await say(house, group, "again"))
    assert failed.status == "failed"
    assert "'Ada' chose nobody" in failed.error["message"]


async def test_whom_a_manager_can_t_choose_it_is_told(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(ada, chooses(house, ada), chooses(house, bob), house.say("DONE!"))
    group = await group_of(house, "dynamic", [bob, cleo], ada, token="DONE!")
    await ended(await say(house, group, "go"))
    refused = (await returned(house, ada))[0]
    assert refused == f"'{ada.id}' is not in this group; there are {bob.id}, {cleo.id}"


async def test_a_turn_that_fails_ends_the_group_s_run_and_says_whose(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(bob, lambda request, on_delta: ModelError("auth", "no key"))
    run = await ended(await say(house, await group_of(house, "round_robin", [ada, bob, cleo]), "go"))
    assert run.status == "failed"
    assert bob.id in run.error["message"]
    assert await heard(house, cleo) == []


async def test_messages_to_one_group_are_answered_one_after_another(house, cast):
    ada, bob, _ = await crew(house, cast, "A", "B")
    group = await group_of(house, "round_robin", [ada, bob])
    first, second = await say(house, group, "one"), await say(house, group, "two")
    await asyncio.gather(ended(first), ended(second))
    assert await heard(house, ada) == ["one", "two"]
    assert await heard(house, bob) == ["one", "Ada: A", "two", "Ada: A"]


async def test_a_message_waits_for_the_one_before_it_also_while_that_is_tried_again(house, cast, clock):
    ada, bob, _ = await crew(house, cast, "A", "B")
    group = await group_of(house, "round_robin", [ada, bob])
    accept, faults = house.inbox.accept, []

    async def failing(tenant, agent_id, *more, **named):
        if agent_id == bob.id and not faults:
            faults.append(agent_id)
            raise StoreError("the disk had a moment")
        return await accept(tenant, agent_id, *more, **named)

    house.inbox.accept = failing
    first, second = await say(house, group, "one"), await say(house, group, "two")
    await asyncio.gather(ended(first), ended(second))
    assert faults == [bob.id]
    assert await heard(house, bob) == ["one", "Ada: A", "two", "Ada: A"]
    began = await house.view.fetch("SELECT group_run_id FROM group_turn t JOIN run ON run.id = t.run_id ORDER BY seq")
    assert [row[0] for row in began] == [first.run.id] * 2 + [second.run.id] * 2


# Before a commit is what comes after the one before it.
@pytest.mark.parametrize(("number", "side"), [(1, "before"), *((number, "after") for number in range(1, 9))])
async def test_a_stop_at_any_commit_leaves_everybody_one_turn(furnish, host, number, side):
    """Commits: the group's run, then accepting, claiming and answering for each of two, and the end."""
    house = await furnish()
    cast = Cast(house)
    ada, bob, _ = await crew(house, cast, "A", "B")
    group = await group_of(house, "round_robin", [ada, bob])
    commit, count, fired = house.database.commit, 0, asyncio.Event()

    async def stops(changes):
        nonlocal count
        count += 1
        mine = count == number
        if mine and side == "before":
            fired.set()
            await asyncio.Event().wait()
        rows = await commit(changes)
        if mine and side == "after":
            fired.set()
            await asyncio.Event().wait()
        return rows

    house.database.commit = stops
    saying = host.spawn(say(house, group, "go"), "say")
    await asyncio.wait_for(fired.wait(), 10)
    await host.close()
    assert saying.done() or saying.cancelled()
    await house.database.close()

    house = await furnish()
    cast = Cast(house)
    cast.play(ada, house.say("A"))
    cast.play(bob, house.say("B"))
    await house.inbox.recover()
    await house.outbox.recover()
    await rest(house)
    there = await house.view.fetch("SELECT id, status FROM group_run")
    if number == 1 and side == "before":
        assert there == [], "nothing was acknowledged"
        return
    assert [status for _, status in there] == ["completed"]
    assert [(await heard(house, one)) for one in (ada, bob)] == [["go"], ["go", "Ada: A"]]
    assert [text for role, text in await house.history(ada) if role == "assistant"] == ["A"]
    assert await house.view.fetch("SELECT 1 FROM outbox WHERE topic = 'group run'") == []


async def test_a_fault_of_the_store_between_two_turns_is_overcome(house, cast, clock):
    ada, bob, _ = await crew(house, cast, "A", "B")
    group = await group_of(house, "round_robin", [ada, bob])
    accept, faults = house.inbox.accept, []

    async def failing(tenant, agent_id, *more, **named):
        if agent_id == bob.id and not faults:
            faults.append(agent_id)
            raise StoreError("the disk had a moment")
        return await accept(tenant, agent_id, *more, **named)

    house.inbox.accept = failing
    run = await ended(await say(house, group, "go"))
    assert (run.status, faults) == ("completed", [bob.id])
    assert await heard(house, bob) == ["go", "Ada: A"]


@pytest.mark.parametrize("number", [*range(2, 6)])
async def test_whoever_watches_hears_of_an_end_whose_commit_nobody_heard_of(house, cast, number, clock):
    ada, *_ = await crew(house, cast, "A")
    group = await group_of(house, "round_robin", [ada])
    fault = Fault(house, number, "after", fail)
    talk = await say(house, group, "go")
    assert (await ended(talk)).status == "completed"
    assert fault.fired.is_set()
    assert await heard(house, ada) == ["go"]
    await rest(house)
    assert house.talking._open == {}


@pytest.mark.parametrize("arguments", ["[1]", "not JSON", "", '{"next_speaker_agent_id": 5}'])
async def test_a_choice_that_waits_for_somebody_or_makes_no_sense_is_none(house, cast, arguments):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    cast.play(ada, house.call((CHOOSE, arguments)))
    group = await group_of(house, "dynamic", [bob, cleo], ada)
    incoming = [RunInput(id=house.host.ids.new("message"), body=Message(role="user", content="go"))]
    client = ToolSpec(CHOOSE, "On the client.", {"type": "object", "properties": {}})
    talk = await house.talking.accept("t", group.id, incoming, RunOptions(client_tools=(client,)))
    run = await ended(talk)
    assert (run.status, "chose nobody" in run.error["message"]) == ("failed", True)
    assert await turns(house, run) == [(ada.id, "manager")]


async def test_a_group_that_is_deleted_while_it_talks_ends_and_its_agents_stay(house, cast):
    ada, bob, _ = await crew(house, cast, "A", "B")
    asked, free = asyncio.Event(), asyncio.Event()

    async def slow(request, on_delta):
        asked.set()
        await free.wait()
        return house.say("A")

    cast.play(ada, slow)
    group = await group_of(house, "round_robin", [ada, bob])
    talk = await say(house, group, "go")
    await asked.wait()
    with pytest.raises(Conflict, match="not answered yet"):
        await furnishing.begin_anew(house.workshop, "t", group.id)
    await furnishing.delete(house.workshop, "t", group.id)
    free.set()
    run = await ended(talk)
    assert (run.status, run.error["message"]) == ("failed", "the group was deleted")
    assert await house.history(ada) == [("user", "go"), ("assistant", "A")]
    assert await heard(house, bob) == []
    await rest(house)
    assert await house.view.fetch("SELECT 1 FROM outbox") == []


async def test_an_agent_that_is_deleted_leaves_its_groups_and_takes_those_it_leads_with_it(house, cast):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    in_turn = await group_of(house, "round_robin", [ada, bob, cleo])
    led = await group_of(house, "supervisor", [bob, cleo], ada)
    await house.database.commit(agents.plan_delete("t", ada.id))
    assert (await records.get(house.view, "t", in_turn.id)).agents == [bob.id, cleo.id]
    with pytest.raises(NotFound):
        await records.get(house.view, "t", led.id)
    assert (await ended(await say(house, in_turn, "go"))).status == "completed"
    for one in (bob, cleo):
        await house.database.commit(agents.plan_delete("t", one.id))
    left = await ended(await say(house, in_turn, "anybody?"))
    assert left.error["message"] == "the group has no agents left"


@pytest.mark.parametrize("most", [None, 3])
async def test_a_member_that_is_deleted_after_its_turn_takes_nobody_s_along(house, cast, most):
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")

    async def deletes(request, on_delta):
        await house.database.commit(agents.plan_delete("t", ada.id))
        return house.say("B")

    cast.play(bob, deletes)
    group = await group_of(house, "round_robin", [ada, bob, cleo], turns_max=most)
    run = await ended(await say(house, group, "go"))
    assert run.status == "completed"
    assert [one for one, _ in await turns(house, run)] == [ada.id, bob.id, cleo.id]


@pytest.mark.parametrize("most", [None, 3])
async def test_whose_turn_comes_after_one_that_was_deleted_in_it(house, cast, most):
    """The places of those that are left are others than they were when it was Bob's turn."""
    ada, bob, cleo = await crew(house, cast, "A", "B", "C")
    dora = await ask(house, "Dora", system="I am Dora.")
    cast.play(dora, house.say("D"))

    async def deletes(request, on_delta):
        await house.database.commit(agents.plan_delete("t", bob.id))
        return house.say("C")

    cast.play(cleo, deletes)
    group = await group_of(house, "round_robin", [ada, bob, cleo, dora], turns_max=most and 4)
    run = await ended(await say(house, group, "go"))
    assert [one for one, _ in await turns(house, run)] == [ada.id, bob.id, cleo.id, dora.id]


async def test_what_was_said_to_a_group_is_its_agents_alone_when_its_manager_is_deleted(house, cast):
    ada, bob, _ = await crew(house, cast, "A", "B")
    cast.play(ada, house.call((IN_GROUP, json.dumps({"message": "report"}))), house.say("done"))
    group = await group_of(house, "supervisor", [bob], ada)
    await ended(await say(house, group, "go"))
    assert await house.view.fetch("SELECT group_id FROM run WHERE agent_id = ?", bob.id) == [(group.id,)]
    await house.database.commit(agents.plan_delete("t", ada.id))
    assert await house.view.fetch("SELECT agent_id, group_id FROM run") == [(bob.id, None)]


async def test_what_a_group_talked_about_is_forgotten_and_its_agents_keep_it(house, cast):
    ada, bob, _ = await crew(house, cast, "A", "B")
    group = await group_of(house, "round_robin", [ada, bob])
    await ended(await say(house, group, "go"))
    await furnishing.begin_anew(house.workshop, "t", group.id)
    assert await messages.list_messages(house.view, "t", Page(), group_id=group.id) == []
    assert await heard(house, ada) == ["go"]
    assert await house.view.fetch("SELECT 1 FROM group_turn") == []


async def test_what_can_t_be_said_to_a_group_is_refused(house, cast, monkeypatch):
    ada, bob, _ = await crew(house, cast, "A", "B")
    group = await group_of(house, "round_robin", [ada, bob])
    with pytest.raises(LimitExceeded, match="at most 50"):
        await say(house, group, *["many"] * 51)
    with pytest.raises(InvalidInput, match="no character"):
        await say(house, group, "\ud800")
    answers = [RunInput(id="message-1", body=Message(role="user"), answers=[Answer(is_approved=True)])]
    with pytest.raises(InvalidInput, match="to the agent that asks"):
        await house.talking.accept("t", group.id, answers, RunOptions())
    with pytest.raises(NotFound):
        await house.talking.accept("other", group.id, [], RunOptions())
    background = await group_of(house, "sleeptime", [bob], ada)
    with pytest.raises(InvalidInput, match="speak to its main agent"):
        await say(house, background, "hello")
    monkeypatch.setattr(limits, "GROUP_RUNS_OPEN_MAX", 0)
    with pytest.raises(QueueFull, match="wait for this group"):
        await say(house, group, "hello")


async def test_groups_that_can_t_be_are_refused(house, cast):
    ada, bob, cleo = await crew(house, cast)
    for kind, members, manager, why in (
        ("round_robin", [], None, "at least one agent"),
        ("round_robin", [ada, ada], None, "in a group once"),
        ("round_robin", [ada], bob, "has no manager"),
        ("supervisor", [ada], None, "needs a manager"),
        ("dynamic", [ada, bob], ada, "not one of its agents"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await group_of(house, kind, members, manager)
    await group_of(house, "sleeptime", [bob], ada)
    with pytest.raises(Conflict, match="background agents already"):
        await group_of(house, "sleeptime", [cleo], ada)
    assert await records.count(house.view, "t") == 1
