"""Our list of Letta's tables against the true ones, made by the last server's own code in an environment of its own.

    make test ARGS='tests/kelpie/moving/letta/test_true_schema.py -m letta_schema'

It installs the wheel and what its tables need, about 200 MB, and takes a minute or two.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kelpie.moving.letta.database import ADA, MANUALS, LettaDatabase, furnish

from kelpie.agents import agent as agents
from kelpie.files import attached
from kelpie.moving.letta.tables import LEFT, TAKEN

WHEEL = "letta==0.16.7"
# What the modules of its tables import; the wheel asks for four times as much.
NEEDED = (
    "sqlalchemy[asyncio]<2.1 pydantic<2.12 pydantic-settings openai anthropic pgvector numpy mcp httpx pyyaml demjson3"
    " pathvalidate fastapi pytz asyncpg aiohttp opentelemetry-sdk opentelemetry-exporter-otlp"
    " opentelemetry-instrumentation-requests opentelemetry-instrumentation-sqlalchemy"
).split()
MAIN = Path(__file__).with_name("true_schema.py")


@pytest.fixture(scope="module")
def schema(needs, tmp_path_factory):
    """The statements that make its tables."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    needs("letta-server", Path(uv).exists(), "the program uv is not there")
    folder = tmp_path_factory.mktemp("letta")
    python = str(folder / "env" / "bin" / "python")
    install = [uv, "pip", "install", "-q", "--python", python]
    steps = ([uv, "venv", "-q", "-p", "3.11", str(folder / "env")], [*install, *NEEDED], [*install, "--no-deps", WHEEL])
    for step in steps:
        ran = subprocess.run(step, capture_output=True, text=True, check=False)
        needs("letta-server", ran.returncode == 0, f"{WHEEL} can't be installed: {ran.stderr[-300:]}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    ran = subprocess.run([python, str(MAIN)], capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return ran.stdout


@pytest.mark.letta_schema
async def test_a_database_with_the_true_tables_comes_over(schema, postgres_server, store):
    database = LettaDatabase(postgres_server, "letta_true")
    database.connection.execute("CREATE EXTENSION vector")
    database.connection.execute(schema)
    tables = database.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    there = {row[0] for row in tables}
    assert there <= set(TAKEN) | set(LEFT), "a table of theirs is not on our list"
    assert set(TAKEN) <= there
    for table in ("alembic_version", "their_own_table"):
        database.connection.execute(f"CREATE TABLE {table} (version_num text, id text)")
    furnish(database, embedding=str([0.0] * 4096))
    brought = await store.bring(database.url)
    assert (await agents.get(store.view, "default", ADA)).name == "Ada's helper"
    assert brought.report.unaccounted() == {}
    taken = brought.report.taken
    assert (taken["messages"], taken["conversations"], taken["files"]) == (13, 3, 2)
    assert [one.id for one in await attached.folders_of(store.view, "default", ADA)] == [MANUALS]
    database.close()
