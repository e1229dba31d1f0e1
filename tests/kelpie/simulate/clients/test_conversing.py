"""The promise about conversations can fail: rows are bent behind the server's back, and it is named."""

import pytest

from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.clients.conversing import Conversing
from umi.storage import Changes

SHOWN = "a conversation shows exactly its own"


def op(number, kind, **args):
    return Event(id=f"op-{number}", at_ms=2_000.0 * number, kind=kind, lane="client-1", args=args)


PLAN = Plan(
    scenario="bent conversations",
    seed=1,
    options=Options(agents=1),
    events=(
        op(1, "begin", name="one", agent=0),
        op(2, "begin", name="gone", agent=0),
        op(3, "send", agent=0, text="[[say:main]]"),
        op(4, "talk", room="one", text="[[say:one]]"),
        op(5, "talk", room="gone", text="[[say:gone]]"),
        op(6, "fork", name="fork", source="one", agent=0),
        op(7, "fork", name="again", source="fork", agent=0),
        op(8, "talk", room="one", text="[[say:later]]"),
        op(9, "talk", room="again", text="[[say:fork]]"),
        op(10, "drop", room="gone"),
        op(11, "fork", name="of main", source="main", agent=0),
    ),
)


@pytest.fixture
def bent(monkeypatch):
    """The verdict on the plan, with `sql` run on the healed store before anybody looks."""

    def verdict(*sql, before=None):
        check = Conversing.check

        async def bend(self, breaks):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            await self._world.database.commit(changes)
            if before is not None:
                before(self)
            await check(self, breaks)

        monkeypatch.setattr(Conversing, "check", bend)
        return play(PLAN)

    return verdict


def test_nothing_is_wrong_with_what_nobody_bent(bent):
    seen = []
    verdict = bent(before=seen.append)
    assert verdict.violations == []
    rooms = seen[0].rooms.values()
    assert {room.name for room in rooms if room.id} == {"one", "gone", "fork", "again", "of main"}
    assert [room.dropped for room in rooms] == [None, "ok", None, None, None]
    assert {name: n for name, n in verdict.outcomes.items() if name.startswith(("talk", "send"))} == {
        "send ok": 1,
        "talk ok": 8,  # four of the plan, and one in each that is there in the end
    }


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE message SET otid = 'op-8' WHERE otid = 'op-4'",
        "UPDATE stretch SET until = until + 9 WHERE conversation_id <> source_id",
        "DELETE FROM stretch WHERE conversation_id <> source_id AND conversation_id <> ''",
        "DELETE FROM message WHERE otid = 'op-9'",
        "UPDATE message SET conversation_id = '' WHERE otid = 'op-9'",
        "DELETE FROM conversation WHERE summary = 'op-1'",
    ],
)
def test_a_bent_row_breaks_the_promise(bent, sql):
    assert SHOWN in bent(sql).promises_broken


def test_a_conversation_that_nobody_deleted_and_is_gone_is_noticed(bent):
    def forget(conversing):
        conversing.rooms["gone"].dropped = None

    assert SHOWN in bent(before=forget).promises_broken


def test_a_prompt_with_something_from_elsewhere_is_noticed(bent):
    def move(conversing):
        rooms = conversing.rooms
        rooms["gone"].said.append(rooms["one"].said.pop(0))

    broken = [one.text for one in bent(before=move).violations if one.promise == SHOWN]
    assert any(text.startswith("the model was shown op-4 before op-8") for text in broken)
