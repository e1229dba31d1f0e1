"""Numbers in a text and the cells they come from: each has one, or the text is not shown.

Every group of digits counts. What is not a number is masked first: ids, texts and dates of cells, and what the
question itself fixed. What is left is a name that begins with a letter ("B6", "Q3"), the mark of a list, or a number;
and a number is a cell at its stated rounding, the count of a result's rows, or the reason to refuse.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from kelpie.analyst.formats import cell_text, exact_number
from kelpie.analyst.table import ResultTable
from kelpie.errors import NumberWithoutSource

_IDS = re.compile(r"\b[a-z]+(?:-[a-z]+)*-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_DAY = re.compile(r"(?<![\w.,-])(?:19|20)\d\d-[01]\d-[0-3]\d(?![\w-])(?![.,]\d)")  # says when, not how much
_LIST_MARK = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]", re.MULTILINE)
# A word with a digit in it, and a per cent sign that may stand apart.
_WORD = re.compile(r"\w*\d(?:[\w.,]*\w)?(?:[ \u00a0\u202f]?%)?")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:\s?%)?")
_NAME = re.compile(r"[^\W\d]")
_MONEY_CODE = re.compile(r"([A-Z]{3})(\d.*)")  # USD100 is a number, B6 and FY2026 are names
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)", re.IGNORECASE)
# ".5" is not five, nor has "1/2" a one in it.
_BEFORE, _AFTER = re.compile(r"\d[/:^*×·÷]"), re.compile(r"[/:^*×·÷]\d")
_SIGNS = "-\u2212"
_FILLER = "\x00"

Span = tuple[int, int]


class NumberLink(msgspec.Struct, frozen=True, kw_only=True):
    """A number in a text and where it comes from: a cell, or how many rows the query gave."""

    text: str
    start: int
    end: int
    query_id: str
    kind: Literal["cell", "row_count"] = "cell"
    row: int = -1  # from 0
    column: str = ""


class Numbers(msgspec.Struct, frozen=True):
    """The numbers of a text, in order, and the parts of it whose digits are no numbers."""

    links: list[NumberLink]
    exempt: list[Span]


class _Written(msgspec.Struct, frozen=True):
    """A number as it stands in a text: `plain` is the same without commas, with a plain minus."""

    text: str
    start: int
    end: int
    plain: str


class _Cell(msgspec.Struct, frozen=True):
    table: ResultTable
    row: int
    place: int


def link_numbers(text: str, tables: Sequence[ResultTable], stated: Iterable[str] = ()) -> list[NumberLink]:
    """The source of every number in `text`. Raises NumberWithoutSource at the first that has none."""
    return read_numbers(text, tables, stated).links


def read_numbers(text: str, tables: Sequence[ResultTable], stated: Iterable[str] = ()) -> Numbers:
    """As link_numbers, with what was taken for no number.

    stated  texts that no table holds and the question fixed: a period, a filter, the words of a preference
    """
    exempt = _exempt(text, tables, stated)
    cells = _cells_by_text(tables)
    rows_max = max((table.row_count for table in tables), default=0)
    links = []
    for written in _written(_masked(text, exempt), rows_max):
        if written.plain in cells:
            cell = min(cells[written.plain], key=lambda cell: _distance(text, written.start, cell))
            name = cell.table.columns[cell.place].name
            links.append(_link(written, cell.table, row=cell.row, column=name))
            continue
        counted = next((table for table in tables if written.plain == str(table.row_count)), None)
        if counted is None:
            asked = ", ".join(table.query_id for table in tables) or "none"
            raise NumberWithoutSource(
                written.text,
                f"the number {written.text} stands in no result of this answer's queries ({asked}); it is not shown",
            )
        links.append(_link(written, counted, kind="row_count"))
    return Numbers(links, exempt)


def hold(text: str, numbers: Numbers, tables: Sequence[ResultTable]) -> None:
    """Raise NumberWithoutSource unless each number of `text` has its link in `numbers`, and the cell there is it."""
    by_id = {table.query_id: table for table in tables}
    links = {(link.start, link.end): link for link in numbers.links}
    rows_max = max((table.row_count for table in tables), default=0)
    for written in _written(_masked(text, numbers.exempt), rows_max):
        link = links.get((written.start, written.end))
        table = by_id.get(link.query_id) if link is not None else None
        if link is None or table is None or written.plain not in _texts_at(table, link):
            raise NumberWithoutSource(
                written.text, f"the number {written.text} has no record of where it comes from; it is not shown"
            )


def _link(written: _Written, table: ResultTable, **place: Any) -> NumberLink:
    return NumberLink(text=written.text, start=written.start, end=written.end, query_id=table.query_id, **place)


def _texts_at(table: ResultTable, link: NumberLink) -> set[str]:
    if link.kind == "row_count":
        return {str(table.row_count)}
    names = [column.name for column in table.columns]
    if link.column not in names or not 0 <= link.row < len(table.rows):
        return set()
    return _texts_of(table, link.row, names.index(link.column))


# ---- what is written


def _written(masked: str, rows_max: int) -> Iterator[_Written]:
    """Every number of a masked text. Raises NumberWithoutSource for digits in a form that no cell is written in."""
    for found in _WORD.finditer(masked):
        word, start = found.group(), found.start()
        if money := _MONEY_CODE.fullmatch(word):
            word, start = money.group(2), start + 3
        elif _NAME.match(word):
            continue
        ordinal = _ORDINAL.fullmatch(word)
        if ordinal and 0 < int(ordinal.group(1)) <= rows_max:
            continue  # a place in a ranking
        before = masked[max(0, start - 2) : start]
        if before[-1:] and before[-1] in _SIGNS and not re.match(r"[\w)]", before[:-1]):
            word, start = before[-1] + word, start - 1
        plain = re.sub(r"[,\s]", "", word).replace("\u2212", "-")
        around = masked[max(0, start - 2) : start], masked[found.end() : found.end() + 2]
        is_part = before[-1:] in (".", ",") or _BEFORE.fullmatch(around[0]) or _AFTER.fullmatch(around[1])
        if is_part or not _NUMBER.fullmatch(word.lstrip(_SIGNS)):
            raise NumberWithoutSource(
                word, f"'{word}' is written in a form that can't be held against a result; it is not shown"
            )
        yield _Written(word, start, found.end(), plain)


def _exempt(text: str, tables: Sequence[ResultTable], stated: Iterable[str]) -> list[Span]:
    """Where digits are no results: ids, marks of a list, and words of the data or the question."""
    words = {word for word in stated if _has_digit(word)}
    for table in tables:
        words.update(word for word in table.stated if _has_digit(word))
        for place, column in enumerate(table.columns):
            words.update(word for word in (column.label, column.name) if _has_digit(word))
            for row in table.rows:
                if isinstance(row[place], str) and _has_digit(row[place]) and exact_number(row[place]) is None:
                    words |= {row[place], cell_text(row[place], column)}
                    if column.kind == "time":
                        words.add(row[place][:4])
    spans = [found.span() for pattern in (_IDS, _DAY, _LIST_MARK) for found in pattern.finditer(text)]
    masked, there = _masked(text, spans), text.lower()
    for word in sorted((word for word in words if word.lower() in there), key=lambda word: (-len(word), word)):
        whole = rf"(?<![\w.,]){re.escape(word)}(?!\w)(?![.,]\d)(?! ?%)"
        its = [found.span() for found in re.finditer(whole, masked, flags=re.IGNORECASE)]
        masked = _masked(masked, its)
        spans += its
    return sorted(spans)


def _masked(text: str, spans: Iterable[Span]) -> str:
    parts, at = [], 0
    for start, end in sorted(spans):
        parts += [text[at:start], _FILLER * (end - max(start, at))]
        at = max(at, end)
    return "".join([*parts, text[at:]])


# ---- cells


def _cells_by_text(tables: Sequence[ResultTable]) -> dict[str, list[_Cell]]:
    cells: dict[str, list[_Cell]] = {}
    for table in tables:
        for number, row in enumerate(table.rows):
            for place in range(len(row)):
                for written in _texts_of(table, number, place):
                    cells.setdefault(written, []).append(_Cell(table, number, place))
    return cells


def _texts_of(table: ResultTable, row: int, place: int) -> set[str]:
    """A number's texts: in the format of its column, and exactly as it is. A text that is a number (money that a float
    would change, a name like "5") is one: said, it has its cell. Of anything else none."""
    value, column = table.rows[row][place], table.columns[place]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and exact_number(value) is not None):
        return set()
    return {cell_text(value, column).replace(",", ""), str(value)}


def _distance(text: str, start: int, cell: _Cell) -> tuple[int, int]:
    """How badly a cell fits the place of a number: names of its row and column that are not near, then how far.

    Near is the same line; for a number in a Markdown table also the head of its column.
    """
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start) if "\n" in text[start:] else len(text)
    before, line = text[line_start:start], text[line_start:line_end]
    head = _column_head(text, line_start, before) if line.startswith("|") else ""
    missing, far = 0, 0
    column = cell.table.columns[cell.place]
    names = [cell_text(value, its) for value, its in zip(cell.table.rows[cell.row], cell.table.columns, strict=True)
             if isinstance(value, str)]  # fmt: skip
    for name in (*names, column.label):
        if name.lower() in head.lower():
            continue
        at = before.rfind(name)
        missing += name not in line
        far += len(before) - at if at >= 0 else len(line)
    return missing, far


def _column_head(text: str, line_start: int, before: str) -> str:
    """The head above a cell of a Markdown table, or nothing."""
    first = text[:line_start].rsplit("\n\n", 1)[-1].lstrip("\n").split("\n", 1)[0]
    heads = first.split("|")
    place = before.count("|")
    return heads[place] if first.startswith("|") and place < len(heads) else ""


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
