"""Servers' rows in a store, McpTools over real processes and loopback sockets, and what a turn would call."""

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from kelpie.tools import schema as tool_schema
from kelpie.tools.mcp import records, rows
from kelpie.tools.mcp.settings import Secrets, Settings, Variables
from kelpie.tools.mcp.tools import McpTools
from kelpie.tools.tool import ToolContext
from umi.dst import Host
from umi.memory import Archive
from umi.storage import SqliteDatabase, View

HERE = Path(__file__).parent
OPERATORS = {"KELPIE_SECRET_MCP_TEAM": "blue team", "KELPIE_SECRET_DATABASE": "not for servers"}


class PlainProgram:
    """A process of this machine's: what is tested here is the protocol, the jail has tests of its own."""

    started: ClassVar = []

    def __init__(self, process):
        self.process = process
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self.closed = False

    @classmethod
    async def open(cls, command, environment):
        pipe = asyncio.subprocess.PIPE
        made = await asyncio.create_subprocess_exec(
            *command, env=dict(environment), stdin=pipe, stdout=pipe, stderr=pipe
        )
        cls.started.append(cls(made))
        return cls.started[-1]

    async def close(self):
        if self.process.returncode is None:
            self.process.kill()
        # Unread output would hold the transport open: a killed process's pipe is read to its end.
        self.process._transport.close()
        await self.process.wait()
        self.closed = True


class Mcp:
    """McpTools with a store, and shorthands."""

    def __init__(self, database, host):
        self.database, self.host = database, host
        self.tools = self.made()
        self.view = View(database)

    def made(self, **options):
        options = {"private_hosts": ["127.0.0.1"], "opens_program": PlainProgram.open, **options}
        self.tools = McpTools(self.host, variables=Variables(OPERATORS), **options)
        return self.tools

    async def server(self, name="one", secrets=None, **settings):
        """A server's row, without a look at it."""
        given = Settings(name=name, **settings)
        server, changes = await records.plan_create(self.view, self.host, "t", given, secrets or Secrets())
        await self.database.commit(changes)
        return server

    async def sync(self, server):
        """Its tools as rows: what was done, and the tools as a turn would have them, by name."""
        offer = await self.tools.offer(self.view, server)
        done, changes = await rows.plan_sync(self.view, self.host, server, offer, ["send_message"])
        await self.database.commit(changes)
        found = await rows.of_server(self.view, "t", server.id)
        return done, {record.name: self.tools.tool_for(record) for record in found}

    async def hostile(self, how, fired="", secrets=None, **settings):
        """The hostile server with its tools' rows as it showed them first."""
        args = [str(HERE / "hostile.py"), how, *([str(fired)] if fired else [])]
        settings = {"transport": "stdio", "command": sys.executable, "args": args, **settings}
        server = await self.server("one", secrets, **settings)
        return server, (await self.sync(server))[1]

    async def report(self, server):
        return (await records.get(self.view, "t", server.id)).report

    def context(self):
        archive = Archive(self.database, self.host)
        return ToolContext("t", "agent-1", "run-1", "step-1", "call-1", self.view, self.host, archive)

    async def call(self, tool, **arguments):
        return await tool.run(self.context(), arguments)


@pytest.fixture
async def mcp(tmp_path):
    host = Host()
    migrations = [*tool_schema.MIGRATIONS, *records.MIGRATIONS]
    database = await SqliteDatabase.open(str(tmp_path / "mcp.db"), migrations, host=host)
    PlainProgram.started.clear()
    made = Mcp(database, host)
    yield made
    await made.tools.close()
    await host.close()
    await database.close()
    assert all(program.closed for program in PlainProgram.started)
