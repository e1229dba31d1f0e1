"""Blocks as a text for a model: XML, Markdown or JSON; the same blocks always give the same bytes.

Contents are data. In XML they are escaped; in Markdown they are quoted, so that no line of theirs becomes a heading or
opens a fence of the page; JSON needs neither.

With a token budget the least important goes first: lines that promotion wrote and whole blocks with a type, then blocks
without one. System blocks, and of Persona everything but promoted preferences, always stay.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import Literal
from xml.sax.saxutils import escape

import msgspec

from umi.core import ledger
from umi.core.order import ordered
from umi.entity import Block
from umi.errors import InvalidInput, LimitExceeded

Format = Literal["xml", "markdown", "json"]

# What XML 1.0 can't hold at all, not even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTES = {'"': "&quot;"}
_RETURN = {"\r": "&#13;"}  # a parser would make a line feed of it
_LINE_ENDS = re.compile(r"\r\n|\r|\n")  # those of Markdown


class LeftOut(msgspec.Struct, frozen=True):
    """What a budget took from a block: the number of its lines, and whether that was the whole of it."""

    label: str
    type: str | None
    lines: int
    whole: bool


class Rendered(msgspec.Struct, frozen=True):
    text: str
    tokens: int
    left_out: list[LeftOut] = []

    def __str__(self) -> str:
        return self.text


class _Unit(msgspec.Struct, frozen=True):
    """What is shown or left out as one: a promoted line, or all of a block that no line can be taken from."""

    block: int  # its place in the order
    lines: tuple[int, ...]
    importance: float
    is_typed: bool


def tokens_of(text: str) -> int:
    """The usual estimate, rounded up: a token for every four bytes."""
    return -(-len(text.encode()) // 4)


def render(
    blocks: Sequence[Block],
    *,
    format: Format = "xml",  # noqa: A002 - the word people look for
    tokens_max: int | None = None,
    count: Callable[[str], int] = tokens_of,
) -> Rendered:
    """The blocks in their order, in at most `tokens_max` tokens as `count` counts them.

    Raises InvalidInput for another format, LimitExceeded if what must stay is too large alone.
    """
    if format not in _FORMATS:
        raise InvalidInput(f"core memory is rendered as {', '.join(_FORMATS)}, not as {format!r}")
    if tokens_max is not None and (isinstance(tokens_max, bool) or not isinstance(tokens_max, int) or tokens_max < 1):
        raise InvalidInput(f"tokens_max must be a number of tokens above 0, not {tokens_max!r}")
    blocks = ordered(blocks)
    droppable = _droppable(blocks) if tokens_max is not None else []

    def shown(dropped: int) -> Rendered:
        kept, left_out = _without(blocks, droppable[:dropped])
        text = _FORMATS[format](kept)
        return Rendered(text, count(text), left_out)

    if tokens_max is None:
        return shown(0)
    most = len(droppable)
    # The fewest that have to go: one more unit left out never makes the text longer.
    fewest = bisect_left(range(most), x=True, key=lambda dropped: shown(dropped).tokens <= tokens_max)
    rendered = shown(fewest)
    if rendered.tokens > tokens_max:
        raise LimitExceeded("what must stay of core memory", rendered.tokens, tokens_max, "tokens")
    return rendered


def _droppable(blocks: Sequence[Block]) -> list[_Unit]:
    """In the order they go: the least important first, of equals the last shown."""
    units: list[_Unit] = []
    for place, block in enumerate(blocks):
        if block.type == "system":
            continue
        lines = ledger.lines_of(block)
        book = ledger.read(block)
        owners = ledger.owners(lines, book) if book else [None] * len(lines)
        for number, owner in enumerate(owners):
            if book and owner is not None and not book.lines[owner].is_self:
                units.append(_Unit(place, (number,), book.lines[owner].importance, block.type is not None))
        if block.type != "persona":
            rest = tuple(number for number, owner in enumerate(owners) if owner is None)
            if rest or not lines:
                units.append(_Unit(place, rest, block.importance, block.type is not None))
    return sorted(
        units, key=lambda unit: (not unit.is_typed, unit.importance, -unit.block, -max(unit.lines, default=0))
    )


def _without(blocks: Sequence[Block], dropped: Sequence[_Unit]) -> tuple[list[Block], list[LeftOut]]:
    kept: list[Block] = []
    left_out: list[LeftOut] = []
    by_block = {place: list(units) for place, units in groupby(sorted(dropped, key=_place), key=_place)}
    for place, block in enumerate(blocks):
        units = by_block.get(place)
        if not units:
            kept.append(block)
            continue
        gone = {number for unit in units for number in unit.lines}
        rest = [line for number, line in enumerate(ledger.lines_of(block)) if number not in gone]
        left_out.append(LeftOut(block.label, block.type, len(gone), not rest))
        if rest:
            kept.append(msgspec.structs.replace(block, value="\n".join(rest)))
    return kept, left_out


def _place(unit: _Unit) -> int:
    return unit.block


def _label(block: Block) -> str | None:
    """What the type doesn't say already."""
    return None if block.label == block.type else block.label


def _xml(blocks: Collection[Block]) -> str:
    parts = ["<core_memory>"]
    for block in blocks:
        attributes = f' type="{_attribute(block.type)}"' if block.type is not None else ""
        label = _label(block)
        if label is not None:
            attributes += f' label="{_attribute(label)}"'
        content = escape(_NO_XML.sub("\ufffd", block.value), _RETURN)
        parts.append(f'<block{attributes} importance="{block.importance:.2f}">{content}</block>')
    parts.append("</core_memory>")
    return "".join(parts)


def _attribute(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text), _QUOTES)


def _markdown(blocks: Collection[Block]) -> str:
    parts = ["# Core Memory\n"]
    for block in blocks:
        label = _label(block)
        names = [name for name in (block.type and block.type.capitalize(), label) if name]
        quoted = "".join(f"> {line}\n" for line in _LINE_ENDS.split(block.value)) if block.value else ""
        parts.append(f"\n## {' - '.join(names)} (importance: {block.importance:.2f})\n\n{quoted}")
    return "".join(parts)


def _json(blocks: Collection[Block]) -> str:
    shown = [
        {"type": block.type, "label": block.label, "importance": block.importance, "content": block.value}
        for block in blocks
    ]
    return msgspec.json.encode({"core_memory": shown}).decode()


_FORMATS: dict[str, Callable[[Collection[Block]], str]] = {"xml": _xml, "markdown": _markdown, "json": _json}
