"""CSV, TSV, Parquet and XLSX files as one data source: a table per file or sheet.

When the source is opened the files are read into a DuckDB file of our own, which is then opened and locked as any other
is. From there on no query touches a file that people have: none can vanish or change under a query.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kelpie.analyst import limits
from kelpie.analyst.sources.config import FilesConfig, Surroundings
from kelpie.analyst.sources.duckdb_file import SETTINGS, DuckDbSource, connect, driver, stop
from kelpie.analyst.sources.files_reading import FORMATS, File, read_files
from kelpie.analyst.sources.queries import Queries
from kelpie.analyst.table import Snapshot
from kelpie.errors import InvalidInput, LimitExceeded, QueryFailed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


async def open_files(config: FilesConfig, surroundings: Surroundings) -> DuckDbSource:
    """Raises InvalidInput (a file is missing, can't be read, lies outside the folders), LimitExceeded, MissingExtra."""
    duckdb = driver("a connection to files")

    def now() -> Snapshot:
        return _snapshot(config, found_files(config, surroundings))

    snapshot, files = now(), found_files(config, surroundings)
    called_off: list[bool] = []
    writers: list[DuckDBPyConnection] = []

    async def interrupt() -> None:
        called_off.append(True)
        for writing in writers:
            stop(writing)

    def load() -> "DuckDBPyConnection":
        with tempfile.TemporaryDirectory(prefix="kelpie-files-") as folder:
            path = os.path.join(folder, "read.duckdb")
            with duckdb.connect(path, config=SETTINGS | {"enable_external_access": "true"}) as writing:
                writers.append(writing)
                read_files(writing, files, folder, lambda: bool(called_off))
            connection, _ = connect(path)
            return connection  # the engine holds the file; its name is gone when the folder is

    reading = Queries(surroundings.host, surroundings.workers, lambda: None)
    try:
        connection, _ = await reading.run(load, interrupt, limits.SOURCE_LOAD_TIMEOUT_MS)
    except QueryFailed as error:
        raise InvalidInput(
            f"the files could not be read within {limits.SOURCE_LOAD_TIMEOUT_MS // 1000} s; put them into a DuckDB file"
        ) from error
    return DuckDbSource(surroundings, connection, snapshot, now, engine="files")


def found_files(config: FilesConfig, surroundings: Surroundings) -> list[File]:
    """The files that are to be read, by path. Raises InvalidInput, LimitExceeded."""
    if config.path is not None:
        paths = list(_in_folder(surroundings.resolve(config.path)))
    else:
        paths = [surroundings.resolve(path) for path in config.paths]
    files = []
    for path in sorted(set(paths)):
        real = surroundings.resolve(path)  # what a link in the folder leads to may lie elsewhere
        if not os.path.isfile(real):
            raise InvalidInput(f"there is no file {real}")
        if _suffix(path) not in FORMATS:
            raise InvalidInput(f"{path} is no file of a kind that can be read: {', '.join(FORMATS)}")
        state = os.stat(real)
        files.append(File(os.path.basename(path), real, _suffix(path), state.st_size, state.st_mtime_ns))
    if len(files) > limits.SOURCE_FILES_MAX:
        raise LimitExceeded("the list of files", len(files), limits.SOURCE_FILES_MAX, "files")
    return files


def _in_folder(folder: str) -> Iterator[str]:
    """Not of folders in it, nor hidden ones: those belong to programs."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise InvalidInput(f"the folder {folder} can't be read: {error.strerror}") from error
    found = [name for name in names if not name.startswith((".", "~$")) and _suffix(name) in FORMATS]
    if not found:
        raise InvalidInput(f"the folder {folder} holds no file that can be read: {', '.join(FORMATS)}")
    return (os.path.join(folder, name) for name in found)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _snapshot(config: FilesConfig, files: list[File]) -> Snapshot:
    listed = "\n".join(f"{file.path}\t{file.size_bytes}\t{file.modified_ns}" for file in files)
    where = os.path.dirname(files[0].path) if config.path is not None else ", ".join(file.path for file in files)
    return Snapshot(
        where=where,
        state=hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest(),
        changed_ms=max(file.modified_ns for file in files) // 1_000_000,
    )
