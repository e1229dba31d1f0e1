"""The store behind the network: one protocol, with what a network does to it."""

import asyncio
from collections import Counter

import pytest

from kelpie.simulate.machines.store import STORE, RemoteStore, StoreServer
from umi.dst import Host
from umi.dst.faults import Faults
from umi.dst.network import SimNetwork
from umi.dst.rng import Rng
from umi.dst.simulate import simulate
from umi.dst.tasks import incarnation_context
from umi.errors import CommitUnknown, Conflict, GuardFailed, StoreError
from umi.storage import Changes, Migration, SqliteDatabase

NOTES = [Migration("notes", 1, "CREATE TABLE note (tenant TEXT NOT NULL, text TEXT NOT NULL UNIQUE) STRICT")]
INSERT = "INSERT INTO note VALUES ('t', ?) RETURNING text"
ALL = ("SELECT text FROM note ORDER BY rowid", ())


class Two:
    """A store and a silo that uses it."""

    def __init__(self, host, seed):
        self.host = host
        self.network = SimNetwork(host, Faults(Rng(f"{seed}/faults")))
        self.lives = 0

    async def begin(self):
        self.database = await SqliteDatabase.open(":memory:", NOTES, host=self.host)
        self.start_store()
        self.remote = RemoteStore(self.network, "silo-1", Host(self.host.clock, Rng("silo")))
        self.network.join("silo-1", self.host, self.remote.receive)

    def start_store(self):
        """Another process on the same database."""
        self.lives += 1
        self.server = StoreServer(self.network, self.database, Host(self.host.clock, Rng(f"store {self.lives}")))
        self.network.join(STORE, self.host, self.server.receive)

    async def notes(self):
        return [row[0] for row in (await self.database.read([ALL]))[0]]


def two(main, seed=1):
    async def world(host):
        both = Two(host, seed)
        await both.begin()
        found = await main(both)
        await both.database.close()
        return found, both.network.faults.fired

    return simulate(world, seed).value


def test_reads_views_commits_and_hooks_are_those_of_any_database():
    async def main(both):
        heard = []
        planned = Changes().write(INSERT, "one").after(lambda: heard.append("hook"))
        assert await both.remote.read([ALL], planned) == [[("one",)]]
        assert await both.remote.read([ALL]) == [[]]
        assert heard == []
        assert await both.remote.commit(planned) == [("one",)]
        assert heard == ["hook"]
        return await both.remote.read([ALL, ("SELECT 1, NULL, x'00', 1.5", ())])

    assert two(main)[0] == [[("one",)], [(1, None, b"\0", 1.5)]]


def test_errors_arrive_as_what_they_are():
    async def main(both):
        await both.remote.commit(Changes().write(INSERT, "one"))
        with pytest.raises(Conflict):
            await both.remote.commit(Changes().write(INSERT, "one"))
        with pytest.raises(GuardFailed) as failed:
            await both.remote.commit(Changes().guard("exists", "UPDATE note SET text = 'x' WHERE text = ?", "two"))
        return failed.value.guard, failed.value.expected_rows, failed.value.touched_rows

    assert two(main)[0] == ("exists", 1, 0)


def test_doubled_and_repeated_requests_happen_once():
    async def main(both):
        for kind in ("network.duplicate", "network.loss", "network.reorder"):
            both.network.faults.rate(kind, 0.3)
        done = await asyncio.gather(
            *(both.remote.commit(Changes().write("INSERT INTO note VALUES ('t', ?)", f"{n}")) for n in range(20)),
            return_exceptions=True,
        )
        both.network.faults.stop()
        await both.host.clock.sleep(60_000)
        return done, await both.notes()

    happened = Counter()
    for seed in range(10):
        (done, notes), fired = two(main, seed)
        happened += fired
        assert {type(one) for one in done} <= {list, CommitUnknown, StoreError}
        acknowledged = {f"{n}" for n, one in enumerate(done) if isinstance(one, list)}
        unwritten = {f"{n}" for n, one in enumerate(done) if type(one) is StoreError}
        assert acknowledged <= set(notes)
        assert not unwritten & set(notes)
    assert min(happened[kind] for kind in ("network.duplicate", "network.loss", "network.reorder")) > 20


def test_a_commit_whose_answer_is_lost_is_unknown_and_a_read_is_tried_again():
    async def main(both):
        await both.remote.read([ALL])  # a session is open
        both.network.cut(STORE, "silo-1", "network.one_way")
        with pytest.raises(CommitUnknown):
            await both.remote.commit(Changes().write(INSERT, "there all the same"))
        reading = both.host.spawn(both.remote.read([ALL]), "read")
        await both.host.clock.sleep(1_000)
        both.network.mend_all()
        return await reading

    found, fired = two(main)
    assert found == [[("there all the same",)]]
    assert fired["network.one_way"] >= 4  # it was asked again, and done once


def test_a_store_that_is_not_there_wrote_nothing():
    async def main(both):
        both.network.leave(STORE)
        with pytest.raises(StoreError, match="can't be reached; nothing was written") as failed:
            await both.remote.commit(Changes().write(INSERT, "one"))
        assert not isinstance(failed.value, CommitUnknown)
        both.start_store()
        await both.remote.commit(Changes().write(INSERT, "two"))
        return await both.notes()

    assert two(main)[0] == ["two"]


def test_what_was_asked_of_an_earlier_process_is_unknown_to_the_next():
    async def main(both):
        await both.remote.read([ALL])
        both.start_store()
        with pytest.raises(CommitUnknown):
            await both.remote.commit(Changes().write(INSERT, "one"))
        await both.remote.commit(Changes().write(INSERT, "two"))  # in a new session
        return await both.notes()

    assert two(main)[0] == ["two"]


def test_a_commit_and_its_hooks_happen_when_the_caller_has_gone():
    async def main(both):
        heard = []
        await both.remote.read([ALL])
        with pytest.raises(TimeoutError):
            async with both.host.clock.timeout(0.01):
                await both.remote.commit(Changes().write(INSERT, "one").after(lambda: heard.append("hook")))
        await both.host.clock.sleep(1_000)
        return heard, await both.notes()

    assert two(main)[0] == (["hook"], ["one"])


def test_the_next_life_of_a_silo_ends_what_its_predecessor_had_on_the_way():
    """Else a commit of the dead would come after the living one has looked for what is there."""

    async def main(both):
        await both.remote.read([ALL])
        both.network.faults.plan("network.delay")  # the next message is late, by up to three seconds
        loop, work = asyncio.get_running_loop(), both.remote.commit(Changes().write(INSERT, "late"))
        loop.create_task(work, context=incarnation_context("silo-1.1"))
        await both.host.clock.sleep(1)
        loop.freeze("silo-1.1")
        successor = RemoteStore(both.network, "silo-1", Host(both.host.clock, Rng("silo, second life")))
        both.network.join("silo-1", both.host, successor.receive)
        seen = (await successor.read([ALL]))[0]
        await both.host.clock.sleep(60_000)
        return seen, (await successor.read([ALL]))[0]

    for seed in range(10):
        (seen, later), fired = two(main, seed)
        assert fired["network.delay"] == 1
        assert seen == later
