"""The tools with which an agent writes and reads its own memory. They only plan: the turn commits with its step."""

import datetime as dt
from typing import Any

import msgspec

from kelpie.errors import LimitExceeded, ToolFailed
from kelpie.tools import blocks, collections
from kelpie.tools import limits as tool_limits
from kelpie.tools.tool import Outcome, Tool, ToolContext
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories import messages
from umi import archival, core, limits
from umi.entity import Block
from umi.memory import Draft
from umi.wire.types import ToolSpec

LABEL = {"type": "string", "description": "The label of the memory block, for example human or persona."}


def spec_of(name: str, description: str, properties: dict[str, Any], required: list[str]) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": properties, "required": required})


def text_argument(arguments: dict[str, Any], name: str) -> str:
    """A required text. Raises ToolFailed, so that the model can mend its call."""
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ToolFailed(f"the argument '{name}' must be a text, not {type(value).__name__}")
    return value


def whole_number(arguments: dict[str, Any], name: str, default: int, maximum: int, *, at_least: int = 1) -> int:
    """A whole number that may be left out. Raises ToolFailed."""
    value = arguments.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= maximum:
        raise ToolFailed(f"the argument '{name}' must be a whole number from {at_least} to {maximum}, not {value!r}")
    return value


def _texts(arguments: dict[str, Any], name: str) -> list[str]:
    value = arguments.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ToolFailed(f"the argument '{name}' must be a list of texts")
    return value


def _moment_ms(arguments: dict[str, Any], name: str) -> int | None:
    """An ISO 8601 date or time in UTC unless it says otherwise, in ms since 1970."""
    value = arguments.get(name)
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise ToolFailed(f"the argument '{name}' must be an ISO 8601 date or time, not {value!r}") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def told_between(since_ms: int | None, until_ms: int | None) -> dict[str, Any] | None:
    """The filter for facts that became true within a span, both ends included."""
    bounds = {"gte": since_ms, "lte": until_ms}
    given = {operator: moment_ms for operator, moment_ms in bounds.items() if moment_ms is not None}
    return {"valid_from": given} if given else None


async def writable(context: ToolContext, label: str) -> Block:
    """The agent's block of this label. Raises NotFound, ToolFailed if it is read-only."""
    block = await blocks.by_label(context, label)
    if block.read_only:
        raise ToolFailed(f"block '{label}' is read-only")
    return block


def edited(context: ToolContext, block: Block, value: str) -> Outcome:
    """The block with another value, planned. Raises LimitExceeded, InvalidInput."""
    new = msgspec.structs.replace(block, value=value)
    changes = core.plan_update(block, new, context.host.clock.now_ms())
    size = f"{len(value):,} of {block.limit_chars:,} characters"
    return Outcome(f"Block '{block.label}' was changed; it holds {size}.", changes=changes)


