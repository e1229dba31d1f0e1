"""Tools that make, rewrite, rename and remove whole blocks of core memory. Like those of memory.py they only plan."""

from dataclasses import replace
from typing import Any

import msgspec

from kelpie.errors import ToolFailed
from kelpie.tools import blocks, memory, patches
from kelpie.tools import limits as tool_limits
from kelpie.tools.memory import LABEL, edited, spec_of, text_argument, writable
from kelpie.tools.tool import Outcome, Tool, ToolContext
from umi import core, limits
from umi.entity import Block
from umi.storage import Changes, View

_FOLDER = "/memories/"  # models that were taught a file tool write labels as paths


async def _memory_rethink(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    label, value = text_argument(arguments, "label"), text_argument(arguments, "new_memory")
    if not any(block.label == label for block in await blocks.of(context)):
        await _demand_free(context, label)
        return Outcome(f"Block '{label}' was made.", changes=_made(context, label, value, None))
    return edited(context, await writable(context, label), value)


async def _memory_finish_edits(_context: ToolContext, _arguments: dict[str, Any]) -> Outcome:
    return Outcome("Edits finished.", ends_turn=True)


def _made(context: ToolContext, label: str, value: str, description: str | None) -> Changes:
    now_ms = context.host.clock.now_ms()
    block = Block(
        tenant=context.tenant,
        id=context.host.ids.new("block"),
        label=label,
        value=value,
        limit_chars=limits.BLOCK_VALUE_CHARS_DEFAULT,
        description=description,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )
    return core.plan_create(block).extend(core.plan_attach(context.tenant, context.agent_id, block.id, label))


async def _demand_free(context: ToolContext, label: str) -> None:
    """Raise ToolFailed if there is a block of this label, or no room for another one."""
    held = await blocks.of(context)
    if any(block.label == label for block in held):
        raise ToolFailed(f"there is a block labelled '{label}' already")
    if len(held) >= tool_limits.MEMORY_BLOCKS_MAX:
        raise ToolFailed(f"there are {len(held)} blocks; delete one first")


def _changed(context: ToolContext, block: Block, **fields: Any) -> Changes:
    return core.plan_update(block, msgspec.structs.replace(block, **fields), context.host.clock.now_ms())


async def _memory(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    """One tool for what the others do one by one: create, str_replace, insert, delete, rename."""
    command = text_argument(arguments, "command")
    match command:
        case "create":
            label = _label(arguments, "path")
            await _demand_free(context, label)
            text, about = arguments.get("file_text") or "", arguments.get("description")
            if not isinstance(text, str) or not isinstance(about, str | None):
                raise ToolFailed("file_text and description must be texts")
            return Outcome(f"Block '{label}' was made.", changes=_made(context, label, text, about))
        case "str_replace":
            names = {"label": _label(arguments, "path"), "new_string": arguments.get("new_string") or ""}
            return await _as("memory_replace", context, {**names, "old_string": arguments.get("old_string")})
        case "insert":
            names = {"label": _label(arguments, "path"), "new_string": text_argument(arguments, "insert_text")}
            line = arguments.get("insert_line")
            return await _as("memory_insert", context, {**names, "insert_line": -1 if line is None else line})
        case "delete":
            block = await writable(context, _label(arguments, "path"))
            gone = await blocks.plan_take(context, block)
            return Outcome(f"Block '{block.label}' is no longer in your memory.", changes=gone)
        case "rename":
            return await _renamed(context, arguments)
    raise ToolFailed(f"command must be create, str_replace, insert, delete or rename, not {command[:100]!r}")


async def _renamed(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    about = arguments.get("description")
    if about is not None and arguments.get("new_path") is None:
        block = await writable(context, _label(arguments, "path"))
        changes = _changed(context, block, description=text_argument(arguments, "description"))
        return Outcome(f"Block '{block.label}' has another description.", changes=changes)
    block = await writable(context, _label(arguments, "old_path" if arguments.get("old_path") else "path"))
    label = _label(arguments, "new_path")
    await _demand_free(context, label)
    return Outcome(f"Block '{block.label}' is '{label}' now.", changes=_changed(context, block, label=label))


async def _as(name: str, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    return await _BY_NAME[name].run(context, arguments)


def _label(arguments: dict[str, Any], name: str) -> str:
    return text_argument(arguments, name).removeprefix(_FOLDER).strip("/")


async def _memory_apply_patch(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    """All of the patch or nothing of it. Later sections see what earlier ones planned."""
    label = arguments.get("label")
    if label is not None:
        label = text_argument(arguments, "label")
    changes, said = Changes(), []
    for section in patches.sections(text_argument(arguments, "patch"), label):
        so_far = Changes().extend(context.view.changes or Changes()).extend(changes)
        seeing = replace(context, view=View(context.view.database, so_far))
        changes.extend(await _patched(seeing, section))
        said.append(f"'{section.label}' ({section.action})")
    return Outcome(f"Blocks were changed: {', '.join(said)}.", changes=changes)


async def _patched(context: ToolContext, section: patches.Section) -> Changes:
    if section.action == "add":
        await _demand_free(context, section.label)
        return _made(context, section.label, patches.added(section), None)
    block = await writable(context, section.label)
    if section.action == "delete":
        return await blocks.plan_take(context, block)
    label = section.moved_to or block.label
    if label != block.label:
        await _demand_free(context, label)
    return _changed(context, block, value=patches.applied(block.value, section), label=label)


_BY_NAME = {tool.name: tool for tool in memory.MEMORY_TOOLS}
_PATH = {"type": "string", "description": "The label of the memory block, also as a path: /memories/<label>."}
_TEXT = {"type": "string"}

REWRITING_TOOLS: tuple[Tool, ...] = (
    Tool(
        spec_of(
            "memory_rethink",
            "Rewrite a block of core memory as a whole. It is made if there is none with this label.",
            {"label": LABEL, "new_memory": {"type": "string", "description": "All that the block is to hold."}},
            ["label", "new_memory"],
        ),
        _memory_rethink,
        "store",
    ),
    Tool(
        spec_of("memory_finish_edits", "Say that you are done with editing memory. This ends your turn.", {}, []),
        _memory_finish_edits,
        "store",
    ),
    Tool(
        spec_of(
            "memory",
            "Work on blocks of core memory: create one, str_replace or insert text in one, rename one (new_path), give"
            " it another description (rename with description), or delete one.",
            {
                "command": {"type": "string", "enum": ["create", "str_replace", "insert", "delete", "rename"]},
                "path": _PATH,
                "file_text": {**_TEXT, "description": "create: what the block holds."},
                "description": {**_TEXT, "description": "create, rename: what the block is for."},
                "old_string": {**_TEXT, "description": "str_replace: the text to replace; it occurs exactly once."},
                "new_string": {**_TEXT, "description": "str_replace: what to write in its place."},
                "insert_line": {
                    "type": "integer",
                    "description": "insert: the line after which to insert; 0 is the beginning, -1 (default) the end.",
                },
                "insert_text": {**_TEXT, "description": "insert: the text."},
                "old_path": {**_TEXT, "description": "rename: the block, if path is not given."},
                "new_path": {**_TEXT, "description": "rename: its new label."},
            },
            ["command"],
        ),
        _memory,
        "store",
    ),
    Tool(
        spec_of(
            "memory_apply_patch",
            "Patch core memory: lines with '-' go, lines with '+' come, lines with a space stay and say where. With a"
            " label it changes that block. With headers it changes several: '*** Update Block: <label>' (then"
            " '*** Move to: <label>' to rename), '*** Add Block: <label>', '*** Delete Block: <label>'.",
            {"label": LABEL, "patch": {"type": "string", "description": "The patch; '@@' lines part its hunks."}},
            ["patch"],
        ),
        _memory_apply_patch,
        "store",
    ),
)
