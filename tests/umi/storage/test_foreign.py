"""A file of another program is named and left as it was; ours say whose they are."""

import os
from pathlib import Path

import apsw
import pytest

from umi.errors import StoreCorrupt, StoreNewer
from umi.storage.engine import Engine

from .conftest import ITEMS

OURS = 0x756D6931


def contents(path):
    """Every file beside the database, but for our own lock."""
    folder = os.path.dirname(path)
    names = sorted(name for name in os.listdir(folder) if not name.endswith(".lock"))
    return {name: Path(folder, name).read_bytes() for name in names}


def make(path, *statements):
    connection = apsw.Connection(path)
    for statement in statements:
        connection.execute(statement).fetchall()
    return connection


FOREIGN = {
    "tables": (["CREATE TABLE bookmarks (url TEXT)", "CREATE TABLE visits (at INT)"], "tables bookmarks, visits"),
    "a table of the same name": (["CREATE TABLE item (name TEXT)"], "tables item"),
    "an application id": (["PRAGMA application_id = 252006674"], "application id 0xf055112"),
    "both": (
        ["PRAGMA application_id = 7", "CREATE TABLE room_schema (x INT)"],
        "application id 0x7, tables room_schema",
    ),
    "a write-ahead log": (["PRAGMA journal_mode=WAL", "CREATE TABLE a (x INT)"], "tables a"),
}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("statements", "whose"), FOREIGN.values(), ids=FOREIGN)
def test_a_database_of_another_program_is_named_and_left_alone(path, statements, whose, shared):
    make(path, *statements).close()
    before = contents(path)
    for _ in range(2):  # the second time too: the first let go of it
        with pytest.raises(StoreCorrupt, match=rf"store\.db is a database of another program .*{whose}.*another file"):
            Engine(path, ITEMS, shared=shared)
    assert contents(path) == before


def test_the_log_of_another_program_that_died_is_left_alone(path, tmp_path_factory):
    """It is that program's to take into its file."""
    connection = make(path, "PRAGMA journal_mode=WAL", "CREATE TABLE a (x INT)", "INSERT INTO a VALUES (1)")
    copy = str(tmp_path_factory.mktemp("copy") / "store.db")
    for suffix in ("", "-wal"):
        with open(copy + suffix, "wb") as file, open(path + suffix, "rb") as source:
            file.write(source.read())
    connection.close()
    before = contents(copy)
    assert len(before["store.db-wal"]) > 4096
    with pytest.raises(StoreCorrupt, match="tables a"):
        Engine(copy, ITEMS)
    assert contents(copy) == before


def test_a_file_of_ours_says_so(path):
    Engine(path, ITEMS).close()
    with open(path, "rb") as file:
        assert int.from_bytes(file.read(72)[68:], "big") == OURS
    Engine(path, ITEMS).close()
    Engine(path, ITEMS, shared=True).close()


def test_a_file_from_before_there_was_an_id_is_taken_for_ours_and_gets_one(path):
    Engine(path, ITEMS).close()
    make(path, "PRAGMA application_id = 0").close()
    with pytest.raises(StoreNewer):  # which may not be written
        Engine(path, [])
    connection = apsw.Connection(path)
    assert connection.pragma("application_id") == 0
    connection.close()
    Engine(path, ITEMS).close()
    connection = apsw.Connection(path)
    assert connection.pragma("application_id") == OURS
    connection.close()


def test_an_empty_file_and_an_empty_database_become_ours(path):
    Path(path).touch()
    Engine(path, ITEMS).close()
    os.remove(path)
    make(path, "CREATE TABLE a (x INT)", "DROP TABLE a").close()
    Engine(path, ITEMS).close()
