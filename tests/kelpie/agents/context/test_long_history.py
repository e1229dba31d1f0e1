"""An agent of many messages costs no more than one of few: the database's work for a message depends on the window."""

from benchmarks.long_history import FIRST_WORDS, fill, work_of
from kelpie.trajectories import messages

WINDOW, SENT = 30, 5


async def test_rows_read_per_message_and_per_activation_do_not_grow_with_the_history(open_house):
    house = await open_house()
    began, sent = {}, {}
    await house.send(await house.agent("conversation_search"), "what the first message of all finds out is known then")
    for size in (300, 3_000):
        agent = await house.agent("conversation_search", context_window_tokens=100_000)
        await fill(house.database, "t", agent.id, size, WINDOW)
        work = work_of(house.database)
        await house.settled()
        await house.send(agent, "begin")
        await house.settled()
        began[size] = before = work.now
        for number in range(SENT):
            await house.send(agent, f"message {number}")
        await house.settled()
        sent[size] = work.since(before)
        assert len(house.model.requests[-1].messages) > WINDOW
        hits = await messages.search(house.view, "t", agent.id, FIRST_WORDS)
        assert hits[0].position == 1
    for few, many in ((began[300], began[3_000]), (sent[300], sent[3_000])):
        assert 0 < few[0] == many[0]
        assert few[1] == many[1]
        assert abs(few[2] - many[2]) <= few[2] * 0.02
    assert began[3_000][0] < WINDOW + 60
