"""Databases to test with, and a file system under SQLite that fails when told to."""

import os
from collections import Counter

import apsw
import pytest

from umi.storage import Changes, Migration, SqliteDatabase
from umi.storage.postgres import PostgresDatabase
from umi.storage.simulated import SimulatedDatabase

ITEMS = [
    Migration(
        "items",
        1,
        """
        CREATE TABLE item (tenant TEXT NOT NULL, key TEXT NOT NULL, value INTEGER NOT NULL CHECK (value >= 0),
            PRIMARY KEY (tenant, key)) STRICT;
        CREATE TABLE part (tenant TEXT NOT NULL, item TEXT NOT NULL,
            FOREIGN KEY (tenant, item) REFERENCES item (tenant, key) DEFERRABLE INITIALLY DEFERRED) STRICT;
        """,
    )
]
VALUES = Migration(
    "values",
    1,
    """
    CREATE TABLE kept (
        seq INTEGER PRIMARY KEY, -- 'drawn' by the store
        whole INTEGER, number REAL, text TEXT, bytes BLOB NOT NULL DEFAULT x''
    ) STRICT;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    """,
)
SCHEMA = [*ITEMS, VALUES]  # what `reopen` opens
PUT = "INSERT INTO item VALUES ('t', ?, ?)"
RAISE = "UPDATE item SET value = value + 1 WHERE tenant = 't' AND key = ? AND value = ?"
ALL = "SELECT key, value FROM item WHERE tenant = 't' ORDER BY key"


def put(key, value=0):
    return Changes().write(PUT, key, value)


def raise_from(key, value):
    """Add one to an item, if it has the value we think it has."""
    return Changes().guard("version", RAISE, key, value)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "store.db")


@pytest.fixture
async def database(path):
    database = await SqliteDatabase.open(path, ITEMS)
    yield database
    await database.close()


ENGINES = ("sqlite", "shared", "postgres", "simulated")


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
async def reopen(engine, tmp_path, request, host):
    """Opens the same store again; all are closed at the end."""
    opened = []
    where = request.getfixturevalue("postgres_url") if engine == "postgres" else str(tmp_path / "store.db")

    async def open_one(migrations=SCHEMA):
        if engine in ("sqlite", "shared"):
            opened.append(await SqliteDatabase.open(where, migrations, shared=engine == "shared"))
        elif engine == "postgres":
            opened.append(await PostgresDatabase.open(where, migrations))
        else:
            opened.append(SimulatedDatabase("seed", migrations, host=host))
        return opened[-1]

    yield open_one
    for database in opened:
        await database.close()


class FaultyDisk(apsw.VFS):
    """SQLite's own file system, with every write and sync counted and any of them made to fail.

    `fail(operation, suffix, code)` lets the next `times` such operations on files that end in `suffix`, `after` as many
    went well, raise the SQLite result `code`; `fired` counts those that did: a fault test asserts it.
    """

    def __init__(self, name):
        super().__init__(name, "")
        self.name = name
        self.seen = Counter()
        self.fired = 0
        self.faults = []
        self.synced = {}  # path -> bytes of the file when it was last synced: what survives a power loss

    def fail(self, operation, suffix, code, times=1, after=0):
        self.faults.append([operation, suffix, code, times, after])

    def xOpen(self, name, flags):
        return FaultyFile(self, name, flags)

    def xDelete(self, path, sync_folder):
        super().xDelete(path, sync_folder)
        self.synced.pop(path, None)

    def happens(self, operation, path):
        self.seen[operation] += 1
        for fault in self.faults:
            if not fault[3] or fault[0] != operation or not path.endswith(fault[1]):
                continue
            if fault[4]:
                fault[4] -= 1
            else:
                fault[3] -= 1
                self.fired += 1
                raise apsw.exception_for(fault[2])

    def lose_power(self, folder):
        """Write what was synced, and nothing else, into `folder`."""
        for path, content in self.synced.items():
            (folder / os.path.basename(path)).write_bytes(content)


class FaultyFile(apsw.VFSFile):
    def __init__(self, disk, name, flags):
        self.disk = disk
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__("", name, flags)

    def xWrite(self, data, offset):
        self.disk.happens("write", self.path)
        return super().xWrite(data, offset)

    def xTruncate(self, size):
        self.disk.happens("truncate", self.path)
        return super().xTruncate(size)

    def xSync(self, flags):
        self.disk.happens("sync", self.path)
        super().xSync(flags)
        with open(self.path, "rb") as file:
            self.disk.synced[self.path] = file.read()


@pytest.fixture
def disk(request):
    disk = FaultyDisk(f"faulty-{request.node.name}")
    yield disk
    disk.unregister()