async def _core_memory_append(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    label, content = text_argument(arguments, "label"), text_argument(arguments, "content")
    changes = await core.plan_append(
        context.view,
        context.tenant,
        await blocks.scope_for(context, label),
        label,
        content,
        block_id=context.host.ids.new("block"),
        now_ms=context.host.clock.now_ms(),
    )
    return Outcome(f"Added to block '{label}'.", changes=changes)


async def _core_memory_replace(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    block = await writable(context, text_argument(arguments, "label"))
    old, new = text_argument(arguments, "old_content"), text_argument(arguments, "new_content")
    if not old or old not in block.value:
        raise ToolFailed(f"old_content {old[:200]!r} is not in block '{block.label}'; it must match exactly")
    # Counted first: a long text in the place of every letter would fill the machine's memory before the bound is met.
    size = len(block.value) + block.value.count(old) * (len(new) - len(old))
    if size > block.limit_chars:
        raise LimitExceeded(f"the value of block '{block.label}'", size, block.limit_chars, "characters")
    return edited(context, block, block.value.replace(old, new))


async def _memory_insert(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    block = await writable(context, text_argument(arguments, "label"))
    text = text_argument(arguments, "new_string")
    lines = block.value.split("\n") if block.value else []
    line = arguments.get("insert_line", -1)
    if not isinstance(line, int) or isinstance(line, bool) or not -1 <= line <= len(lines):
        raise ToolFailed(f"insert_line must be from 0 to {len(lines)}, or -1 for the end, not {line!r}")
    at = len(lines) if line == -1 else line
    return edited(context, block, "\n".join([*lines[:at], *text.split("\n"), *lines[at:]]))


async def _memory_replace(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    block = await writable(context, text_argument(arguments, "label"))
    old, new = text_argument(arguments, "old_string"), text_argument(arguments, "new_string")
    occurrences = block.value.count(old) if old else 0
    if occurrences != 1:
        raise ToolFailed(
            f"old_string {old[:200]!r} occurs {occurrences} times in block '{block.label}'; it must occur exactly once"
        )
    return edited(context, block, block.value.replace(old, new))


async def _archival_memory_insert(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    """The text is one fact, as the model wrote it: nothing is read out of it, and the same may be there twice."""
    draft = Draft(
        text=text_argument(arguments, "content"),
        tags=list(dict.fromkeys(_texts(arguments, "tags"))),
        source={"kind": "tool", "run_id": context.run_id, "step_id": context.step_id},
    )
    scope, changes = await collections.written(context.view, context.tenant, context.agent_id)
    (stated,) = context.archive.stated(context.tenant, scope, [draft])
    why = context.archive.why("add", actor=context.agent_id)
    changes.extend(archival.plan_add([stated.fact], why))
    changes.after(lambda: context.archive.wake(context.tenant, scope))
    return Outcome(f"Remembered as {stated.fact.id}.", changes=changes)


async def found_facts(context: ToolContext, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """What archival_memory_search finds: timestamp, content and tags of each. Raises ToolFailed."""
    mode = arguments.get("tag_match_mode", "any")
    if mode not in ("any", "all"):
        raise ToolFailed(f"tag_match_mode must be any or all, not {mode!r}")
    found = await collections.recall(
        context.archive,
        context.view,
        context.tenant,
        await collections.searched(context.view, context.tenant, context.agent_id),
        text_argument(arguments, "query"),
        limit=whole_number(arguments, "top_k", limits.MEMORY_RECALL_LIMIT_DEFAULT, limits.MEMORY_RECALL_LIMIT_MAX),
        tags=_texts(arguments, "tags"),
        match_all_tags=mode == "all",
        filters=told_between(_moment_ms(arguments, "start_datetime"), _moment_ms(arguments, "end_datetime")),
    )
    return [
        {"timestamp": _iso(one.fact.valid_from_ms), "content": one.fact.text, "tags": one.fact.tags} for one in found
    ]


async def _archival_memory_search(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    return _results(await found_facts(context, arguments))


async def found_messages(context: ToolContext, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """What conversation_search finds: timestamp, role and content of each. Raises ToolFailed."""
    roles = tuple(_texts(arguments, "roles")) or ("user", "assistant")
    since_ms, until_ms = _moment_ms(arguments, "start_date"), _moment_ms(arguments, "end_date")
    found = await messages.search(
        context.view,
        context.tenant,
        context.agent_id,
        text_argument(arguments, "query"),
        limit=whole_number(arguments, "limit", 10, trajectory_limits.MESSAGE_SEARCH_RESULTS_MAX),
        roles=roles,
        since_ms=since_ms,
        until_ms=until_ms,
    )
    return [{"timestamp": _iso(one.created_at_ms), "role": one.body.role, "content": one.body.text} for one in found]


async def _conversation_search(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    return _results(await found_messages(context, arguments))


async def _conversation_search_date(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    """The same within a span, page by page: what agents of an older kind know it as."""
    for name in ("start_date", "end_date"):
        text_argument(arguments, name)
    size = tool_limits.CONVERSATION_PAGE_MESSAGES
    pages = trajectory_limits.MESSAGE_SEARCH_RESULTS_MAX // size
    page = whole_number(arguments, "page", 0, pages - 1, at_least=0)
    asked: dict[str, Any] = {name: arguments[name] for name in ("query", "start_date", "end_date") if name in arguments}
    found = await found_messages(context, {**asked, "limit": (page + 1) * size})
    return _results(found[page * size :])


def _results(found: list[dict[str, Any]]) -> Outcome:
    return Outcome(msgspec.json.encode(found).decode() if found else "No results found.")


async def _send_message(_context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    text_argument(arguments, "message")
    return Outcome("Sent message successfully.", ends_turn=True)


def _iso(moment_ms: int) -> str:
    return dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_TAGS = {"type": "array", "items": {"type": "string"}}
_DATE = {"type": "string", "description": "ISO 8601 date or time, for example 2026-03-01 or 2026-03-01T14:30:00Z."}

MEMORY_TOOLS: tuple[Tool, ...] = (
    Tool(
        spec_of(
            "core_memory_append",
            "Append a line to a block of core memory. The block is created if there is none with this label.",
            {"label": LABEL, "content": {"type": "string", "description": "What to add."}},
            ["label", "content"],
        ),
        _core_memory_append,
        "store",
    ),
    Tool(
        spec_of(
            "core_memory_replace",
            "Replace a text in a block of core memory. To delete it, give an empty new_content.",
            {
                "label": LABEL,
                "old_content": {"type": "string", "description": "The text to replace; it must match exactly."},
                "new_content": {"type": "string", "description": "What to write in its place."},
            },
            ["label", "old_content", "new_content"],
        ),
        _core_memory_replace,
        "store",
    ),
    Tool(
        spec_of(
            "memory_insert",
            "Insert text into a block of core memory, after a given line or at the end.",
            {
                "label": LABEL,
                "new_string": {"type": "string", "description": "The text to insert."},
                "insert_line": {
                    "type": "integer",
                    "description": "The line after which to insert; 0 is the beginning, -1 (default) the end.",
                },
            },
            ["label", "new_string"],
        ),
        _memory_insert,
        "store",
    ),
    Tool(
        spec_of(
            "memory_replace",
            "Replace a text that occurs exactly once in a block of core memory.",
            {
                "label": LABEL,
                "old_string": {"type": "string", "description": "The text to replace; it must match exactly."},
                "new_string": {"type": "string", "description": "What to write in its place."},
            },
            ["label", "old_string", "new_string"],
        ),
        _memory_replace,
        "store",
    ),
    Tool(
        spec_of(
            "archival_memory_insert",
            "Remember a fact in long-term memory, where archival_memory_search finds it again.",
            {"content": {"type": "string", "description": "The fact, as one self-contained text."}, "tags": _TAGS},
            ["content"],
        ),
        _archival_memory_insert,
        "store",
    ),
    Tool(
        spec_of(
            "archival_memory_search",
            "Search long-term memory. Returns the best matches with their dates.",
            {
                "query": {"type": "string", "description": "What to look for."},
                "tags": _TAGS,
                "tag_match_mode": {"type": "string", "enum": ["any", "all"]},
                "top_k": {"type": "integer", "description": "How many results at most; 10 if not given."},
                "start_datetime": _DATE,
                "end_datetime": _DATE,
            },
            ["query"],
        ),
        _archival_memory_search,
        "store",
    ),
    Tool(
        spec_of(
            "conversation_search",
            "Search the whole conversation with the user, also what is no longer in view.",
            {
                "query": {"type": "string", "description": "What to look for."},
                "roles": {"type": "array", "items": {"type": "string", "enum": ["user", "assistant"]}},
                "limit": {"type": "integer", "description": "How many results at most; 10 if not given."},
                "start_date": _DATE,
                "end_date": _DATE,
            },
            ["query"],
        ),
        _conversation_search,
        "store",
    ),
    Tool(
        spec_of(
            "conversation_search_date",
            "Search the conversation with the user within a span of time, a page of results at a time.",
            {
                "query": {"type": "string", "description": "What to look for."},
                "start_date": _DATE,
                "end_date": _DATE,
                "page": {"type": "integer", "description": "Which page of the results; 0 (default) is the first."},
            },
            ["query", "start_date", "end_date"],
        ),
        _conversation_search_date,
        "store",
    ),
    Tool(
        spec_of(
            "send_message",
            "Send a message to the user. This ends your turn.",
            {"message": {"type": "string", "description": "What the user reads."}},
            ["message"],
        ),
        _send_message,
        "store",
    ),
)
