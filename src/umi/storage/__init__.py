"""Where rows live: one protocol, one commit path, SQLite under it.

    changes.py   Changes: statements, guards and after-commit hooks that several rooms merge into one commit
    database.py  Database (the protocol), View (reads that see uncommitted Changes), Migration
    sqlite.py    SqliteDatabase: one file, one connection, group commit on one writer
    engine.py    the synchronous half of it: open, run a batch, checkpoint, close
    lock.py      one process per file, and who it is
    page.py      Page: a slice of a table by age
    simulated.py SimulatedDatabase: the engine on a disk in memory that fails under a seed; imported by tests alone

Rooms plan (`plan_x(view, …) -> Changes`) and callers commit; storage knows no room's tables.
"""

from umi.storage.changes import Changes, Write
from umi.storage.database import Database, Migration, Row, View
from umi.storage.page import Page, paged
from umi.storage.sqlite import SqliteDatabase

__all__ = ["Changes", "Database", "Migration", "Page", "Row", "SqliteDatabase", "View", "Write", "paged"]
