"""`kelpie keys` and `kelpie tenants`: who may ask the server, and how much of it they may use."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from kelpie.cli.options import Key, Url
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen

keys_app = typer.Typer(help="Keys that the server issues: shown once, revocable, expiring.", no_args_is_help=True)
tenants_app = typer.Typer(help="Tenants, and how much of the server each may use.", no_args_is_help=True)
_LISTED_MAX = 1_000
_SECONDS_PER_DAY = 86_400

Of = Annotated[str | None, typer.Option("--tenant", help="Another tenant's; needs the operator's key.")]
Agents = Annotated[int | None, typer.Option(min=0, help="Agents it may have.")]
Messages = Annotated[int | None, typer.Option("--messages", min=0, help="Messages a minute it may send.")]
Storage = Annotated[int | None, typer.Option("--storage", min=0, help="Bytes it may store.")]
Runs = Annotated[int | None, typer.Option(min=0, help="Runs it may have under way.")]


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What the key is for, so that it can be found again.")],
    scope: Annotated[str, typer.Option(help="read, write or admin.")] = "write",
    person: Annotated[
        list[str] | None, typer.Option(help="Speaks for this person or team alone; may be given again.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Expires after so many days; never if not given.")] = None,
    tenant: Of = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a key. It is printed once and kept nowhere: put it where it is needed now."""
    body: dict[str, Any] = {"name": name, "scope": scope, "people": person or []}
    if days is not None:
        body["expires_in_s"] = days * _SECONDS_PER_DAY
    made = Client(url, key).post("/v1/keys" if tenant is None else f"/v1/keys?tenant={quote(tenant, safe='')}", body)
    screen = Screen()
    screen.good(f"{made['id']}: {made['scope']} for tenant '{made['tenant']}', {_until(made)}")
    print(made["key"])


@keys_app.command("list")
def keys_list(tenant: Of = None, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List the keys that were made, without the keys."""
    found = Client(url, key).get("/v1/keys", limit=_LISTED_MAX, **_query(tenant))
    rows = [
        [one["id"], one["name"], f"…{one['hint']}", one["scope"], ", ".join(one["people"]), one["status"], _until(one)]
        for one in found
    ]
    Screen().table(["id", "name", "ends with", "scope", "for", "status", "ends"], rows, rows_max=len(rows))


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `kelpie keys list` shows it.")],
    tenant: Of = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """End a key at once."""
    ended = Client(url, key).delete(f"/v1/keys/{quote(key_id, safe='')}", **_query(tenant))
    Screen().good(f"{ended['id']} ({ended['name']}) opens nothing any more")


@tenants_app.command("create")
def tenants_create(
    name: Annotated[str, typer.Argument(help="What keys and settings call it.")],
    agents: Agents = None,
    messages: Messages = None,
    storage: Storage = None,
    runs: Runs = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a tenant. Needs the operator's key, as all commands about tenants do."""
    made = Client(url, key).post("/v1/tenants", {"id": name, "quota": _quota(agents, messages, storage, runs)})
    Screen().good(f"{made['id']}: {_said(made['quota'])}")


@tenants_app.command("list")
def tenants_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List tenants and their quotas."""
    found = Client(url, key).get("/v1/tenants", limit=_LISTED_MAX)
    Screen().table(["tenant", "quota"], [[one["id"], _said(one["quota"])] for one in found], rows_max=len(found))


@tenants_app.command("quota")
def tenants_quota(
    name: Annotated[str, typer.Argument(help="The tenant.")],
    agents: Agents = None,
    messages: Messages = None,
    storage: Storage = None,
    runs: Runs = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Say how much a tenant may use, in place of what was said before. What is not given has no bound."""
    path = f"/v1/tenants/{quote(name, safe='')}"
    made = Client(url, key).patch(path, {"quota": _quota(agents, messages, storage, runs)})
    Screen().good(f"{made['id']}: {_said(made['quota'])}; it has {_said(made['used'])}")


def _query(tenant: str | None) -> dict[str, str]:
    return {} if tenant is None else {"tenant": tenant}


def _until(one: dict[str, Any]) -> str:
    return f"until {one['expires_at']}" if one["expires_at"] else "until it is revoked"


def _quota(agents: int | None, messages: int | None, storage: int | None, runs: int | None) -> dict[str, int | None]:
    return {"agents": agents, "messages_per_minute": messages, "storage_bytes": storage, "open_runs": runs}


def _said(quota: dict[str, int | None]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in quota.items() if value is not None) or "no bounds"
