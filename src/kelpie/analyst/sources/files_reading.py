"""Reads files into tables of a DuckDB database that nobody asks yet.

The engine sees every file under a name of ours, by a link in a folder of ours: no name is a pattern or a piece of SQL.
What the columns of text files hold is decided in files_typing.py, not guessed by the engine.
"""

import csv
import datetime as dt
import io
import itertools
import os
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kelpie.analyst import limits
from kelpie.analyst.sources.files_typing import typed_columns
from kelpie.analyst.sources.queries import first_line
from kelpie.analyst.sources.source import quoted
from kelpie.errors import InvalidInput, LimitExceeded, MissingExtra, QueryFailed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from python_calamine import CalamineWorkbook

FORMATS = (".csv", ".tsv", ".parquet", ".xlsx")
_DELIMITERS = ",;\t|"
_QUOTED_PART = re.compile(r'"[^"]*"')
# One text is one table, whole or not at all: no line is left out, none is a comment, the first one names the columns.
_RAW = '"as text"'  # no file's table is called so
_READ_TEXT = f"""
CREATE TABLE {_RAW} AS SELECT * FROM read_csv(
    {{path}}, auto_detect = false, columns = {{columns}}, delim = {{delimiter}}, quote = '"', escape = '"',
    header = true, skip = 0, comment = '', null_padding = false, ignore_errors = false, strict_mode = true
)
"""


@dataclass(frozen=True, slots=True)
class File:
    """`name` as its folder has it, `path` the real one; `suffix` is one of FORMATS."""

    name: str
    path: str
    suffix: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What becomes one table: a file, or a sheet of it; `path` is where the engine may read it."""

    table: str
    title: str
    path: str
    suffix: str
    delimiter: str | None = None


def read_files(
    connection: "DuckDBPyConnection", files: list[File], folder: str, called_off: Callable[[], bool]
) -> None:
    """A table for each file or sheet, with the file's name as its comment. `folder` is for what lies between.

    Raises InvalidInput, naming the file; LimitExceeded; MissingExtra; QueryFailed once `called_off`.
    """
    size_bytes = sum(_unpacked_bytes(file) for file in files)
    if size_bytes > limits.SOURCE_FILES_BYTES_MAX:
        raise LimitExceeded("the size of the files", size_bytes, limits.SOURCE_FILES_BYTES_MAX, "bytes")
    titles: dict[str, str] = {}
    for file in files:
        for part in _parts(file, folder, called_off):
            if called_off():
                raise QueryFailed("reading the files was called off")
            if part.table in titles:
                raise InvalidInput(
                    f"{titles[part.table]} and {part.title} would both be the table '{part.table}'; rename one"
                )
            titles[part.table] = part.title
            _read(connection, part)


def table_name(text: str) -> str:
    """The table of a file or sheet: its letters, digits and underscores, lower case. "Q1 Sales.csv" is q1_sales."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(letter if f"_{letter}".isidentifier() else " " for letter in plain.replace("_", " "))
    name = "_".join(letters.split())
    return name if name.isidentifier() else f"t_{name}".rstrip("_")


