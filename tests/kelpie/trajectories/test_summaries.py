"""Summaries: the newest one of a conversation, what each stands for, and that no search finds one."""

import msgspec

from kelpie.trajectories import messages, summaries
from kelpie.trajectories.records import Compacted
from umi.storage import Page
from umi.wire.types import Message

RECORD = Compacted(
    from_position=0,
    upto_position=3,
    mode="all",
    trigger="manual",
    messages_summarised=3,
    messages_hidden=3,
    messages_before=4,
    messages_after=2,
    tokens_before=90,
    tokens_after=20,
    context_window_tokens=1_000,
)


async def sum_up(shelf, upto, *, within="", first=0, previous=None):
    position = shelf.positions["t", "agent-1"]
    shelf.positions["t", "agent-1"] = position + 1
    given = await messages.latest(shelf.view, "t", "agent-1", 1, conversation_id=within)
    record = msgspec.structs.replace(RECORD, from_position=first, upto_position=upto, previous=previous)
    summary = msgspec.structs.replace(
        given[0], id=f"summary-{position}", position=position, body=Message("user", "of teapots"), compacted=record
    )
    await shelf.database.commit(messages.plan_add([summary]))
    return summary


async def test_the_window_of_a_conversation_begins_with_its_newest_summary(shelf):
    await shelf.say("compiled", role="system")
    said = [await shelf.say(f"teapots {number}") for number in range(5)]
    assert await summaries.newest(shelf.view, "t", "agent-1") is None
    first = await sum_up(shelf, 2)
    second = await sum_up(shelf, 4, first=3, previous=first.id)
    assert await summaries.newest(shelf.view, "t", "agent-1") == second
    window = await messages.latest(shelf.view, "t", "agent-1", 100, since=second.compacted.upto_position + 1)
    assert window == said[4:]
    assert await messages.latest(shelf.view, "t", "agent-1", 3) == said[2:], "summaries are none of the latest"
    listed = await messages.list_messages(shelf.view, "t", Page(), agent_id="agent-1")
    assert [one.compacted for one in listed if one.compacted] == [first.compacted, second.compacted]
    assert await summaries.newest(shelf.view, "other", "agent-1") is None


async def test_what_a_summary_stands_for_is_counted_and_named_without_the_system_message(shelf):
    await shelf.say("compiled", role="system")
    said = [await shelf.say(str(number)) for number in range(4)]
    summary = await sum_up(shelf, 3)
    assert await summaries.count(shelf.view, "t", "agent-1", "", 0, 3) == 3
    assert await summaries.ends(shelf.view, summary) == ("message-t-agent-1-0", said[2].id)
    later = await sum_up(shelf, 5, first=4, previous=summary.id)
    assert await summaries.count(shelf.view, "t", "agent-1", "", 4, 5) == 1, "the summary in between is no message"
    assert await summaries.list_summaries(shelf.view, "t", Page(), agent_id="agent-1") == [summary, later]
    newest_first = Page(limit=1, ascending=False)
    assert await summaries.list_summaries(shelf.view, "t", newest_first, agent_id="agent-1") == [later]


async def test_a_search_finds_what_was_said_and_not_its_summary(shelf):
    said = await shelf.say("teapots are round")
    await shelf.say("yes", role="assistant")
    await sum_up(shelf, 0)
    assert await messages.search(shelf.view, "t", "agent-1", "teapots") == [said]
