"""The store of a Memory: opened once, by its first use, in one event loop; what can't be opened is named and left."""

import asyncio
import threading
from pathlib import Path

import apsw
import pytest

import umi.sync
from umi import Memory
from umi.errors import CalledFromElsewhere, InvalidInput, StoreClosed, StoreCorrupt, StoreError, StoreInUse, StoreNewer


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "memory.db")


def new(path):
    return Memory(path, embedder=None)


async def works(path):
    async with new(path) as memory:
        return await memory.count() == 0


async def test_a_close_while_it_opens_lets_go_of_the_file(path):
    memory = new(path)
    first = asyncio.ensure_future(memory.count())
    await asyncio.sleep(0)
    await memory.close()
    assert await works(path)
    with pytest.raises(StoreClosed, match="make a new one"):
        await first
    with pytest.raises(StoreClosed, match="make a new one"):
        await memory.count()


async def test_a_cancelled_close_while_it_opens_lets_go_of_the_file_too(path):
    memory = new(path)
    first = asyncio.ensure_future(memory.count())
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(memory.close())
    await asyncio.sleep(0)
    closing.cancel()
    assert isinstance((await asyncio.gather(first, closing, return_exceptions=True))[1], asyncio.CancelledError)
    await memory.close()
    assert await works(path)


async def test_a_call_after_one_that_was_cancelled_while_it_opened_works(path):
    memory = new(path)
    first = asyncio.ensure_future(memory.count())
    await asyncio.sleep(0)
    first.cancel()
    assert await memory.count() == 0
    assert first.cancelled()
    await memory.close()


async def test_an_opening_that_nobody_waits_for_any_more_is_closed_by_close(path):
    memory = new(path)
    first = asyncio.ensure_future(memory.count())
    await asyncio.sleep(0)
    first.cancel()
    await memory.close()
    assert await works(path)


async def test_many_first_calls_open_it_once(path):
    async with new(path) as memory:
        assert await asyncio.gather(*(memory.count() for _ in range(20))) == [0] * 20


async def test_an_opening_that_failed_is_tried_again_by_the_next_call(path):
    late = new(path)
    async with new(path) as memory:
        await memory.remember("Ada likes tea.")
        refused = await asyncio.gather(*(late.count() for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in refused] == [StoreInUse] * 3
    assert await late.count() == 1
    await late.close()


async def test_closing_again_or_before_any_use_does_nothing(path):
    memory = new(path)
    await memory.close()
    await asyncio.gather(memory.close(), memory.close())
    assert await works(path)


def test_one_memory_in_several_event_loops_works_in_the_first_and_names_umi_sync_in_the_others(path):
    memory, begin, done = new(path), threading.Barrier(4), threading.Barrier(4)
    found = []

    async def remember(n):
        begin.wait()
        try:
            for place in range(5):
                await memory.remember(f"Thread {n} said so, {place}.", extract=False)
            found.append(None)
        except CalledFromElsewhere as error:
            found.append(str(error))
        done.wait()  # a thread that began later would find the first loop at its end
        try:
            await memory.close()
        except CalledFromElsewhere as error:
            found.append(str(error))

    threads = [threading.Thread(target=asyncio.run, args=(remember(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(None) == 1
    assert all("umi.sync" in said for said in found if said is not None)
    assert asyncio.run(count(path)) == 5


async def count(path):
    async with new(path) as memory:
        return await memory.count()


def test_what_one_loop_left_open_another_can_only_close(path):
    memory = new(path)
    asyncio.run(memory.remember("Ada likes tea."))

    async def again():
        with pytest.raises(CalledFromElsewhere, match=r"umi\.sync"):
            await memory.recall("tea")
        with pytest.raises(CalledFromElsewhere, match=r"umi\.sync"):
            await memory.core.set_block("persona", "kind")
        await memory.close()

    asyncio.run(again())
    assert asyncio.run(count(path)) == 1


def test_umi_sync_serves_the_threads_that_one_memory_of_a_loop_refuses(path):
    with umi.sync.Memory(path, embedder=None) as memory:
        threads = [threading.Thread(target=memory.remember, args=(f"Thread {n} said so.",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert memory.count() == 4


def garbage(path):
    Path(path).write_bytes(bytes(range(256)) * 64)


def torn(path):
    Path(path).write_bytes(b"SQLite format 3\x00" + b"\xff" * 5_000)


def foreign(path):
    with apsw.Connection(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)").fetchall()
    connection.close()


def newer(path):
    asyncio.run(works(path))
    with apsw.Connection(path) as connection:
        connection.execute("UPDATE room_schema SET number = number + 1000").fetchall()
    connection.close()


@pytest.mark.parametrize(
    ("make", "error"),
    [(garbage, StoreCorrupt), (torn, StoreCorrupt), (foreign, StoreCorrupt), (newer, StoreNewer)],
    ids=["garbage", "torn", "foreign", "newer"],
)
def test_a_file_that_is_none_of_ours_is_named_and_left_as_it_is(path, make, error):
    make(path)
    before = Path(path).read_bytes()

    async def use():
        memory = new(path)
        for call in (memory.count(), memory.remember("Ada likes tea."), memory.recall("tea")):
            with pytest.raises(error, match=r"memory\.db"):
                await call
        await memory.close()

    asyncio.run(use())
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize(
    "store", ["", "  ", "a\x00b", "a\udc80b", 5, None, b"memory.db", Path("memory.db"), [], object()]
)
def test_what_is_no_path_is_refused_when_the_memory_is_made(store):
    with pytest.raises(InvalidInput):
        Memory(store)


async def test_a_folder_in_place_of_a_file_and_a_folder_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(StoreError):
        await new(str(tmp_path)).count()
    with pytest.raises(StoreError):
        await new(str(tmp_path / "nowhere" / ("x" * 300))).count()
