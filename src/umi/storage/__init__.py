"""Where rows live: one protocol, one commit path, SQLite or PostgreSQL under it.

    changes.py   Changes: statements, guards and after-commit hooks that several rooms merge into one commit
    database.py  Database (the protocol), View (reads that see uncommitted Changes), Migration
    sqlite.py    SqliteDatabase: one file, of one process or shared by several, group commit on one writer
    engine.py    the synchronous half of it: open, run a batch, checkpoint, scrub, close
    failures.py  what SQLite and the machine do wrong, in our words
    lock.py      who may have a file open, and who has
    postgres.py  PostgresDatabase: a server for several processes (extra `postgres`, imported when it is used)
    postgres_writer.py  the half of it that writes
    link.py      its connections: settings, values, errors in our words
    nearest.py   vectors that the server searches, where it has pgvector
    dialect.py   the rooms' SQL as PostgreSQL says it
    jobs.py      what callers ask of a store, and how a job ends
    page.py      Page: a slice of a table by age
    simulated.py SimulatedDatabase: the engine on a disk in memory that fails under a seed; imported by tests alone

Rooms plan (`plan_x(view, …) -> Changes`) and callers commit; storage knows no room's tables.
"""

from umi.storage.changes import Changes, Write
from umi.storage.database import Database, Migration, Row, View
from umi.storage.page import Page, paged
from umi.storage.sqlite import SqliteDatabase

__all__ = ["Changes", "Database", "Migration", "Page", "Row", "SqliteDatabase", "View", "Write", "paged"]