def _unpacked_bytes(file: File) -> int:
    if file.suffix != ".xlsx":
        return file.size_bytes
    try:
        with zipfile.ZipFile(file.path) as packed:
            return sum(entry.file_size for entry in packed.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise InvalidInput(f"{file.name} can't be read as an XLSX file: {error}") from error


def _parts(file: File, folder: str, called_off: Callable[[], bool]) -> Iterator[_Part]:
    stem = os.path.splitext(file.name)[0]
    if file.suffix == ".xlsx":
        yield from _sheets(file, stem, folder, called_off)
        return
    link = os.path.join(folder, f"file{file.suffix}")
    with suppress(FileNotFoundError):
        os.unlink(link)
    os.symlink(file.path, link)
    yield _Part(table_name(stem), file.name, link, file.suffix, "\t" if file.suffix == ".tsv" else None)


def _sheets(file: File, stem: str, folder: str, called_off: Callable[[], bool]) -> Iterator[_Part]:
    """Each sheet that holds anything, written out as text."""
    try:
        import python_calamine
    except ImportError as error:
        raise MissingExtra("a connection to XLSX files", "analyst") from error
    try:
        book: CalamineWorkbook = python_calamine.CalamineWorkbook.from_path(file.path)
        sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
    except (python_calamine.CalamineError, OSError) as error:
        raise InvalidInput(f"{file.name} can't be read as an XLSX file: {first_line(error)}") from error
    filled = [(name, sheet) for name, sheet in sheets if sheet.height]
    if not filled:
        raise InvalidInput(f"{file.name} has no sheet with anything in it")
    path = os.path.join(folder, "sheet.csv")
    for name, sheet in filled:
        with open(path, "w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
            for row in sheet.iter_rows():
                if called_off():
                    raise QueryFailed("reading the files was called off")
                writer.writerow([_as_text(cell) for cell in row])
        whole = f"{stem} {name}" if len(filled) > 1 else stem
        yield _Part(table_name(whole), f"{file.name}, sheet {name}", path, ".csv", ",")


def _as_text(cell: Any) -> str:
    """As a person would have typed it: a spreadsheet keeps every number as a float."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)


def _read(connection: "DuckDBPyConnection", part: _Part) -> None:
    import duckdb

    table, path = quoted(part.table), _literal(part.path)
    try:
        if part.suffix == ".parquet":
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet({path}, hive_partitioning = false)")
            _without_zones(connection, table)
        else:
            delimiter, names = _header(part)
            columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names)
            connection.execute(_READ_TEXT.format(path=path, delimiter=_literal(delimiter), columns=f"{{{columns}}}"))
            connection.execute(f"CREATE TABLE {table} AS SELECT {typed_columns(connection, _RAW)} FROM {_RAW}")
            connection.execute(f"DROP TABLE {_RAW}")
        connection.execute(f"COMMENT ON TABLE {table} IS {_literal(part.title)}")
    except duckdb.OutOfMemoryException as error:
        raise InvalidInput(
            f"{part.title} needs more than {limits.SOURCE_MEMORY_MB_MAX} MB of memory; put it into a DuckDB file"
        ) from error
    except duckdb.Error as error:
        raise InvalidInput(f"{part.title} can't be read: {_in_words(error)}") from error


def _header(part: _Part) -> tuple[str, list[str]]:
    """The delimiter and the columns' names, from the first line. Raises InvalidInput."""
    with open(part.path, encoding="utf-8-sig", newline="") as text:
        try:
            start = text.read(limits.SOURCE_HEADER_CHARS_MAX)
        except UnicodeDecodeError as error:
            raise InvalidInput(f'{part.title} is not UTF-8 text: save it as "CSV UTF-8"') from error
    line = start.splitlines()[0] if start.strip() else ""
    if not line.strip():
        raise InvalidInput(f"{part.title} has no first line with the names of its columns")
    bare = _QUOTED_PART.sub("", line)
    delimiter = part.delimiter or max(_DELIMITERS, key=bare.count)
    names: list[str] = []
    for place, name in enumerate(next(csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)), 1):
        names.append(_unused(name.strip() or f"column_{place}", names))
    return delimiter, names


def _unused(name: str, used: list[str]) -> str:
    """`name`, or `name_2`, …: columns are told apart as SQL does, without looking at case."""
    taken = {one.casefold() for one in used}
    number, unused = 1, name
    while unused.casefold() in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused


def _without_zones(connection: "DuckDBPyConnection", table: str) -> None:
    """Instants become the time in UTC: a type with a zone can't be shown."""
    for name, word, *_ in connection.execute(f"DESCRIBE {table}").fetchall():
        if word == "TIMESTAMP WITH TIME ZONE":
            column = quoted(name)
            connection.execute(f"ALTER TABLE {table} ALTER {column} TYPE TIMESTAMP USING timezone('UTC', {column})")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _in_words(error: Exception) -> str:
    """What the engine says is wrong: not the line with people's values in it, nor advice about options of its own."""
    lines = str(error).strip().splitlines()
    told = [line for line in itertools.takewhile(lambda line: not line.startswith("Possible "), lines[:5]) if line]
    return "; ".join(line for line in told if not line.startswith("Original Line"))
