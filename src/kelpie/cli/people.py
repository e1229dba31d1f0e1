"""`kelpie people`: whom questions can be asked for."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from kelpie.cli.options import Key, Url, read_text
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen

people_app = typer.Typer(help="People and teams: whom questions can be asked for.", no_args_is_help=True)


@people_app.command("list")
def people_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List people with their teams, and the teams that nobody is in."""
    client = Client(url, key)
    people, teams = client.get("/v1/people"), client.get("/v1/teams")
    rows = [[one["handle"], one["name"], ", ".join(one["teams"])] for one in people]
    Screen().table(["handle", "name", "teams"], rows, rows_max=len(rows))
    taken = {team for one in people for team in one["teams"]}
    empty = [team["name"] for team in teams if team["name"] not in taken]
    if empty:
        Screen().note(f"teams of nobody: {', '.join(empty)}")


@people_app.command("add")
def people_add(
    handle: Annotated[str, typer.Argument(help="How requests and keys name the person, for ever.")],
    name: Annotated[str | None, typer.Option(help="What to call them; the handle if not given.")] = None,
    team: Annotated[list[str] | None, typer.Option(help="A team they are in; may be given again.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Add a person; a team that isn't there yet is added as well."""
    client = Client(url, key)
    known = {one["name"].casefold() for one in client.get("/v1/teams")} if team else set()
    for missing in dict.fromkeys(one for one in team or () if one.casefold() not in known):
        client.post("/v1/teams", {"name": missing})
    body = {"handle": handle, "teams": team or []} | ({"name": name} if name is not None else {})
    made = client.post("/v1/people", body)
    Screen().good(f"{made['handle']} ({made['name']}), {', '.join(made['teams']) or 'in no team'}")


@people_app.command("apply")
def people_apply(
    file: Annotated[Path, typer.Argument(help="YAML with `teams` and `people`.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make people and teams what a file says. Those it doesn't name stay."""
    done = Client(url, key).post("/v1/people/apply", {"yaml": read_text(file)})
    screen = Screen()
    for what in ("added", "changed", "unchanged"):
        if done[what]:
            screen.good(f"{what}: {', '.join(done[what])}")


@people_app.command("remove")
def people_remove(
    name: Annotated[str, typer.Argument(help="A person's handle or id; with --team a team's name.")],
    team: Annotated[bool, typer.Option("--team", help="Remove a team; its people stay.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Remove a person or a team, and their conventions for good."""
    Client(url, key).delete(f"/v1/{'teams' if team else 'people'}/{quote(name, safe='')}")
    Screen().good(f"{name} is gone, with all conventions")
