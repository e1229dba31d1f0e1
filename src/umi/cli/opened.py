"""The memory that a command works on: a file of this machine, or a running server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
import typer

from umi.errors import StoreInUse
from umi.memory import DEFAULT_TENANT, Memory

DB_DEFAULT = "./memory.db"
PORT_DEFAULT = 8284

Db = Annotated[str, typer.Option("--db", envvar="UMI_DB", help="The memory's file, or a postgresql:// URL.")]
Scope = Annotated[str, typer.Option("--scope", envvar="UMI_SCOPE", help="Whose memory: a person, an agent, a project.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="The customer, where several share a database.")]
Url = Annotated[
    str | None, typer.Option("--url", envvar="UMI_URL", help="Ask a running `umi serve` there, instead of a file.")
]
Key = Annotated[str | None, typer.Option("--key", envvar="UMI_KEY", help="The server's key, if it asks for one.")]
Shared = Annotated[bool, typer.Option("--shared", help="Other processes have the file open too, as shared.")]
AsJson = Annotated[bool, typer.Option("--json", help="The answer as one line of JSON, for programs.")]


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What every command may be told."""

    db: str = DB_DEFAULT
    scope: str = "default"
    tenant: str | None = None
    url: str | None = None
    key: str | None = None
    shared: bool = False
    as_json: bool = False


class FileInUse(StoreInUse):
    """With what to do about it from a terminal."""

    def __init__(self, error: StoreInUse) -> None:
        super().__init__(error.path, error.holder_pid)
        self.args = (f"{error}\nto share it, let one process run `umi serve` and give the others --url",)


@asynccontextmanager
async def opened(where: Where) -> AsyncIterator[Any]:
    """A Memory, or a client with its methods. Raises StoreError."""
    if where.url is not None:
        from umi.serve.client import Client

        async with Client(where.url, scope=where.scope, tenant=where.tenant, key=where.key) as client:
            yield client
        return
    try:
        tenant = where.tenant or DEFAULT_TENANT
        memory = await Memory.open(where.db, scope=where.scope, tenant=tenant, shared=where.shared)
    except StoreInUse as error:
        raise FileInUse(error) from None
    try:
        yield memory
    finally:
        await memory.close()
