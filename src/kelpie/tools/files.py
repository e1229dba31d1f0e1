"""The tools with which an agent looks into the files of its folders. They come with the first folder.

Opening only plans, as memory's tools do: the file is in the agent's context from the next step on.
"""

from collections.abc import Mapping
from typing import Any

from kelpie.errors import EnvironmentFault, ToolFailed
from kelpie.files import attached, limits, searching
from kelpie.files.attached import Bounds, Wish
from kelpie.files.searching import Matches
from kelpie.tools.arguments import check_arguments
from kelpie.tools.tool import Outcome, Tool, ToolContext, ToolFunction
from umi.wire.types import ToolSpec

OPEN_FILES, GREP_FILES, SEMANTIC_SEARCH_FILES = "open_files", "grep_files", "semantic_search_files"
_NAME = {"type": "string", "description": "The file as folder/file."}
_REQUEST = {
    "type": "object",
    "properties": {
        "file_name": _NAME,
        "offset": {
            "type": "integer",
            "description": "The first line to show, from 0; the beginning if not given.",
        },
        "length": {"type": "integer", "description": "How many lines to show; as many as may be shown if not given."},
    },
    "required": ["file_name"],
}
_NO_AGENT = Bounds(files_open=5, view_chars=15_000)


def bounds_of(agent: Mapping[str, Any]) -> Bounds:
    """What a call's agent may hold open and see of it; where a tool is tried without an agent, a little."""
    files, chars = agent.get("max_files_open"), agent.get("per_file_view_window_char_limit")
    return Bounds(_NO_AGENT.files_open if files is None else files, _NO_AGENT.view_chars if chars is None else chars)


async def _open_files(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    requests = arguments["file_requests"]
    if not requests:
        raise ToolFailed("file_requests is empty: name at least one file")
    wishes = [await _wish(context, request) for request in requests]
    opened = await attached.plan_open(
        context.view,
        context.tenant,
        context.agent_id,
        wishes,
        bounds_of(context.agent),
        context.host.clock.now_ms(),
        close_others=bool(arguments.get("close_all_others")),
    )
    said = [f"Opened {wish.file.path}: {_range(text)}." for wish, text in zip(wishes, opened.shown, strict=True)]
    if opened.closed:
        said.append(f"Closed {', '.join(opened.closed)}.")
    said.append("What they say is in your context now, in the section of your directories.")
    return Outcome("\n".join(said), changes=opened.changes)


async def _wish(context: ToolContext, request: dict[str, Any]) -> Wish:
    start, length = request.get("offset") or 0, request.get("length")
    if start < 0 or (length is not None and length < 1):
        raise ToolFailed(f"offset must be 0 or more and length 1 or more, not {start} and {length}")
    file = await attached.by_path(context.view, context.tenant, context.agent_id, request["file_name"])
    return Wish(file, start, length)


def _range(shown: str) -> str:
    """What a window says of itself, in its first and last line."""
    lines = shown.split("\n")
    if len(lines) < 3:
        return lines[0].strip("[]")
    first, last = lines[1].partition(":")[0], lines[-2].partition(":")[0]
    return f"lines {first} to {last}, {lines[-1].strip('[]')}"


async def _grep_files(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    around = arguments.get("context_lines")
    around = 1 if around is None else around
    skip = arguments.get("offset") or 0
    if not 0 <= around <= limits.GREP_CONTEXT_LINES_MAX:
        raise ToolFailed(f"context_lines must be from 0 to {limits.GREP_CONTEXT_LINES_MAX}, not {around}")
    if skip < 0:
        raise ToolFailed(f"offset must be 0 or more, not {skip}")
    matches = await searching.grep(
        context.view,
        context.tenant,
        context.agent_id,
        arguments["pattern"],
        include=arguments.get("include"),
        context_lines=around,
        skip=skip,
    )
    return Outcome(_told(matches, skip))


def _told(matches: Matches, skip: int) -> str:
    halted = f"\n(Not every file was searched: {matches.halted}. Narrow it with include.)" if matches.halted else ""
    if not matches.total:
        return f"No matches found.{halted}"
    files = ", ".join(f"{path} ({count})" for path, count in matches.counts.items())
    parts = [f"Found {matches.total} matches in {len(matches.counts)} files: {files}{halted}"]
    for match in matches.page:
        lines = [f"{'>' if number == match.line else ' '} {number}: {text}" for number, text in match.around]
        parts.append("\n".join([f"=== {match.path}, line {match.line}", *lines]))
    after = skip + len(matches.page)
    if after < matches.total:
        parts.append(f"Showing matches {skip + 1} to {after}. For more, search again with offset {after}.")
    return "\n\n".join(parts)


async def _semantic_search_files(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    limit = arguments.get("limit")
    limit = 5 if limit is None else limit
    if not 1 <= limit <= limits.SEARCH_RESULTS_MAX:
        raise ToolFailed(f"limit must be from 1 to {limits.SEARCH_RESULTS_MAX}, not {limit}")
    found = await searching.search(
        context.view, context.archive, context.tenant, context.agent_id, arguments["query"], limit
    )
    if not found:
        return Outcome("No results found.")
    parts = []
    for one in found:
        start, end = one.recalled.fact.source.get("start"), one.recalled.fact.source.get("end")
        parts.append(f"=== {one.path}, characters {start} to {end}\n{one.recalled.fact.text}")
    return Outcome("\n\n".join(parts))


def _checked(spec: ToolSpec, run: ToolFunction) -> ToolFunction:
    """The tool with its arguments checked against its schema first, and what is missing here said to the model."""

    async def call(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        checked = check_arguments(spec.name, spec.parameters, arguments)
        try:
            return await run(context, checked)
        except EnvironmentFault as error:
            raise ToolFailed(str(error)) from error

    return call


def _tool(name: str, description: str, properties: dict[str, Any], required: list[str], run: ToolFunction) -> Tool:
    spec = ToolSpec(name, description, {"type": "object", "properties": properties, "required": required})
    return Tool(spec, _checked(spec, run), "store")


FILE_TOOLS: tuple[Tool, ...] = (
    _tool(
        OPEN_FILES,
        "Open one or more files of your directories, so that their lines stay in view until they are closed. Opening"
        " too many closes those that were opened longest ago. Open a file again to see another range of its lines.",
        {
            "file_requests": {
                "type": "array",
                "items": _REQUEST,
                "description": "Which files, and which of their lines.",
            },
            "close_all_others": {
                "type": "boolean",
                "description": "Close all other files first; false if not given.",
            },
        },
        ["file_requests"],
        _open_files,
    ),
    _tool(
        GREP_FILES,
        "Search the files of your directories for lines that match a pattern, whatever the case. Shows 20 matches at a"
        " time with the lines around them.",
        {
            "pattern": {"type": "string", "description": "A word or a regular expression."},
            "include": {
                "type": "string",
                "description": "A regular expression that file names must match.",
            },
            "context_lines": {
                "type": "integer",
                "description": "Lines to show around a match; 1 if not given.",
            },
            "offset": {"type": "integer", "description": "How many matches to skip, to see those after the first 20."},
        },
        ["pattern"],
        _grep_files,
    ),
    _tool(
        SEMANTIC_SEARCH_FILES,
        "Search the files of your directories for passages that answer a question, best first.",
        {
            "query": {"type": "string", "description": "What to look for, in words."},
            "limit": {"type": "integer", "description": "How many results at most; 5 if not given."},
        },
        ["query"],
        _semantic_search_files,
    ),
)
