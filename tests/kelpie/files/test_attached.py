"""Which files agents see, and which they hold open: never more than they may, closing what was opened longest ago."""

import asyncio

import pytest

from kelpie.errors import Conflict, GuardFailed, InvalidInput, NotFound
from kelpie.files import attached, files, folders
from kelpie.files.attached import Bounds, Wish
from umi.storage import Page

BOUNDS = Bounds(files_open=2, view_chars=1_000)


@pytest.fixture
async def library(room):
    """Agent ada has two folders, of which one has files a, b, c, d; ben has one of them."""
    first, second = await room.folder("first"), await room.folder("second")
    for name in "abcd":
        await room.read(first, f"{name}.txt", f"{name} one\n{name} two\n")
    await room.read(second, "a.txt", "of the second")
    await room.attach("ada", first, second, first)
    await room.attach("ben", second)
    room.first, room.second = first, second
    return room


async def opened(room, *paths, agent="ada", **how):
    wishes = [Wish(await attached.by_path(room.view, "t", agent, path)) for path in paths]
    plan = await attached.plan_open(room.view, "t", agent, wishes, BOUNDS, room.host.clock.now_ms(), **how)
    await room.database.commit(plan.changes)
    return plan.closed


async def held(room, agent="ada"):
    found = await attached.list_files(room.view, "t", agent, Page(), is_open=True)
    return [one.path for one in found]


async def test_the_file_opened_longest_ago_is_closed(library):
    assert await opened(library, "first/a.txt") == []
    assert await opened(library, "first/b.txt") == []
    assert await opened(library, "first/a.txt") == []  # looked at again
    assert await opened(library, "first/c.txt") == ["first/b.txt"]
    assert await held(library) == ["first/a.txt", "first/c.txt"]
    assert await opened(library, "first/d.txt", close_others=True) == ["first/a.txt", "first/c.txt"]
    assert await held(library, "ben") == []
    paths, changes = await attached.plan_close_all(library.view, "t", "ada")
    await library.database.commit(changes)
    assert (paths, await held(library)) == (["first/d.txt"], [])


async def test_an_open_file_shows_its_lines_and_a_closed_one_nothing(library):
    file = await attached.by_path(library.view, "t", "ada", "b.txt")
    plan = await attached.plan_open(library.view, "t", "ada", [Wish(file, 1, 1)], BOUNDS, 7)
    await library.database.commit(plan.changes)
    seen = await attached.get(library.view, "t", "ada", file.id)
    assert (seen.first_line, seen.last_line, seen.opened_at_ms) == (2, 2, 7)
    assert plan.shown == [seen.shown] == ["[1 lines before]\n2: b two\n[end of the file]"]
    await library.database.commit(attached.plan_close("t", "ada", file.id))
    seen = await attached.get(library.view, "t", "ada", file.id)
    assert (seen.is_open, seen.shown, seen.first_line) == (False, "", None)


async def test_what_can_not_be_opened_is_said(library):
    with pytest.raises(InvalidInput, match=r"'a\.txt' may be first/a\.txt or second/a\.txt"):
        await attached.by_path(library.view, "t", "ada", "a.txt")
    for agent, path in (("ada", "first/z.txt"), ("ben", "first/a.txt"), ("ben", "b.txt"), ("eve", "second/a.txt")):
        with pytest.raises(NotFound, match="is in a folder of this agent"):
            await attached.by_path(library.view, "t", agent, path)
    with pytest.raises(InvalidInput, match="3 files can't be opened: this agent holds 2 open at most"):
        await opened(library, "first/a.txt", "first/b.txt", "first/c.txt")
    with pytest.raises(InvalidInput, match="a file can be opened once only"):
        await opened(library, "first/b.txt", "b.txt")
    file = await attached.by_path(library.view, "t", "ada", "b.txt")
    with pytest.raises(InvalidInput, match=r"'first/b\.txt' has 2 lines; the offset 2 is behind its end"):
        await attached.plan_open(library.view, "t", "ada", [Wish(file, 2)], BOUNDS, 0)


async def test_a_file_that_is_not_read_yet_or_could_not_be_is_not_opened(library):
    file, _ = await files.upload(library.view, library.host, library.second, upload("w.txt", b"x"), no_changes)
    with pytest.raises(Conflict, match=r"'second/w\.txt' is still being read"):
        await opened(library, "second/w.txt")
    await library.database.commit(files.plan_failed(file, "it is no text", 0))
    with pytest.raises(InvalidInput, match=r"'second/w\.txt' has no text: it is no text"):
        await opened(library, "second/w.txt")


def upload(name, content):
    return files.Upload(file_name=name, content=content)


def no_changes(_file):
    from umi.storage import Changes

    return Changes()


async def test_two_who_open_at_once_never_hold_more_than_may_be(library):
    plans = []
    for path in ("first/a.txt", "first/b.txt", "first/c.txt"):
        wish = Wish(await attached.by_path(library.view, "t", "ada", path))
        plans.append(await attached.plan_open(library.view, "t", "ada", [wish], BOUNDS, 0))
    came = await asyncio.gather(*(library.database.commit(plan.changes) for plan in plans), return_exceptions=True)
    assert [type(one) for one in came] == [list, list, GuardFailed]
    assert len(await held(library)) == 2


async def test_a_plan_to_open_a_file_that_is_gone_meanwhile_fails(library):
    wish = Wish(await attached.by_path(library.view, "t", "ada", "first/a.txt"))
    plan = await attached.plan_open(library.view, "t", "ada", [wish], BOUNDS, 0)
    await library.database.commit(attached.plan_detach("t", "ada", library.first.id))
    with pytest.raises(GuardFailed):
        await library.database.commit(plan.changes)
    assert await library.count("agent_file") == 0


async def test_taking_a_folder_deleting_one_and_deleting_an_agent(library):
    await opened(library, "first/a.txt", "second/a.txt")
    await opened(library, "second/a.txt", agent="ben")
    assert await attached.agents_of(library.view, "t", library.second.id) == ["ada", "ben"]
    await library.database.commit(attached.plan_detach("t", "ada", library.first.id))
    assert await held(library) == ["second/a.txt"]
    await library.database.commit(attached.plan_forget_agent("t", "ben"))
    assert await library.count("agent_file") == await library.count("agent_folder") == 1
    await library.database.commit(folders.plan_delete(library.second))
    assert await library.count("agent_file") == await library.count("agent_folder") == 0
    assert await library.count("file") == 4


async def test_the_files_of_an_agent_are_paged_by_age(library):
    every = await attached.list_files(library.view, "t", "ada", Page())
    assert [one.path for one in every] == [*(f"first/{name}.txt" for name in "abcd"), "second/a.txt"]
    page = Page(limit=2, after=every[3].id, ascending=False)
    assert [one.name for one in await attached.list_files(library.view, "t", "ada", page)] == ["c.txt", "b.txt"]
    await opened(library, "first/c.txt")
    closed = await attached.list_files(library.view, "t", "ada", Page(), is_open=False)
    assert len(closed) == 4


async def test_the_directories_hold_every_open_file_and_name_so_many_closed_ones(library, monkeypatch):
    await opened(library, "first/d.txt")
    monkeypatch.setattr(attached.limits, "AGENT_FILES_OPEN_MAX", 1)
    monkeypatch.setattr(attached.limits, "AGENT_FILES_SHOWN_MAX", 2)
    first, second = await attached.directories(library.view, "t", "ada")
    assert [one.name for one in first.files] == ["d.txt", "a.txt", "b.txt"]
    assert (first.total, second.total, second.files) == (4, 1, [])
