"""What the guard knows of each engine's SQL: how names compare, what may be called, how a tree is written.

dialect.py   Dialect: the facts a check asks for, and the reading of functions by the engine's own names
duckdb.py    DuckDB
sqlite.py    SQLite
postgres.py  PostgreSQL
mysql.py     MySQL and MariaDB
"""

from kelpie.analyst.guard.dialects.dialect import Dialect

__all__ = ["NAMES", "Dialect", "dialect_of"]

NAMES = ("duckdb", "sqlite", "postgres", "mysql")


def dialect_of(name: str) -> Dialect:
    """Raises ValueError for a name that is not in NAMES: there is no harmless default."""
    match name:
        case "duckdb":
            from kelpie.analyst.guard.dialects.duckdb import DUCKDB

            return DUCKDB
        case "sqlite":
            from kelpie.analyst.guard.dialects.sqlite import SQLITE

            return SQLITE
        case "postgres":
            from kelpie.analyst.guard.dialects.postgres import POSTGRES

            return POSTGRES
        case "mysql":
            from kelpie.analyst.guard.dialects.mysql import MYSQL

            return MYSQL
        case _:
            raise ValueError(f"the guard does not know the dialect '{name}'; it knows {', '.join(NAMES)}")
