"""`kelpie analyst access`: which rows and columns whom may see."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from kelpie.cli.options import Key, Url, read_text
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen

access_app = typer.Typer(help="Access rules: which rows and columns whom may see.", no_args_is_help=True)
PATH = "/v1/analyst/access-rules"


@access_app.command("list")
def access_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List the rules: whom each holds for, and what it keeps back."""
    rows = []
    for rule in Client(url, key).get(PATH):
        kept_back = ["all of it"] if rule["deny"] else []
        kept_back += [f"rows but where {rule['rows']}"] if rule["rows"] else []
        kept_back += [f"columns {', '.join(rule['mask'])}"] if rule["mask"] else []
        unless = f" unless {', '.join(rule['unless'])}" if rule["unless"] else ""
        rows.append(
            [
                rule["semantic_model"],
                rule["name"],
                f"{rule['who']}{unless}",
                rule["table"],
                "; ".join(kept_back),
                rule["id"],
            ]
        )
    Screen().table(["model", "rule", "for", "table", "keeps back", "id"], rows, rows_max=len(rows))


@access_app.command("apply")
def access_apply(
    file: Annotated[Path, typer.Argument(help="YAML with `semantic_model` and `rules`.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make the rules that a file names what it says. Those it doesn't name stay."""
    done = Client(url, key).post(f"{PATH}/apply", {"yaml": read_text(file)})
    screen = Screen()
    for what in ("added", "replaced", "unchanged"):
        if done[what]:
            screen.good(f"{what}: {', '.join(done[what])}")


@access_app.command("remove")
def access_remove(
    rule: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")], url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Remove a rule: what it kept back is shown from the next query on."""
    Client(url, key).delete(f"{PATH}/{quote(rule, safe='')}")
    Screen().good(f"{rule} is gone")
