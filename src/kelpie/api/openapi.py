"""The API's description for people and code generators, built once and shipped with the package.

Computing it at the first request would hold up every agent for half a second. A test compares the shipped file with
what the routes say; `python -m kelpie.api.openapi` writes it anew.
"""

import json
from pathlib import Path
from typing import Any

from kelpie.api.app import create_app
from kelpie.api.reference import FILE


def describe() -> dict[str, Any]:
    return create_app("1").openapi()


def as_text(description: dict[str, Any]) -> str:
    """One line per path and per schema: short, and a change can be reviewed."""
    return _lines(description, 3) + "\n"


def _lines(value: Any, depth: int) -> str:
    if depth == 0 or not isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    parts = [f"{json.dumps(name)}: {_lines(one, depth - 1)}" for name, one in sorted(value.items())]
    return "{\n" + ",\n".join(parts) + "\n}"


if __name__ == "__main__":
    Path(__file__).with_name(FILE).write_text(as_text(describe()), encoding="utf-8")
