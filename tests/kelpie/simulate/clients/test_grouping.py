"""The promises about groups can fail: rows are bent behind the server's back, and they are named."""

import pytest

from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.clients.grouping import Grouping
from kelpie.simulate.plans.drawing import call
from kelpie.simulate.plans.plan import Team
from kelpie.tools.others import IN_GROUP
from umi.storage import Changes

ONCE, IN_TURN, STAY = "each turn is taken once", "a round is said in turn", "a group's messages stay"
HEARD, FOLLOW, OVERHEARD = (
    "what is said is heard once",
    "a group's rounds follow each other",
    "each turn is overheard once",
)
ASKED, ANSWER, SHOWN = "an agent is asked once", "an answer is what was said", "a round is shown whole"


def op(number, kind, **args):
    return Event(id=f"op-{number}", at_ms=8_000.0 * number, kind=kind, lane="client-1", args=args)


def said(number):
    return f"[[say:op-{number} first [[say:op-{number} second]]]]"


ASKS = call("tool", IN_GROUP, message="well? [[say:well]]")
PLAN = Plan(
    scenario="bent groups",
    seed=1,
    options=Options(
        agents=3,
        teams=(
            Team("round_robin", (2, 0, 1)),
            Team("supervisor", (1, 2), manager=0),
            Team("dynamic", (1, 2), manager=0, turns=2),
            Team("round_robin", (0, 1)),
            Team("sleeptime", (2,), manager=0, turns=2),
            Team("round_robin", (7,)),  # of an agent that is not there
        ),
    ),
    events=(
        op(1, "address", team=0, text=said(1)),
        op(2, "address", team=0, text=said(2), mode="stream"),
        op(3, "address", team=1, text=f"{ASKS} [[say:all is well]]"),
        op(4, "address", team=2, text=said(4)),
        op(5, "disband", team=3),
        op(6, "address", team=3, text="[[say:nobody]]"),
        op(7, "send", agent=0, text="[[say:main]]"),
        op(8, "address", team=5),
        op(9, "address", team=0, text=said(9), mode="stream", leaves_after=1),
    ),
)


@pytest.fixture
def bent(monkeypatch):
    """The verdict on the plan, with `sql` run on the healed store before anybody looks."""

    def verdict(*sql, before=None):
        check = Grouping.check

        async def bend(self, breaks):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            if sql:
                await self._world.database.commit(changes)
            if before is not None:
                before(self)
            await check(self, breaks)

        monkeypatch.setattr(Grouping, "check", bend)
        return play(PLAN)

    return verdict


def test_nothing_is_wrong_with_what_nobody_bent(bent):
    seen = []
    verdict = bent(before=seen.append)
    assert verdict.violations == []
    assert [(one.outcome, one.ended) for one in seen[0].addressed] == [
        ("ok", "completed"),
        ("ok", "completed"),
        ("ok", "completed"),
        ("ok", "completed"),
        ("refused", None),
        ("ok", None),
    ]
    assert seen[0].addressed[-1].was_left
    counted = {name: verdict.outcomes[name] for name in ("address ok", "address refused", "turns", "asked", "answered")}
    assert counted == {"address ok": 5, "address refused": 1, "turns": 3 * 3 + 1 + 4, "asked": 2, "answered": 2}
    assert verdict.outcomes["words heard"] == 3 * 3 + 1
    assert verdict.outcomes["tellings"] >= 2
    assert verdict.outcomes["rounds shown"] == 3


TEAM_0 = "(SELECT id FROM agent_group ORDER BY seq LIMIT 1)"
FIRST = f"(SELECT id FROM group_run WHERE group_id = {TEAM_0} ORDER BY seq LIMIT 1)"
SECOND = f"(SELECT id FROM group_run WHERE group_id = {TEAM_0} ORDER BY seq LIMIT 1 OFFSET 1)"
COLUMNS = "agent_id, status, stop_reason, input, options, background, created_at_ms, completed_at_ms, group_id"
AGAIN = f"INSERT INTO run (tenant, id, {COLUMNS}) SELECT tenant, id || '-again', {COLUMNS} FROM run"
FIRST_TURN = f"(SELECT run_id FROM group_turn WHERE group_run_id = {FIRST} AND number = 0)"
MANAGER_S_TURN = f"(SELECT run_id FROM group_turn WHERE group_run_id = {FIRST} AND number = 1)"


@pytest.mark.parametrize(
    ("sql", "promise"),
    [
        (f"DELETE FROM group_run WHERE id = {FIRST}", STAY),
        (f"UPDATE group_run SET input = (SELECT input FROM group_run WHERE id = {SECOND}) WHERE id = {FIRST}", STAY),
        (f"UPDATE group_run SET status = 'failed' WHERE id = {FIRST}", "what was told stays true"),
        (f"UPDATE group_run SET status = 'cancelled' WHERE id = {FIRST}", IN_TURN),
        (f"DELETE FROM group_turn WHERE group_run_id = {FIRST} AND number = 2", ONCE),
        (f"DELETE FROM group_turn WHERE group_run_id = {FIRST} AND number = 2", SHOWN),
        (f"UPDATE group_turn SET number = number + 7 WHERE group_run_id = {FIRST}", IN_TURN),
        (f"UPDATE run SET status = 'failed' WHERE id = {FIRST_TURN}", IN_TURN),
        (f"UPDATE group_turn SET run_id = {FIRST_TURN} WHERE group_run_id = {SECOND} AND number = 0", ONCE),
        (f"UPDATE group_run SET seq = seq + 70 WHERE id = {FIRST}", FOLLOW),
        ("UPDATE group_turn SET part = 'speaker'", IN_TURN),
        (f"{AGAIN} WHERE id = {FIRST_TURN}", ONCE),
        (f"{AGAIN} WHERE instr(input, CAST('Incoming message' AS BLOB))", ASKED),
        (f"{AGAIN} WHERE instr(input, CAST('since you were told last' AS BLOB))", OVERHEARD),
        (f"UPDATE run SET status = 'failed' WHERE id = {MANAGER_S_TURN}", OVERHEARD),
        ("DELETE FROM message WHERE role = 'user' AND position = 1", HEARD),
        ("DELETE FROM agent_group WHERE kind = 'supervisor'", "no orphans"),
        ("UPDATE call SET tool_call_id = 'call_7' WHERE tool LIKE 'send_message_to_all%'", ANSWER),
        ("DELETE FROM message WHERE role = 'assistant' AND instr(body, CAST('well' AS BLOB))", ANSWER),
    ],
)
def test_a_bent_row_breaks_the_promise(bent, sql, promise):
    assert promise in bent(sql).promises_broken


def test_who_waited_long_after_the_end_is_noticed(bent):
    def wait(grouping):
        grouping.addressed[0].waited_until_ms = grouping._world.loop.virtual_ms

    assert "who waits hears of the end" in bent(before=wait).promises_broken


def test_a_round_that_never_ends_and_a_refused_one_that_is_there_are_noticed(bent):
    def doubt(grouping):
        grouping.addressed[0].outcome = "refused"

    open_again = f"UPDATE group_run SET status = 'running' WHERE id = {FIRST}"
    assert {STAY, "nothing is left half done"} <= set(bent(open_again, before=doubt).promises_broken)
