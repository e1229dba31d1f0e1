"""The registry: which engines there are, how each is configured and opened. Another engine is one more entry."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kelpie.analyst.sources.config import (
    FileConfig,
    FilesConfig,
    PostgresConfig,
    ServerConfig,
    Surroundings,
    read_config,
)
from kelpie.analyst.sources.duckdb_file import open_duckdb
from kelpie.analyst.sources.files import open_files
from kelpie.analyst.sources.mysql import open_mysql
from kelpie.analyst.sources.postgres import open_postgres
from kelpie.analyst.sources.source import Source
from kelpie.analyst.sources.sqlite_file import open_sqlite
from kelpie.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Engine:
    """How one kind of source is reached.

    dialect    sqlglot's name of its SQL
    example    a config to learn from
    is_server  others write there, so that its snapshot moves although the data asked about do not
    """

    name: str
    dialect: str
    config: type[msgspec.Struct]
    open: Callable[[Any, Surroundings], Awaitable[Source]]
    example: str
    is_server: bool = False


_SERVER = '"host": "db.example.com", "database": "sales", "user": "reader", "password_env": "KELPIE_SECRET_SALES"'
ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("duckdb", "duckdb", FileConfig, open_duckdb, '{"path": "sales.duckdb"}'),
        Engine("sqlite", "sqlite", FileConfig, open_sqlite, '{"path": "sales.sqlite"}'),
        Engine("files", "duckdb", FilesConfig, open_files, '{"path": "exports"} or {"paths": ["sales.xlsx"]}'),
        Engine("postgres", "postgres", PostgresConfig, open_postgres, f'{{{_SERVER}, "schema": "public"}}', True),
        Engine("mysql", "mysql", ServerConfig, open_mysql, f"{{{_SERVER}}}", True),
    )
}


def engine_of(name: str) -> Engine:
    """Raises InvalidInput."""
    if name not in ENGINES:
        raise InvalidInput(f"the engine '{name}' is not known; known engines: {', '.join(ENGINES)}")
    return ENGINES[name]


def checked_config(engine: str, config: Mapping[str, Any]) -> msgspec.Struct:
    """`config` in the engine's shape. Raises InvalidInput: an unknown engine, a wrong or a secret value."""
    known = engine_of(engine)

    def refuse(reason: str) -> InvalidInput:
        return InvalidInput(f"the config of a {engine} connection is wrong: {reason}; an example: {known.example}")

    return read_config(known.config, config, refuse)


async def open_source(engine: str, config: Mapping[str, Any], surroundings: Surroundings) -> Source:
    """Raises InvalidInput (the config is wrong, nothing suitable is there), SourceUnavailable, MissingExtra."""
    return await engine_of(engine).open(checked_config(engine, config), surroundings)
