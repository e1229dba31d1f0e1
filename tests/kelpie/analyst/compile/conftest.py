"""A database of each dialect to run compiled SQL on, in process or on a real server."""

import datetime as dt
import sqlite3
from decimal import Decimal

import duckdb
import pytest
from tests.kelpie.analyst.sources.mariadb_server import MariaDbServer, program

DIALECTS = ("duckdb", "sqlite", "postgres", "mysql")


class Database:
    """`run` gives rows, with dates as texts; `fill` makes tables anew."""

    def __init__(self, dialect, connection):
        self.dialect, self.connection = dialect, connection
        self.filled = set()

    def run(self, sql, cells=()):
        mark = "%s" if self.dialect in ("postgres", "mysql") else "?"
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("?", mark) if cells else sql, *([list(cells)] if cells else []))
        rows = cursor.fetchall() if cursor.description else []
        return [[cell.isoformat() if isinstance(cell, dt.date) else cell for cell in row] for row in rows]

    def fill(self, tables):
        """`tables` is name -> (column -> type, rows)."""
        self.filled |= set(tables)
        for table, (columns, rows) in tables.items():
            self.run(f"DROP TABLE IF EXISTS {table}")
            self.run(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
            if rows:
                marks = ", ".join(f"({', '.join('?' * len(columns))})" for _ in rows)
                self.run(f"INSERT INTO {table} VALUES {marks}", [self._cell(cell) for row in rows for cell in row])

    def _cell(self, cell):
        if self.dialect != "sqlite":
            return cell
        if isinstance(cell, dt.date):
            return cell.isoformat()
        return float(cell) if isinstance(cell, Decimal) else cell


@pytest.fixture(scope="session")
def duckdb_database():
    with duckdb.connect() as connection:
        yield Database("duckdb", connection)


@pytest.fixture(scope="session")
def sqlite_database():
    connection = sqlite3.connect(":memory:")
    yield Database("sqlite", connection)
    connection.close()


@pytest.fixture(scope="session")
def postgres_database(postgres_server):
    import psycopg

    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        yield Database("postgres", connection)


@pytest.fixture(scope="session")
def mysql_database(needs):
    found, why = program()
    needs("mariadb", found is not None, why)
    server = MariaDbServer(found)
    server.execute("CREATE DATABASE compiled CHARACTER SET utf8mb4")
    connection = server.connect("compiled")
    connection.cursor().execute("SET sql_notes = 0")
    yield Database("mysql", connection)
    connection.close()
    server.remove()


@pytest.fixture(params=DIALECTS)
def database_of_dialect(request):
    return request.getfixturevalue(f"{request.param}_database")
