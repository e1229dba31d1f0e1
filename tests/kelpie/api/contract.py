"""The contract: what there is of Letta's API, and of our own, and what this server makes of each.

`tests/api/contract.json` holds one operation a line. Where it comes from, its name in the published client and its
parameters never change; `served`, `refused` and what becomes of each parameter are what the running server does.
After a change of routes:

    python -m tests.kelpie.api.contract

writes the file anew and says how many operations are served, refused on purpose, and not served yet.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import httpx2
from starlette.routing import Route

from kelpie.api import openapi, unserved
from kelpie.config import Config
from kelpie.server import build

FILE = Path(__file__).resolve().parents[2] / "api" / "contract.json"
WITH_BODY = ("POST", "PUT", "PATCH")
NOT_YET = "is not served yet"


def load():
    return json.loads(FILE.read_text(encoding="utf-8"))


def save(rows):
    rows = sorted(rows, key=lambda row: (row["path"], row["method"]))
    FILE.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")


def counts(rows):
    """Of Letta's operations: how many are served, refused on purpose, not served yet."""
    of_letta = [row for row in rows if row["of"] != "ours"]
    said = Counter(
        "served" if row["served"] else "not yet" if NOT_YET in row["refused"] else "refused" for row in of_letta
    )
    of_sdk = [row for row in of_letta if row["sdk"]]
    return (
        f"Letta's operations: {said['served']} served, {said['refused']} refused on purpose, {said['not yet']} not yet,"
        f" {len(of_letta)} in all; of the client's {len(of_sdk)}: {sum(row['served'] for row in of_sdk)} served;"
        f" {len(rows) - len(of_letta)} of our own"
    )


def name(row):
    return f"{row['method']} {row['path'].rstrip('/')}"


def places(app):
    """Every operation of the routes: (method, path without names)."""
    return {
        (method, unserved.nameless(route.path)): route.path
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }


def described():
    """The parameters that our description says each operation takes, by method and nameless path."""
    return {
        (method.upper(), unserved.nameless(path)): {one["name"] for one in operation.get("parameters", [])}
        for path, operations in openapi.describe()["paths"].items()
        for method, operation in operations.items()
    }


def filled(row):
    """The path with well-formed ids that nothing has."""
    likes = {one["name"]: one["like"] for one in row["parameters"] if one["in"] == "path"}
    return re.sub(r"\{(\w+)\}", lambda found: likes[found.group(1)], row["path"])


def asking(row, *names):
    """What to hand to a client's `request`: the required parameters, and those of these names."""
    given = {
        where: {
            one["name"]: one["like"]
            for one in row["parameters"]
            if one["in"] == where and (one["required"] or one["name"] in names)
        }
        for where in ("query", "header")
    }
    body = {"json": {}} if row["method"] in WITH_BODY else {}
    return {"method": row["method"], "url": filled(row), "params": given["query"], "headers": given["header"], **body}


def fate(parameter, taken, answer):
    """What becomes of a parameter, by its name: it is taken, refused by name, or ignored."""
    if parameter in taken:
        return "taken"
    is_refused = answer.status_code == 501 and f"'{parameter}'" in answer.text
    return "refused" if is_refused else "ignored"


async def observed(app, rows):
    """The rows as the running app would have them, those of our own added."""
    there, taken, seen = places(app), described(), set()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for row in [row for row in rows if row["of"] != "ours"]:
            place = row["method"], unserved.nameless(row["path"])
            seen.add(place)
            is_served = place in there
            parameters = [{key: value for key, value in one.items() if key != "fate"} for one in row["parameters"]]
            for one in parameters if is_served else []:
                if one["name"] in taken.get(place, ()) and one["in"] != "path":
                    one["fate"] = "taken"
                elif one["in"] != "path":
                    one["fate"] = fate(one["name"], (), await http.request(**asking(row, one["name"])))
            refused = None if is_served else unserved.known().why(name(row))
            yield {**row, "parameters": parameters, "served": is_served, "refused": refused}
    for (method, place), path in there.items():
        if (method, place) not in seen:
            yield {
                "method": method,
                "path": path,
                "of": "ours",
                "sdk": None,
                "parameters": [],
                "served": True,
                "refused": None,
            }


async def main():
    with tempfile.TemporaryDirectory() as folder:
        server = build(Config(data_folder=folder))
        await server.start()
        try:
            rows = [row async for row in observed(server.app, load())]
        finally:
            await server.stop()
    save(rows)
    sys.stdout.write(counts(rows) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
