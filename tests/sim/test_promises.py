"""What the house promises, under random schedules: many people, many agents, one store, and people who hang up.

A failure names its seed; `simulate(live, SEED, trace=lines)` shows it step by step.
"""

import itertools
from collections import Counter

import pytest

from sim import lively
from umi import core
from umi.dst.history import APPEND_LIST, Operation, check
from umi.dst.simulate import simulate
from umi.storage import Changes

SEEDS = 40
SEEDS_TWO_SILOS = 15


@pytest.fixture(scope="module")
def lives():
    return [simulate(lively.live, seed) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def lives_of_two_silos():
    """Two silos believe that each agent is theirs: what a directory prevents, and the fence has to survive."""
    return [simulate(lambda host: lively.live(host, silo_count=2), seed) for seed in range(SEEDS_TWO_SILOS)]


@pytest.fixture(params=["one silo", "two silos"])
def any_lives(request, lives, lives_of_two_silos):
    return lives if request.param == "one silo" else lives_of_two_silos


def test_the_lives_were_full_ones(lives, lives_of_two_silos):
    assert min(result.steps for result in lives) >= 1_000
    assert {result.schedule for result in lives} == {"uniform", "sticky"}
    changes = sum((result.value.changes for result in lives), Counter())
    statuses = sum((result.value.statuses for result in lives), Counter())
    assert changes["activated"] > changes["deactivated"] > SEEDS  # agents came and went while people talked
    assert statuses["completed"] > 20 * SEEDS > statuses["failed"] > SEEDS / 2  # the model failed now and then
    assert sum(sum(result.value.logged.values()) for result in lives) > SEEDS
    assert sum(sum(result.value.rings.values()) for result in lives) > SEEDS
    unheard = [result for result in lives if sum(result.value.statuses.values()) < result.value.runs]
    assert 0 < len(unheard) < SEEDS  # the caller who hung up left a run behind in some lives
    fenced = sum((result.value.changes for result in lives_of_two_silos), Counter())["dropped"]
    assert fenced > SEEDS_TWO_SILOS


def test_every_acknowledged_run_ends(any_lives):
    for result in any_lives:
        life = result.value
        assert life.open == 0
        assert set(life.statuses) <= {"completed", "failed"}
        # Those whose callers heard of it, and perhaps the one of the caller who hung up.
        said = lively.AGENTS * lively.TALKERS * lively.MESSAGES_EACH
        assert said <= sum(life.statuses.values()) <= life.runs <= said + 1


def test_every_history_is_without_gaps(any_lives):
    for result in any_lives:
        for stored in result.value.stored.values():
            assert [message.position for message in stored] == list(range(len(stored)))


def test_messages_at_once_to_one_agent_are_handled_one_after_the_other(lives):
    for result in lives:
        for stored in result.value.stored.values():
            handled = [message.run_id for message in stored[1:]]  # the first one is the system message
            changes = sum(before != after for before, after in itertools.pairwise(handled))
            assert changes == len(set(handled)) - 1


def test_messages_to_one_agent_are_handled_in_the_order_of_their_acknowledgement(lives):
    for result in lives:
        seen = result.value.histories.operations
        for agent_id, stored in result.value.stored.items():
            acknowledged = [one for one in seen if one.key == agent_id]
            assert len(acknowledged) == lively.TALKERS * lively.MESSAGES_EACH
            handled = [m.body.text for m in stored if m.body.role == "user" and m.body.text != "hung up"]
            assert check([*acknowledged, _last_read(agent_id, seen, handled)], APPEND_LIST) == []


def _last_read(key, seen, result):
    after = max(one.returned for one in seen) + 1
    return Operation(key, "read", None, "the end", int(after), after, after + 1, after + 1, result)


def test_a_message_that_was_acknowledged_is_in_the_history(any_lives):
    for result in any_lives:
        for agent_id, stored in result.value.stored.items():
            said = Counter(m.body.text for m in stored if m.body.role == "user" and m.body.text != "hung up")
            assert said == Counter(one.argument for one in result.value.histories.operations if one.key == agent_id)


def test_twenty_appends_at_once_to_a_shared_block_lose_nothing_and_read_in_one_order(any_lives):
    for result in any_lives:
        board = [one for one in result.value.histories.operations if one.key == "board"]
        assert len(board) == lively.WRITERS + lively.READERS * lively.READS_EACH + 1
        assert check(board, APPEND_LIST) == []
        assert len(board[-1].result) == lively.WRITERS


def test_an_append_that_reads_and_then_writes_would_be_found(monkeypatch):
    """The control: without the one statement in which core.append decides and writes, notes get lost."""

    async def careless(view, tenant, scope, label, text, *, block_id, now_ms):
        block = await core.by_label(view, tenant, scope, label)
        value = f"{block.value}\n{text}" if block.value else text
        unguarded = "UPDATE block SET value = ? WHERE tenant = ? AND id = ?"
        await view.database.commit(Changes().write(unguarded, value, tenant, block.id))

    monkeypatch.setattr(core, "append", careless)
    found = [
        check(
            [one for one in simulate(lively.live, seed).value.histories.operations if one.key == "board"], APPEND_LIST
        )
        for seed in range(10)
    ]
    assert sum(map(bool, found)) > 5


def test_what_tools_wrote_into_a_shared_block_is_there_once(any_lives):
    for result in any_lives:
        assert Counter(result.value.log_lines) == result.value.logged


def test_an_outside_tool_is_never_run_twice_for_one_call(any_lives):
    for result in any_lives:
        assert set(result.value.rings.values()) <= {1}
