"""Patterns find lines in the files an agent has, in no more than proportional time; questions find chunks."""

import sys

import pytest

from kelpie.errors import InvalidInput, LimitExceeded, MissingExtra
from kelpie.files import limits, searching

POEM = "The whale sings\nfar away\nA WHALE answers\nnothing more\n"


@pytest.fixture
async def sea(room):
    folder, other = await room.folder("sea"), await room.folder("land")
    await room.read(folder, "poem.txt", POEM)
    await room.read(folder, "list.csv", "animal,food\nwhale,krill\n")
    await room.read(other, "land.txt", "no whale here, but a fox eats mice")
    await room.attach("ada", folder, other)
    return room


async def grep(room, pattern, *, agent="ada", include=None, context_lines=0, skip=0):
    return await searching.grep(room.view, "t", agent, pattern, include=include, context_lines=context_lines, skip=skip)


async def test_lines_that_match_are_found_with_those_around_them(sea):
    found = await grep(sea, "whale s|answers$", context_lines=1)
    assert found.counts == {"sea/poem.txt": 2}
    assert [(one.path, one.line, one.around) for one in found.page] == [
        ("sea/poem.txt", 1, [(1, "The whale sings"), (2, "far away")]),
        ("sea/poem.txt", 3, [(2, "far away"), (3, "A WHALE answers"), (4, "nothing more")]),
    ]
    assert (await grep(sea, "WHALE")).counts == {"sea/poem.txt": 2, "sea/list.csv": 1, "land/land.txt": 1}
    assert (await grep(sea, "whale", include=r"\.csv$|^land/")).counts == {"sea/list.csv": 1, "land/land.txt": 1}
    assert (await grep(sea, "whale", agent="ben")).total == 0


async def test_pages_follow_one_another(sea, monkeypatch):
    monkeypatch.setattr(limits, "GREP_PAGE_MATCHES", 3)
    first, second = await grep(sea, "whale"), await grep(sea, "whale", skip=3)
    assert [len(first.page), len(second.page), first.total, second.total] == [3, 1, 4, 4]
    assert second.page[0].path == "land/land.txt"


async def test_a_search_that_is_cut_short_says_so(sea, monkeypatch):
    monkeypatch.setattr(searching, "_FILES_AT_ONCE", 1)
    monkeypatch.setattr(limits, "GREP_MATCHES_MAX", 2)
    assert (await grep(sea, "whale")).halted == "2 matches were found"
    monkeypatch.setattr(limits, "GREP_CHARS_MAX", 60)
    assert (await grep(sea, "nowhere")).halted == "60 characters were searched"


async def test_a_pattern_that_would_take_for_ever_elsewhere_does_not(sea):
    folder = await sea.folder("trap")
    await sea.read(folder, "a.txt", "a" * 30_000 + "!")
    await sea.attach("ada", folder)
    assert (await grep(sea, "(a+)+$", include="trap")).total == 30


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "a{1000}{1000}"])
async def test_what_is_no_pattern_is_said_to_be_none(sea, pattern):
    with pytest.raises(InvalidInput, match="is no regular expression"):
        await grep(sea, pattern)
    with pytest.raises(InvalidInput, match="the include"):
        await grep(sea, "a", include=pattern)


async def test_bounds_and_what_is_missing(sea, monkeypatch):
    with pytest.raises(LimitExceeded, match="the pattern is 1,001 characters"):
        await grep(sea, "a" * 1_001)
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(MissingExtra, match=r"kelpie\[files\]"):
        await grep(sea, "a")


async def test_questions_find_chunks_of_all_folders_best_first(sea):
    async def found(query, limit, agent="ada"):
        return [one.path for one in await searching.search(sea.view, sea.archive, "t", agent, query, limit)]

    assert await found("what does a fox eat?", 1) == ["land/land.txt"]
    assert set(await found("whale", 10)) == {"sea/poem.txt", "sea/list.csv", "land/land.txt"}
    assert len(await found("whale", 2)) == 2
    assert await found("whale", 5, agent="ben") == []


async def test_more_files_than_are_looked_at_are_said_and_long_ones_are_searched_one_by_one(sea, monkeypatch):
    folder = await sea.folder("more")
    await sea.read(folder, "a.txt", "whale " * 20)
    await sea.attach("ada", folder)
    monkeypatch.setattr(limits, "FILE_TEXT_CHARS_MAX", 100)
    assert (await grep(sea, "whale")).total == 5
    monkeypatch.setattr(limits, "GREP_FILES_MAX", 2)
    found = await grep(sea, "whale")
    assert (found.total, found.halted) == (3, "2 files were looked at")
