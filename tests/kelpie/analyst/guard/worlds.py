"""Real engines with the tables that the fixtures speak of, and with any other tables a test wants.

`ask` is the raw driver, past everything that is tested; `source` is ours, with its own wall and without the guard.
"""

import itertools
import os

import apsw
import duckdb
from tests.kelpie.analyst.warehouses import build_flights

from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import open_source
from kelpie.analyst.workers import Workers
from umi.dst import Host

ROWS = 1_000
_numbers = itertools.count()


def flights_tables(folder):
    """table -> (columns as (name, DuckDB's type), rows), made once in DuckDB and copied to the others."""
    path = os.path.join(folder, f"flights-{next(_numbers)}.duckdb")
    build_flights(path)
    tables = {}
    with duckdb.connect(path, read_only=True) as opened:
        for name in ("flights", "airlines", "airports", "salaries"):
            few = f" WHERE flight_id <= {ROWS}" if name == "flights" else ""
            found = opened.execute(f"SELECT * FROM {name}{few}")
            tables[name] = ([(column[0], str(column[1])) for column in found.description], found.fetchall())
    return tables


class World:
    """A database."""

    dialect = ""

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.config = {}
        self.workers = Workers(Host(), 2)
        self.name = f"world_{next(_numbers)}"

    def ask(self, sql):
        raise NotImplementedError

    def load(self, tables):
        """Make these tables, as `flights_tables` gives them."""
        for name, (columns, rows) in tables.items():
            listed = ", ".join(f"{column} {self.type_of(kind)}" for column, kind in columns)
            self.write(f"CREATE TABLE {name} ({listed})")
            self.insert(name, len(columns), rows)

    def type_of(self, kind):
        """DuckDB's type in the engine's words."""
        return kind

    def write(self, sql):
        raise NotImplementedError

    def insert(self, name, width, rows):
        raise NotImplementedError

    async def source(self):
        surroundings = Surroundings(Host(), self.workers, [self.folder], {})
        return await open_source(self.dialect, self.config, surroundings)

    def remove(self):
        """Let go; a server goes away with all that is on it."""
        self.workers.close()


class DuckDbWorld(World):
    dialect = "duckdb"

    def __init__(self, folder):
        super().__init__(folder)
        self.config = {"path": f"{self.name}.duckdb"}
        self._path = os.path.join(self.folder, self.config["path"])
        self._connection = duckdb.connect(self._path)

    def ask(self, sql):
        return self._connection.execute(sql).fetchall()

    write = ask

    def insert(self, name, width, rows):
        if rows:  # in one statement, without parameters: DuckDB takes its time for each of either
            listed = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
            self._connection.execute(f"INSERT INTO {name} VALUES {listed}")

    async def source(self):
        # DuckDB opens a file twice in one process only with equal settings, and ours are locked down.
        self._connection.close()
        return await super().source()


def _literal(value):
    if value is None or isinstance(value, bool | int | float):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"


class SqliteWorld(World):
    dialect = "sqlite"

    def __init__(self, folder):
        super().__init__(folder)
        self.config = {"path": f"{self.name}.sqlite"}
        self._connection = apsw.Connection(os.path.join(self.folder, self.config["path"]))

    def type_of(self, kind):
        return {"VARCHAR": "TEXT", "DATE": "TEXT", "BOOLEAN": "INTEGER", "SMALLINT": "INTEGER"}.get(kind, kind)

    def ask(self, sql):
        return self._connection.execute(sql).fetchall()

    write = ask

    def insert(self, name, width, rows):
        values = [[str(value) if hasattr(value, "isoformat") else value for value in row] for row in rows]
        with self._connection:
            self._connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * width)})", values)

    def remove(self):
        self._connection.close()
        super().remove()


class PostgresWorld(World):
    """A schema of its own, and a role that may read what it is granted and nothing else."""

    dialect = "postgres"

    def __init__(self, folder, server):
        super().__init__(folder)
        self._server = server
        self._connect()
        self._connection.execute(f"CREATE SCHEMA {self.name}")
        self.config = {"host": server.folder, "database": "postgres", "user": self.name, "schema": self.name}

    def grant(self, tables):
        self.write(f"CREATE ROLE {self.name} LOGIN")
        self.write(f"GRANT USAGE ON SCHEMA {self.name} TO {self.name}")
        self.write(f"GRANT SELECT ON {', '.join(tables)} TO {self.name}")

    def _connect(self):
        import psycopg

        self._connection = psycopg.connect(self._server.url(), autocommit=True)
        self._connection.execute(f"SET search_path = {self.name}")
        self._connection.execute("SET max_parallel_workers_per_gather = 0")

    def ask(self, sql):
        """The rows. Another test of this process may have restarted the server, which ended the connection."""
        import psycopg

        try:
            return self._connection.execute(sql).fetchall()
        except psycopg.OperationalError:
            if not self._connection.broken:
                raise
        self._connect()
        return self._connection.execute(sql).fetchall()

    def write(self, sql):
        self.ask("SELECT 1")
        self._connection.execute(sql)

    def insert(self, name, width, rows):
        with self._connection.cursor().copy(f"COPY {name} FROM STDIN") as copying:
            for row in rows:
                copying.write_row(row)

    def remove(self):
        self._connection.close()
        super().remove()


class MariaDbWorld(World):
    """A database of its own, and an account that may read what it is granted and nothing else."""

    dialect = "mysql"

    def __init__(self, folder, server):
        super().__init__(folder)
        server.execute(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        self._connection = server.connect(self.name)
        self.config = {"host": server.socket, "database": self.name, "user": self.name}

    def type_of(self, kind):
        return "VARCHAR(100)" if kind == "VARCHAR" else kind

    def grant(self, tables):
        self.write(f"CREATE USER {self.name}@localhost")
        for table in tables:
            self.write(f"GRANT SELECT ON {self.name}.{table} TO {self.name}@localhost")

    def ask(self, sql):
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    write = ask

    def insert(self, name, width, rows):
        with self._connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * width)})", rows)

    def remove(self):
        self._connection.close()
        super().remove()


def make_world(dialect, folder, server=None):
    """`server` for the two dialects that need one."""
    made = {"duckdb": DuckDbWorld, "sqlite": SqliteWorld, "postgres": PostgresWorld, "mysql": MariaDbWorld}[dialect]
    return made(folder) if server is None else made(folder, server)
