"""The check of summaries can fail: rows are bent behind the server's back, and it says so."""

import msgspec
import pytest

from kelpie.simulate import play
from kelpie.simulate.plans.scenarios import plan_of
from kelpie.simulate.promises.compactions import Compactions
from kelpie.trajectories.records import Compacted
from umi.storage import Changes

PROMISE = "no message is lost to a summary"
PLAN = plan_of("compaction-under-crash", 6)


def bent_to(monkeypatch, bend):
    """The promises broken once `bend` has changed every summary's record, or the index."""
    check = Compactions.check

    async def bent(self):
        rows = await self._world.rows("SELECT seq, compacted FROM message WHERE compacted IS NOT NULL")
        assert rows, "a plan that compacts"
        changes = Changes()
        for seq, packed in rows:
            record = bend(msgspec.msgpack.decode(packed, type=Compacted))
            changes.write("UPDATE message SET compacted = ? WHERE seq = ?", msgspec.msgpack.encode(record), seq)
        await self._world.database.commit(changes)
        await check(self)

    monkeypatch.setattr(Compactions, "check", bent)
    return play(PLAN).promises_broken


def test_nothing_is_wrong_with_what_nobody_bent(monkeypatch):
    assert bent_to(monkeypatch, lambda record: record) == []


@pytest.mark.parametrize(
    "bend",
    [
        lambda record: msgspec.structs.replace(record, from_position=record.from_position + 3),
        lambda record: msgspec.structs.replace(record, upto_position=10_000),
    ],
    ids=["a message that no summary stands for", "one that its writer was not shown"],
)
def test_a_summary_that_stands_for_too_little_or_too_much_is_seen(monkeypatch, bend):
    assert bent_to(monkeypatch, bend) == [PROMISE]


def test_a_message_that_no_search_finds_is_seen(monkeypatch):
    check = Compactions.check

    async def bent(self):
        first = "SELECT min(seq) FROM message WHERE role = 'user' AND compacted IS NULL"
        await self._world.database.commit(Changes().write(f"DELETE FROM message_text WHERE rowid = ({first})"))
        await check(self)

    monkeypatch.setattr(Compactions, "check", bent)
    assert play(PLAN).promises_broken == [PROMISE]
