"""A patch to blocks of core memory, as models write it: read into the changes it asks for, and applied to a text.

Without headers it changes one block. With them it may change several:

    *** Update Block: human      followed by hunks; *** Move to: <label> gives it another label
    *** Add Block: plans         followed by its lines, each with a plus
    *** Delete Block: scratch

A hunk is lines with a space (stays), a minus (goes) or a plus (comes); hunks are parted by lines that begin with @@.
"""

import re
from typing import Literal

import msgspec

from kelpie.errors import ToolFailed
from kelpie.tools import limits

_HEADER = re.compile(r"\*\*\* (Add|Update|Delete) Block: *(.+?) *$")
_MOVE = re.compile(r"\*\*\* Move to: *(.+?) *$")
_IGNORED = ("*** Begin Patch", "*** End Patch", "--- ", "+++ ")


class Section(msgspec.Struct):
    """What a patch asks for one block; `moved_to` is the label it gets."""

    action: Literal["add", "update", "delete"]
    label: str
    lines: list[str] = []
    moved_to: str | None = None


def sections(patch: str, label: str | None) -> list[Section]:
    """The changes a patch asks for, in order; `label` is the block of a patch without headers. Raises ToolFailed."""
    found: list[Section] = []
    for line in patch.splitlines():
        if header := _HEADER.match(line):
            found.append(Section(header[1].lower(), header[2]))  # type: ignore[arg-type]  # one of the three
        elif (move := _MOVE.match(line)) and found:
            found[-1].moved_to = move[1]
        elif not line.startswith(_IGNORED):
            if not found and label is not None:
                found.append(Section("update", label))
            if found:
                found[-1].lines.append(line)
    if not found:
        raise ToolFailed("the patch has no header such as '*** Update Block: <label>', and no label was given for it")
    if len(found) > limits.PATCH_SECTIONS_MAX:
        raise ToolFailed(f"the patch changes {len(found)} blocks; at most {limits.PATCH_SECTIONS_MAX} at once")
    if len({one.label for one in found}) < len(found):
        raise ToolFailed("the patch names a block twice; put all hunks of a block under one header")
    return found


def added(section: Section) -> str:
    """The text of a block that is added."""
    return "\n".join(line.removeprefix("+") for line in section.lines)


def applied(value: str, section: Section) -> str:
    """The block's text with the hunks of a section. Raises ToolFailed for a hunk that fits nowhere or twice."""
    for hunk in _hunks(section.lines):
        old = "\n".join(line[1:] for line in hunk if line[:1] in (" ", "-", ""))
        new = "\n".join(line[1:] for line in hunk if line[:1] in (" ", "+", ""))
        if old == new:
            continue
        value = _replaced(value, old, new, section.label)
    return value


def _hunks(lines: list[str]) -> list[list[str]]:
    hunks: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("@@"):
            hunks.append([])
        elif line[:1] not in (" ", "-", "+", ""):
            raise ToolFailed(f"a line of a patch begins with a space, '-' or '+': {line[:100]!r} does not")
        else:
            hunks[-1].append(line)
    return [hunk for hunk in hunks if hunk]


def _replaced(value: str, old: str, new: str, label: str) -> str:
    if not any(line for line in old.split("\n")):  # nothing to find it by: it comes at the end
        return f"{value}\n{new}" if value else new
    # Whole lines: a line that goes must not be found within a longer one.
    framed, wanted = f"\n{value}\n", f"\n{old}\n"
    places = sum(framed.startswith(wanted, at) for at in range(len(framed)))  # they may overlap
    if places != 1:
        raise ToolFailed(f"the lines {old[:200]!r} occur {places} times in block '{label}'; they must occur once")
    put = f"\n{new}\n" if new else "\n"
    return framed.replace(wanted, put)[1:-1]
