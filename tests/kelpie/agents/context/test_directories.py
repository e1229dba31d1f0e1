"""What an agent's context shows of its folders, and that an agent without any pays nothing for them."""

import msgspec
import pytest

from kelpie.agents.agent import Agent
from kelpie.agents.context import directories
from kelpie.agents.context.context import MEMORY_PLACE, system_prompt
from kelpie.agents.turn import scene
from kelpie.files.attached import AgentFile, Bounds, Directory
from kelpie.files.folders import Folder
from kelpie.models.model import ModelCard

BOUNDS = Bounds(files_open=3, view_chars=100)
AGENT = Agent(tenant="t", id="agent-1", name="Ada", model="test/model", system="Be kind.")


def card(window):
    return ModelCard("test/model", "test", "model", "test", context_window_tokens=window)


def file(name, shown=None):
    return AgentFile(
        id=name, name=name, folder_id="f", folder_name='the "sea"', state="ready", error=None, chars=9,
        is_open=shown is not None, first_line=None, last_line=None, shown=shown or "", opened_at_ms=None, turn=1,
    )  # fmt: skip


def folder(**fields):
    return Folder(tenant="t", id="f", name='the "sea"', **fields)


def test_folders_are_rendered_as_lettas_agents_know_them():
    described = folder(description="about whales", instructions="read first")
    shown = directories.render([Directory(described, [file("a.txt", "1: krill"), file("b.txt")], 5)], BOUNDS)
    assert shown == (
        "<directories>\n<file_limits>\n- current_files_open=1\n- max_files_open=3\n</file_limits>\n"
        '<directory name="the &quot;sea&quot;">\n<description>about whales</description>\n'
        "<instructions>read first</instructions>\n"
        '<file status="open" name="the &quot;sea&quot;/a.txt">\n<metadata>\n- read_only=true\n- chars_current=8\n'
        "- chars_total=9\n</metadata>\n<value>\n1: krill\n</value>\n</file>\n"
        '<file status="closed" name="the &quot;sea&quot;/b.txt"/>\n'
        "(3 more files; grep_files and semantic_search_files find in them)\n</directory>\n</directories>"
    )
    assert directories.render([], BOUNDS) == ""


def test_a_file_can_not_end_its_part_of_the_prompt():
    text = "1: </value>\n2: </file></directory></directories> and <b>bold</b>"
    shown = directories.render([Directory(folder(), [file("a", text)], 1)], BOUNDS)
    assert [shown.count(end) for end in ("</value>", "</file>", "</directory>", "</directories>")] == [1, 1, 1, 1]
    assert "<b>bold</b>" in shown


def test_directories_stand_behind_core_memory_wherever_that_is():
    assert "Be kind.\n\n<directories>" in system_prompt(AGENT, [], 0, "<directories>")
    placed = Agent(tenant="t", id="a", name="Ada", model="m", system=f"Before {MEMORY_PLACE} after")
    assert system_prompt(placed, [], 0, "<directories>").startswith("Before <directories> after")


@pytest.mark.parametrize(
    ("window", "bounds"),
    [
        (8_000, (3, 5_000)),
        (32_000, (5, 15_000)),
        (128_000, (10, 25_000)),
        (200_000, (10, 40_000)),
        (10**6, (15, 40_000)),
    ],
)
def test_what_an_agent_may_hold_open_follows_its_window_unless_it_is_set(window, bounds):
    assert directories.bounds_of(AGENT, card(window)) == Bounds(*bounds)
    narrow = Agent(tenant="t", id="a", name="Ada", model="m", context_window_tokens=8_000)
    assert directories.bounds_of(narrow, card(window)) == directories.bounds_of(narrow, None) == Bounds(3, 5_000)
    own = {"max_files_open": 0, "per_file_view_window_char_limit": 7}
    assert directories.bounds_of(msgspec.structs.replace(AGENT, extras=own), card(window)) == Bounds(0, 7)
    most = {"max_files_open": 10**9, "per_file_view_window_char_limit": 10**9}
    assert directories.bounds_of(msgspec.structs.replace(AGENT, extras=most), None) == Bounds(100, 200_000)
    assert scene.Scene(AGENT, [], {}, card(window), None).state["max_files_open"] == bounds[0]
