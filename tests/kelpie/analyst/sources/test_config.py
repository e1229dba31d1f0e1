"""A connection's config: its shape, what must never stand in it, and whose secrets it may name."""

import pytest
from sqlglot import Dialect

from kelpie.analyst.sources.config import ServerConfig, Surroundings
from kelpie.analyst.sources.engines import ENGINES, checked_config, engine_of
from kelpie.analyst.workers import Workers
from kelpie.config import from_environment
from kelpie.errors import InvalidInput
from umi.dst import Host

SERVER = {"host": "db", "database": "sales", "user": "reader"}


@pytest.mark.parametrize(
    ("engine", "config"),
    [
        ("duckdb", {"path": "a.duckdb"}),
        ("sqlite", {"path": "a.sqlite"}),
        ("files", {"path": "."}),
        ("files", {"paths": ["a.csv", "b.xlsx"]}),
        ("postgres", SERVER),
        ("postgres", SERVER | {"port": 6432, "schema": "s", "password_env": "KELPIE_SECRET_A1", "tls": "verify"}),
        ("mysql", SERVER | {"host": "/run/socket"}),
    ],
)
def test_a_config_of_its_engine_s_shape_is_taken(engine, config):
    checked_config(engine, config)


@pytest.mark.parametrize(
    ("engine", "config", "why"),
    [
        ("oracle", {}, "engine 'oracle' is not known; known engines: duckdb, sqlite, files, postgres, mysql"),
        ("duckdb", {}, "path"),
        ("duckdb", {"path": ""}, "path"),
        ("duckdb", {"path": 3}, "path"),
        ("duckdb", {"path": "a\x00b"}, "path"),
        ("duckdb", {"path": "a\nb"}, "path"),
        ("duckdb", {"path": "a" * 2_000}, "path"),
        ("sqlite", {"path": "a", "mode": "rwc"}, "mode"),
        ("files", {}, "either 'path'"),
        ("files", {"path": "a", "paths": ["b"]}, "either 'path'"),
        ("files", {"paths": ["a.csv"] * 101}, "paths"),
        ("postgres", {"host": "db"}, "database"),
        ("postgres", SERVER | {"port": 0}, "port"),
        ("postgres", SERVER | {"port": "5432"}, "port"),
        ("postgres", SERVER | {"tls": "off"}, "tls"),
        ("postgres", SERVER | {"options": "-c default_transaction_read_only=off"}, "options"),
        ("mysql", SERVER | {"schema": "s"}, "schema"),
    ],
)
def test_a_config_of_another_shape_is_refused_with_what_is_wrong(engine, config, why):
    with pytest.raises(InvalidInput, match=why):
        checked_config(engine, config)


@pytest.mark.parametrize("key", ["password", "Password", "passwd", "pwd", "token", "url", "dsn"])
def test_a_password_in_a_config_is_refused_without_repeating_it(key):
    for engine in ("postgres", "mysql"):
        with pytest.raises(InvalidInput, match="must not stand in a connection") as refused:
            checked_config(engine, SERVER | {key: "hunter2"})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "KELPIE_KEYS", "HOME", "KELPIE_SECRET_", "kelpie_secret_a", "A B"])
def test_a_connection_can_name_no_other_secret_of_the_server(name):
    """Or whoever may make a connection could have it sent to a server of their own."""
    with pytest.raises(InvalidInput, match="password_env"):
        checked_config("postgres", SERVER | {"password_env": name})


def test_the_server_reads_the_secrets_once_and_knows_them_for_secrets():
    config = from_environment({"KELPIE_SECRET_SHOP": "hunter2", "KELPIE_SECRET_EMPTY": "", "SHOP": "no"})
    assert config.connection_secrets == {"KELPIE_SECRET_SHOP": "hunter2"}
    assert "hunter2" in config.secrets
    host = Host()
    workers = Workers(host, 1)
    surroundings = Surroundings(host, workers, [], config.connection_secrets)
    assert surroundings.password(ServerConfig(**SERVER, password_env="KELPIE_SECRET_SHOP")) == "hunter2"
    assert surroundings.password(ServerConfig(**SERVER)) == ""
    with pytest.raises(InvalidInput, match="KELPIE_SECRET_NONE is not set"):
        surroundings.password(ServerConfig(**SERVER, password_env="KELPIE_SECRET_NONE"))
    assert "hunter2" not in repr(ServerConfig(**SERVER, password_env="KELPIE_SECRET_SHOP"))
    workers.close()


def test_every_engine_of_the_registry_speaks_a_dialect_that_the_guard_can_read():
    for name, engine in ENGINES.items():
        assert engine_of(name) is engine
        assert Dialect.get_or_raise(engine.dialect)
        assert engine.example.startswith("{")
