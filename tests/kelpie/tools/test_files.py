"""What a model reads when it looks into files."""

import dataclasses

import pytest
from tests.kelpie.files.conftest import Room, database  # noqa: F401 - the fixture `room` stands on it

from kelpie.errors import NotFound, ToolFailed
from kelpie.tools.files import FILE_TOOLS
from kelpie.tools.tool import ToolContext

TOOLS = {tool.name: tool for tool in FILE_TOOLS}


@pytest.fixture
async def sea(database, host):  # noqa: F811
    room = Room(database, host)
    folder = await room.folder("sea")
    await room.read(folder, "poem.txt", "".join(f"whale {number}\n" for number in range(1, 31)))
    await room.read(folder, "b.txt", "krill is red")
    await room.read(folder, "c.txt", "ships")
    await room.attach("ada", folder)
    room.context = ToolContext(
        "t", "ada", "run-1", "step-1", "call-1", room.view, host, room.archive,
        agent={"max_files_open": 2, "per_file_view_window_char_limit": 100},
    )  # fmt: skip
    return room


async def call(room, name, **arguments):
    outcome = await TOOLS[name].run(room.context, arguments)
    await room.database.commit(outcome.changes)
    return outcome.text


def test_they_have_lettas_names_and_parameters():
    assert {name: list(tool.spec.parameters["properties"]) for name, tool in TOOLS.items()} == {
        "open_files": ["file_requests", "close_all_others"],
        "grep_files": ["pattern", "include", "context_lines", "offset"],
        "semantic_search_files": ["query", "limit"],
    }
    assert {tool.reach for tool in FILE_TOOLS} == {"store"}


async def test_files_are_opened_in_ranges_and_others_closed(sea):
    said = await call(sea, "open_files", file_requests=[{"file_name": "sea/poem.txt", "offset": 4, "length": 2}])
    assert said.startswith("Opened sea/poem.txt: lines 5 to 6, 24 lines after; open it with offset 6.\n")
    await call(sea, "open_files", file_requests=[{"file_name": "b.txt"}])
    said = await call(sea, "open_files", file_requests=[{"file_name": "c.txt"}])
    assert said.startswith("Opened sea/c.txt: lines 1 to 1, end of the file.\nClosed sea/poem.txt.\n")
    said = await call(sea, "open_files", file_requests=[{"file_name": "poem.txt"}], close_all_others=True)
    assert "lines 1 to 9, 21 lines after" in said
    assert "Closed sea/b.txt, sea/c.txt." in said


async def test_calls_of_one_step_see_one_another(sea):
    first = await TOOLS["open_files"].run(
        sea.context, {"file_requests": [{"file_name": "b.txt"}, {"file_name": "c.txt"}]}
    )
    later = dataclasses.replace(sea.context, view=type(sea.view)(sea.database, first.changes))
    second = await TOOLS["open_files"].run(later, {"file_requests": [{"file_name": "poem.txt"}]})
    assert "Closed sea/b.txt." in second.text
    await sea.database.commit(first.changes.extend(second.changes))


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("open_files", {"file_requests": []}, "file_requests is empty"),
        ("open_files", {"file_requests": ["b.txt"]}, "must be an object"),
        ("open_files", {"file_requests": [{"file_name": "b.txt", "offset": -1}]}, "offset must be 0 or more"),
        ("open_files", {"file_requests": [{"file_name": "b.txt", "length": 0}]}, "length 1 or more"),
        ("open_files", {"files": ["b.txt"]}, "unknown argument files"),
        ("grep_files", {"pattern": "a", "context_lines": 11}, "context_lines must be from 0 to 10"),
        ("grep_files", {"pattern": "a", "offset": -1}, "offset must be 0 or more"),
        ("semantic_search_files", {"query": "a", "limit": 0}, "limit must be from 1 to 50"),
        ("semantic_search_files", {"query": 7}, "query must be a string"),
    ],
)
async def test_a_wrong_call_says_what_is_wrong_with_it(sea, name, arguments, why):
    with pytest.raises(ToolFailed, match=why):
        await call(sea, name, **arguments)


async def test_a_file_that_is_not_there_is_named(sea):
    with pytest.raises(NotFound, match=r"no file named 'sea/z\.txt'"):
        await call(sea, "open_files", file_requests=[{"file_name": "sea/z.txt"}])


async def test_grep_shows_twenty_matches_and_how_to_see_more(sea):
    said = await call(sea, "grep_files", pattern="WHALE", context_lines=0)
    assert said.startswith("Found 30 matches in 1 files: sea/poem.txt (30)\n\n=== sea/poem.txt, line 1\n> 1: whale 1\n")
    assert said.endswith("Showing matches 1 to 20. For more, search again with offset 20.")
    said = await call(sea, "grep_files", pattern="whale", offset=28)
    assert said.endswith("=== sea/poem.txt, line 30\n  29: whale 29\n> 30: whale 30")
    assert await call(sea, "grep_files", pattern="submarine") == "No matches found."


async def test_passages_that_answer_a_question_are_shown_with_their_place(sea):
    said = await call(sea, "semantic_search_files", query="what colour is krill?")
    assert said == "=== sea/b.txt, characters 0 to 12\nkrill is red"
    assert await call(sea, "semantic_search_files", query="zebra") == "No results found."


async def test_a_missing_library_is_said_to_the_model(sea, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ToolFailed, match=r"kelpie\[files\]"):
        await call(sea, "grep_files", pattern="a")
