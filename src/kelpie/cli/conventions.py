"""`kelpie analyst conventions`: what people, teams and the organisation hold to."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from kelpie.cli.options import As, Key, Url
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen

conventions_app = typer.Typer(help="What people, teams and the organisation hold to.", no_args_is_help=True)
PATH = "/v1/analyst/conventions"


def _given(**values: Any) -> dict[str, Any]:
    """Those that were given; `as_` under the API's name for it."""
    return {name.rstrip("_"): value for name, value in values.items() if value is not None}


@conventions_app.command("list")
def conventions_list(as_: As = None, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List what holds for somebody, whose it is and what it overrides."""
    found = Client(url, key).get(PATH, **_given(as_=as_))
    considered = {one["id"]: one for one in found["considered"]}
    rows = []
    for one in found["conventions"]:
        beaten = [f"{considered[other]['value']} ({_whose(considered[other])})" for other in one["overrides"]]
        rows.append([one["topic"], one["value"], _whose(one), f"{one['weight']:g}", "; ".join(beaten), one["id"]])
    Screen().table(["topic", "holds", "whose", "weight", "overrides", "id"], rows, rows_max=len(rows))


def _whose(one: dict[str, Any]) -> str:
    return one["whose"] or "organisation"


@conventions_app.command("keep")
def conventions_keep(
    topic: Annotated[str, typer.Argument(help="A word or phrase; of a preference: show, grain, detail, …")],
    value: Annotated[
        str, typer.Argument(help="table, chart, a grain …; what a word means: metric:NAME, year:fiscal …")
    ],
    as_: As = None,
    kind: Annotated[
        str | None, typer.Option(help="definition, preference or correction; by default what the value looks like.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="person, team or organisation; the closest by default.")] = None,
    team: Annotated[str | None, typer.Option(help="Which team's, for a person of several.")] = None,
    weight: Annotated[float | None, typer.Option(help="0 to 1; decides between teams that disagree.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Keep a convention in the place of what was kept of its topic."""
    kind = kind or ("definition" if ":" in value else "preference")
    body = _given(kind=kind, topic=topic, value=value, as_=as_, scope=scope, team=team, weight=weight)
    kept = Client(url, key).post(PATH, body)
    one = kept["convention"]
    replaced = f", in the place of {len(kept['superseded'])} other" if kept["superseded"] else ""
    Screen().good(f"{one['topic']}: {one['value']} ({_whose(one)}){replaced}; {one['id']}")


@conventions_app.command("forget")
def conventions_forget(
    convention: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    as_: As = None,
    hard: Annotated[bool, typer.Option("--hard", help="Leave no byte of it, nor of what it had replaced.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Forget a convention: it has no effect on the next answer."""
    Client(url, key).delete(f"{PATH}/{quote(convention, safe='')}", hard=hard, **_given(as_=as_))
    Screen().good(f"{convention} is forgotten")
