"""`kelpie analyst`: what the analyst's answers stand on: data, their meaning, queries, and what people confirmed."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from kelpie.cli.access import access_app
from kelpie.cli.conventions import conventions_app
from kelpie.cli.options import As, Key, Url, read_text
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput

analyst_app = typer.Typer(help="The analyst: data, their meaning, and what numbers stand on.", no_args_is_help=True)
connections_app = typer.Typer(help="Data sources that questions may be about.", no_args_is_help=True)
models_app = typer.Typer(help="Semantic models: what the data mean.", no_args_is_help=True)
queries_app = typer.Typer(help="What was asked of the data.", no_args_is_help=True)
answers_app = typer.Typer(help="Answers: as files, asked again, confirmed or corrected.", no_args_is_help=True)
analyst_app.add_typer(connections_app, name="connections")
analyst_app.add_typer(models_app, name="models")
analyst_app.add_typer(queries_app, name="queries")
analyst_app.add_typer(answers_app, name="answers")
analyst_app.add_typer(conventions_app, name="conventions")
analyst_app.add_typer(access_app, name="access")

PATH = "/v1/analyst"
Query = Annotated[str, typer.Argument(help="The query's id.")]
Run = Annotated[str, typer.Argument(help="The run's id, as the answer shows it.")]
Connection = Annotated[str, typer.Argument(help="The connection: name or id.")]
YamlFile = Annotated[Path, typer.Argument(help="The semantic model's YAML.")]


def _found(client: Client, kind: str, wanted: str) -> dict[str, Any]:
    """A connection or semantic model by name or id. Raises InvalidInput that names those there are."""
    known = client.get(f"{PATH}/{kind}")
    for one in known:
        if wanted in (one["id"], one["name"]):
            found: dict[str, Any] = one
            return found
    names = ", ".join(one["name"] for one in known) or "none"
    raise InvalidInput(f"there is nothing called '{wanted}' among the {kind.replace('-', ' ')}: {names}")


# ---- connections


@connections_app.command("list")
def connections_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List the connected data sources."""
    found = Client(url, key).get(f"{PATH}/connections")
    rows = [[one["id"], one["name"], one["engine"], one["sharing"]] for one in found]
    Screen().table(["id", "name", "engine", "shares with models"], rows)


@connections_app.command("add")
def connections_add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    engine: Annotated[str, typer.Option(help="duckdb, sqlite, postgres, mysql or files.")] = "duckdb",
    path: Annotated[str | None, typer.Option(help="Of a file: its path, in the server's data folder.")] = None,
    config: Annotated[
        str | None, typer.Option(help='The engine\'s settings as JSON: {"host": "…", "database": "…", …}.')
    ] = None,
    sharing: Annotated[str, typer.Option(help="What a language model may read: rows, aggregates or schema.")] = "rows",
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Connect a data source. It is opened once, read-only, before it is kept."""
    if (path is None) == (config is None):
        raise InvalidInput("give --path for a file, or --config for everything else")
    try:
        settings = {"path": path} if config is None else msgspec.json.decode(config, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidInput(f"--config is no JSON object: {error}") from None
    body = {"name": name, "engine": engine, "config": settings, "sharing": sharing}
    made = Client(url, key).post(f"{PATH}/connections", body)
    Screen().good(f"{made['name']} is connected: {made['id']}")


@connections_app.command("check")
def connections_check(connection: Connection, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Say what answers there, and what the account may do beyond reading."""
    client, screen = Client(url, key), Screen()
    found = client.get(f"{PATH}/connections/{_found(client, 'connections', connection)['id']}/check")
    screen.good(found["version"])
    for sentence in found["beyond_reading"]:
        screen.bad(sentence)


