"""The API's description for people and code generators, built once and shipped with the package.

Computing it at the first request would hold up every agent for half a second. A test compares the shipped file with
what the routes say; `python -m kelpie.api.openapi` writes it anew.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from kelpie.api.app import create_app

FILE = "openapi.json"


def describe() -> dict[str, Any]:
    return create_app("1").openapi()


def as_text(description: dict[str, Any]) -> str:
    # One line per operation and schema would be nicer to review, and one per field is what tools expect.
    return json.dumps(description, indent=1, sort_keys=True) + "\n"


def shipped() -> str:
    return resources.files("kelpie.api").joinpath(FILE).read_text(encoding="utf-8")


if __name__ == "__main__":
    Path(str(resources.files("kelpie.api").joinpath(FILE))).write_text(as_text(describe()), encoding="utf-8")
