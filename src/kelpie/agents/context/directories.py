"""The folders of an agent in its context: which files there are, and what it sees of those it holds open.

They stand in the system prompt, behind core memory. The text changes when a file is opened or closed and with nothing
else, so that the prefix stays what a provider's prompt cache knows.
"""

import re
from collections.abc import Sequence

from kelpie.agents.agent import Agent
from kelpie.files import attached
from kelpie.files import limits as file_limits
from kelpie.files.attached import AgentFile, Bounds, Directory
from kelpie.models.model import ModelCard
from umi.storage import View

# By the context window, in tokens: (up to, files open at most, characters shown of each).
_BY_WINDOW = ((8_000, 3, 5_000), (32_000, 5, 15_000), (128_000, 10, 25_000), (200_000, 10, 40_000))
_BY_LARGER = (15, 40_000)
# What a file says must not end the part of the prompt it stands in.
_ENDS = re.compile(r"</(?=(?:value|file|directory|directories)>)")


def bounds_of(agent: Agent, card: ModelCard | None) -> Bounds:
    """How many files the agent may hold open, and what it is shown of each: as it was set, or by its window."""
    window = agent.context_window_tokens or (card.context_window_tokens if card is not None else 0)
    by_window = next((most[1:] for most in _BY_WINDOW if window <= most[0]), _BY_LARGER)
    set_to = (agent.extras.get("max_files_open"), agent.extras.get("per_file_view_window_char_limit"))
    files, chars = (one if own is None else int(own) for own, one in zip(set_to, by_window, strict=True))
    return Bounds(
        files_open=max(0, min(files, file_limits.AGENT_FILES_OPEN_MAX)),
        view_chars=max(1, min(chars, file_limits.AGENT_VIEW_CHARS_MAX)),
    )


async def read(view: View, agent: Agent, card: ModelCard | None) -> str:
    """The part of the system prompt, for an agent that has folders; "" for one that has none any more."""
    return render(await attached.directories(view, agent.tenant, agent.id), bounds_of(agent, card))


def render(directories: Sequence[Directory], bounds: Bounds) -> str:
    """Folders as Letta's agents know them."""
    if not directories:
        return ""
    held = sum(file.is_open for one in directories for file in one.files)
    limits = f"- current_files_open={held}\n- max_files_open={bounds.files_open}"
    parts = [f"<directories>\n<file_limits>\n{limits}\n</file_limits>"]
    parts += [_directory(one) for one in directories]
    return "\n".join([*parts, "</directories>"])


def _directory(one: Directory) -> str:
    folder = one.folder
    parts = [f'<directory name="{_attribute(folder.name)}">']
    if folder.description:
        parts.append(f"<description>{folder.description}</description>")
    if folder.instructions:
        parts.append(f"<instructions>{folder.instructions}</instructions>")
    parts += [_file(file) for file in one.files]
    if one.total > len(one.files):
        parts.append(f"({one.total - len(one.files):,} more files; grep_files and semantic_search_files find in them)")
    return "\n".join([*parts, "</directory>"])


def _file(file: AgentFile) -> str:
    name, status = _attribute(file.path), "open" if file.is_open else "closed"
    if not file.is_open:
        return f'<file status="{status}" name="{name}"/>'
    metadata = (
        f"<metadata>\n- read_only=true\n- chars_current={len(file.shown)}\n- chars_total={file.chars}\n</metadata>"
    )
    value = _ENDS.sub(r"<\\/", file.shown)
    return f'<file status="{status}" name="{name}">\n{metadata}\n<value>\n{value}\n</value>\n</file>'


def _attribute(text: str) -> str:
    return text.replace('"', "&quot;").replace("<", "&lt;")
