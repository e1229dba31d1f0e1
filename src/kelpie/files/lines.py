"""A text as lines with numbers: what agents see of a file, and what they search.

A line of a thousand characters and more counts as several: a file without line ends can be looked at all the same.
"""

from dataclasses import dataclass

from kelpie.files import limits


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a text. `first` and `last` are numbers of lines, from 1; an empty text has `last` 0 and `total` 0."""

    text: str
    first: int
    last: int
    total: int


def lines_of(text: str) -> list[str]:
    """The lines, without their ends. A text that ends with a line end has no empty line behind it."""
    if not text:
        return []
    lines = text.removesuffix("\n").split("\n")
    if max(map(len, lines)) <= limits.FILE_LINE_CHARS_MAX:
        return lines
    return [piece for line in lines for piece in _pieces(line)]


def _pieces(line: str) -> list[str]:
    """A long line, cut between words where it can be."""
    pieces = []
    while len(line) > limits.FILE_LINE_CHARS_MAX:
        at = line.rfind(" ", limits.FILE_LINE_CHARS_MAX // 2, limits.FILE_LINE_CHARS_MAX) + 1
        at = at or limits.FILE_LINE_CHARS_MAX
        pieces.append(line[:at])
        line = line[at:]
    return [*pieces, line]


def window(text: str, start: int, length: int | None, chars_max: int) -> Window:
    """Lines from `start` (0 is the first), numbered, `length` of them or all; no more of them than `chars_max`
    characters hold. Says at its beginning and end what it leaves out."""
    lines = lines_of(text)
    total = len(lines)
    start = min(start, total)
    end = total if length is None else min(start + length, total)
    shown, chars = [], 0
    for number, line in enumerate(lines[start:end], start + 1):
        numbered = f"{number}: {line}"
        chars += len(numbered) + 1
        if chars > chars_max:
            break
        shown.append(numbered)
    last = start + len(shown)
    if last == start:
        said = f"[no line is shown: the file has {total:,} lines, and {chars_max:,} characters are shown at most]"
        return Window(said if total else "[the file is empty]", start + 1, last, total)
    before = "[start of the file]" if start == 0 else f"[{start:,} lines before]"
    after = "[end of the file]" if last == total else f"[{total - last:,} lines after; open it with offset {last}]"
    return Window("\n".join([before, *shown, after]), start + 1, last, total)
