"""The commands: each reads its arguments, calls one function and prints what came of it."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from kelpie import config as configuration
from kelpie.cli.analyst import analyst_app
from kelpie.cli.audit import audit_app
from kelpie.cli.keys import keys_app, tenants_app
from kelpie.cli.mcp import mcp_app
from kelpie.cli.options import As, Key, Url
from kelpie.cli.people import people_app
from kelpie.cli.sandbox import sandbox_app
from kelpie.cli.sim import sim_app
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput, UmiError
from umi.dst import Host

app = typer.Typer(
    name="kelpie",
    help="Agents that remember, act safely and lose nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(help="Models: those the server offers, and one to run in process.", no_args_is_help=True)
trajectories_app = typer.Typer(help="What agents did, as it was recorded.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(trajectories_app, name="trajectories")
app.add_typer(analyst_app, name="analyst")
app.add_typer(people_app, name="people")
app.add_typer(keys_app, name="keys")
app.add_typer(tenants_app, name="tenants")
app.add_typer(audit_app, name="audit")
app.add_typer(mcp_app, name="mcp")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(sim_app, name="sim")


def run() -> int:
    """Run the command line; an error of ours is one line and exit code 1."""
    try:
        # Without standalone mode an Exit comes back as its code instead of ending the process.
        ended = app(standalone_mode=False)
    except UmiError as error:
        Screen().bad(str(error))
        return 1
    except typer.Abort:
        return 130
    except Exception as error:
        # Typer's own usage errors carry an exit code and know how to show themselves.
        if hasattr(error, "exit_code") and hasattr(error, "show"):
            error.show()
            return int(error.exit_code)
        raise
    return ended if isinstance(ended, int) else 0


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind; beyond loopback a key is required.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port, 8283 by default; 0 takes a free one.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the database, ./kelpie-data by default.")] = None,
    strict_letta: Annotated[
        bool,
        typer.Option("--strict-letta", help="Only what Letta does: agents recall and remember nothing by themselves."),
    ] = False,
) -> None:
    """Run the server until it is stopped."""
    from kelpie.server import run as run_server

    config = configuration.load(host=host, port=port, data_folder=data, strict_letta=strict_letta or None)
    raise typer.Exit(run_server(config))


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="Folder to keep what the demo makes; else it is removed.")] = None,
) -> None:
    """Show the main job end to end: real data, questions, a crash, and what was learned."""
    from kelpie.demo.script import play

    raise typer.Exit(play(Screen(), data))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="A question in plain words.")],
    model: Annotated[str | None, typer.Option(help="Semantic model: name or id, if there are several.")] = None,
    as_: As = None,
    session: Annotated[str, typer.Option(help="Questions of one session follow each other.")] = "cli",
    chart: Annotated[Path | None, typer.Option(help="Write the chart, if there is one: .png, .svg or .json.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this CSV.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the whole answer: .html, .md or .json.")] = None,
    check: Annotated[
        bool | None, typer.Option(help="Ask for the numbers another way too; by default where that is quick.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Ask the analyst a question about connected data. Ctrl-C cancels it, in the database too."""
    from kelpie.console.ask import Files, put

    files = Files(chart=chart, csv=csv, report=report)
    put(Client(url, key), Screen(), question, semantic_model=model, session=session, as_=as_, check=check, files=files)


@app.command()
def chat(
    agent: Annotated[str | None, typer.Option(help="Name of the agent; made if there is none.")] = None,
    model: Annotated[str | None, typer.Option(help="Model handle, for example openai/gpt-4o-mini.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Talk to an agent."""
    from kelpie.cli.chat import talk

    talk(Client(url, key), Screen(), agent, model)


@app.command("import-letta")
def import_letta(
    database: Annotated[
        str, typer.Argument(envvar="LETTA_PG_URI", help="Letta's database: postgresql://user:password@host/name.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come over, and what not.")] = False,
    data: Annotated[str | None, typer.Option(help="Our data folder; its server must not be running.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose it is to be here.")] = configuration.DEFAULT_TENANT,
    organization: Annotated[str | None, typer.Option(help="Letta's organisation, if it has several: its id.")] = None,
    report: Annotated[Path, typer.Option(help="File that names every row not taken, as JSON lines.")] = Path(
        "letta-import.jsonl"
    ),
    encryption_key: Annotated[
        str | None,
        typer.Option(envvar="LETTA_ENCRYPTION_KEY", help="Opens the secrets that Letta encrypted.", show_envvar=True),
    ] = None,
) -> None:
    """Bring over what a Letta 0.16 database holds. It is only read; running it again brings nothing twice."""
    from kelpie.cli.import_letta import Wanted, bring

    wanted = Wanted(tenant, organization, dry_run, report, encryption_key)
    asyncio.run(bring(configuration.load(data_folder=data), database, wanted, Screen()))


@app.command()
def doctor(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Say what this machine has and lacks. Exit 1 if the server could not run."""
    from kelpie.cli.doctor import examine

    raise typer.Exit(1 if examine(configuration.load(), Client(url, key), Screen()) else 0)


@models_app.command("list")
def models_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List the models the server offers."""
    cards = Client(url, key).get("/v1/models/")
    rows = [[card["handle"], card["provider_name"], card.get("context_window")] for card in cards]
    Screen().table(["handle", "provider", "context window"], rows)


@models_app.command("get")
def models_get(
    name: Annotated[str, typer.Argument(help="Which one: smollm2 (135M, Apache-2.0, weak, for offline chat).")],
    data: Annotated[str | None, typer.Option(help="The server's data folder.")] = None,
) -> None:
    """Download a small model that runs in process with the extra 'local'."""
    from kelpie.models.weights import get_weights

    screen = Screen()
    folder = Path(configuration.load(data_folder=data).data_folder) / "models"
    with screen.waiting(f"fetching {name}"):
        path = asyncio.run(get_weights(name, str(folder), Host(), screen.note))
    screen.good(f"{path}")
    screen.note("a model of 135 million parameters: good to try the stack offline, not to rely on its answers")


@trajectories_app.command("export")
def trajectories_export(
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    agent: Annotated[list[str] | None, typer.Option(help="Only runs of this agent id; may be given again.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Write completed runs as chat-format JSONL, for fine-tuning."""
    lines = Client(url, key).lines("/v1/trajectories/export", **({"agent_id": agent} if agent else {}))
    if out is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        return
    if not out.parent.is_dir():
        raise InvalidInput(f"there is no folder {out.parent}; make it first")
    screen = Screen()
    count = 0
    with screen.waiting(f"writing {out}"), out.open("wb") as file:
        for line in lines:
            file.write(line)
            count += 1
    screen.good(f"{count} runs written to {out}")