@connections_app.command("remove")
def connections_remove(connection: Connection, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Forget a connection; what it leads to is left alone."""
    client = Client(url, key)
    gone = _found(client, "connections", connection)
    client.delete(f"{PATH}/connections/{gone['id']}")
    Screen().good(f"{gone['name']} is forgotten")


# ---- semantic models


@models_app.command("list")
def models_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List the semantic models."""
    found = Client(url, key).get(f"{PATH}/semantic-models")
    Screen().table(["id", "name", "connection"], [[one["id"], one["name"], one["connection_id"]] for one in found])


@models_app.command("add")
def models_add(connection: Connection, file: YamlFile, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Register a semantic model; every expression in it is run first."""
    client = Client(url, key)
    body = {"connection_id": _found(client, "connections", connection)["id"], "yaml": read_text(file)}
    made = client.post(f"{PATH}/semantic-models", body)
    Screen().good(f"{made['name']} is registered: {made['id']}")


@models_app.command("check")
def models_check(connection: Connection, file: YamlFile, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Run a semantic model's expressions without keeping it. Exit 1 if something is wrong with it."""
    client, screen = Client(url, key), Screen()
    body = {"connection_id": _found(client, "connections", connection)["id"], "yaml": read_text(file)}
    problems = client.post(f"{PATH}/semantic-models/check", body)["problems"]
    for problem in problems:
        screen.bad(problem)
    if problems:
        raise typer.Exit(1)
    screen.good("every expression runs")


@models_app.command("infer")
def models_infer(
    connection: Connection,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    name: Annotated[str | None, typer.Option(help="What the model calls itself; the connection's name if not.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Draft a semantic model from what a source says of itself, for a person to correct."""
    client, screen = Client(url, key), Screen()
    found = _found(client, "connections", connection)
    drafted: str = client.post(f"{PATH}/connections/{found['id']}/draft", {"name": name})["yaml"]
    if out is None:
        screen.line(drafted)
        return
    out.write_text(drafted, encoding="utf-8")
    screen.good(f"a draft of {len(drafted.splitlines()):,} lines is in {out}: read its comments, correct it, add it")


@models_app.command("remove")
def models_remove(
    model: Annotated[str, typer.Argument(help="The semantic model: name or id.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Forget a semantic model, with what was learned of it."""
    client = Client(url, key)
    gone = _found(client, "semantic-models", model)
    client.delete(f"{PATH}/semantic-models/{gone['id']}")
    Screen().good(f"{gone['name']} is forgotten")


# ---- queries


@queries_app.command("show")
def queries_show(query: Query, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show what the numbers of a query stand on."""
    screen = Screen()
    behind = Client(url, key).get(f"{PATH}/queries/{query}")
    asked = behind["query"]
    basis, verdict = asked["basis"], asked["verdict"]
    facts = {
        "outcome": f"{verdict['outcome']} {verdict.get('message', '')}".strip(),
        "connection": f"{basis.get('connection', asked['connection_id'])} ({basis.get('engine', '')})",
        "model": f"{basis.get('semantic_model', '')}, version {basis.get('model_version', '')[:12]}",
        "state of the data": f"{asked['snapshot'].get('where', '')} {asked['snapshot'].get('state', '')}",
        "kept back": "; ".join(verdict.get("withheld", [])) or "nothing",
        "rows": f"{asked['row_count']:,} in {asked['duration_ms']:,.0f} ms",
    }
    screen.table(["fact", "is"], [[name, value] for name, value in facts.items()])
    screen.sql(asked["sql"])
    for name, column in basis.get("columns", {}).items():
        screen.plain(f"{name} = {column['formula']}")
    screen.table([column["name"] for column in asked["columns"]], asked["rows"])


@queries_app.command("rerun")
def queries_rerun(query: Query, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Run a query again and compare. Exit 1 if it gives other rows."""
    screen = Screen()
    again = Client(url, key).post(f"{PATH}/queries/{query}/rerun", {})
    if again["same"]:
        screen.good(f"{again['outcome']}: the same rows")
        return
    screen.bad(f"{again['outcome']}: row {again['first_difference'] + 1} is the first that differs")
    raise typer.Exit(1)


@queries_app.command("check")
def queries_check(query: Query, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Ask for a query's numbers another way. Exit 1 if they come out differently."""
    screen = Screen()
    found = Client(url, key).post(f"{PATH}/queries/{query}/check", {})
    rows = [[one["column"], one["outcome"], one.get("how", "")] for one in found["columns"]]
    screen.table(["column", "outcome", "how"], rows)
    if found["outcome"] == "differs":
        raise typer.Exit(1)


# ---- answers


@answers_app.command("report")
def answers_report(
    run: Run,
    out: Annotated[Path, typer.Argument(help="The file to write: .html, .md or .json.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Write an answer with all that it stands on to one file."""
    from kelpie.console.ask import REPORT_FORMS, form_of

    form = form_of(out, REPORT_FORMS)
    out.write_bytes(Client(url, key).get_bytes(f"{PATH}/answers/{run}", format=form))
    Screen().good(f"report written to {out}")


@answers_app.command("reexecute")
def answers_reexecute(run: Run, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Ask for every number of an answer again. Exit 1 if one differs though the data have not changed."""
    screen = Screen()
    found = Client(url, key).post(f"{PATH}/answers/{run}/reexecute", {})["numbers"]
    screen.table(["number", "now", "outcome"], [[one["text"], str(one["value"]), one["outcome"]] for one in found])
    if any(one["outcome"] == "differs" for one in found):
        raise typer.Exit(1)


@answers_app.command("confirm")
def answers_confirm(
    run: Run,
    question: Annotated[str | None, typer.Option(help="The question in words that stand alone.")] = None,
    as_: As = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Say that an answer is right: its SQL answers the question from now on."""
    body = {name: value for name, value in (("question", question), ("as", as_)) if value is not None}
    made = Client(url, key).post(f"{PATH}/answers/{run}/confirm", body)
    Screen().good(f"“{made['question']}” is answered by its SQL from now on ({made['id']})")


@answers_app.command("reject")
def answers_reject(
    run: Run,
    reason: Annotated[str, typer.Option(help="What is wrong.")] = "",
    sql: Annotated[Path | None, typer.Option(help="A file with the SQL that is right.")] = None,
    question: Annotated[str | None, typer.Option(help="The question in words that stand alone.")] = None,
    as_: As = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Say that an answer is wrong; with --sql, what is right."""
    given = {"reason": reason, "sql": None if sql is None else read_text(sql), "question": question, "as": as_}
    body = {name: value for name, value in given.items() if value is not None}
    made = Client(url, key).post(f"{PATH}/answers/{run}/reject", body)["verified_query"]
    told = "kept" if made is None else f"“{made['question']}” is answered by this SQL from now on ({made['id']})"
    Screen().good(told)


@answers_app.command("verified")
def answers_verified(
    remove: Annotated[str | None, typer.Option(help="Forget this one, by its id.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List the questions that confirmed or corrected SQL answers; or forget one."""
    client, screen = Client(url, key), Screen()
    if remove is not None:
        client.delete(f"{PATH}/verified-queries/{remove}")
        screen.good(f"{remove} is forgotten")
        return
    found = client.get(f"{PATH}/verified-queries")
    rows = [[one["question"], one["kind"], one["verified_by"], one["holds_for"], one["id"]] for one in found]
    screen.table(["question", "how", "by", "holds for", "id"], rows, rows_max=len(rows))
