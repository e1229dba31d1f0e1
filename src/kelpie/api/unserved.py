"""What Letta's API has and this server has not: answered 501 and a sentence, so that a client can tell it from a wrong
path. `letta.json` lists every operation of Letta's: with the name of a reason if it is refused on purpose, with none
if it is served, or not yet. Which of these are served is what the routes say.
"""

import re
from functools import cache
from importlib import resources

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

FILE = "letta.json"


class Known(msgspec.Struct, frozen=True):
    """operations  method (`*` for any) and path, with the name of the reason why it is refused, or nothing
    refused     the reasons by name
    """

    operations: dict[str, str]
    refused: dict[str, str]

    def why(self, operation: str) -> str:
        """The sentence for an operation that no route serves."""
        method, _, path = operation.partition(" ")
        shown = path if method == "*" else operation
        reason = self.operations[operation]
        return f"{shown} is refused: {self.refused[reason]}" if reason else f"{shown} is not served yet"


@cache
def known() -> Known:
    """Read at the first path that no route has: not when the server starts."""
    return msgspec.json.decode(resources.files("kelpie.api").joinpath(FILE).read_bytes(), type=Known)


def sentence(request: Request) -> str | None:
    """What to answer where no route takes a request; None for what Letta doesn't have, or a route of ours serves."""
    operation = _operation(request.method, request.url.path)
    if operation is None or is_served(request.app.routes, operation):
        return None
    return known().why(operation)


def is_served(routes: list[BaseRoute], operation: str) -> bool:
    """Whether one of the routes is this operation, whatever it calls the parameters of its path."""
    method, _, path = operation.partition(" ")
    return any(
        isinstance(route, Route) and nameless(route.path) == nameless(path) and method in (route.methods or ())
        for route in routes
    )


def nameless(path: str) -> str:
    """The path without a slash at its end and without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path.rstrip("/"))


def _operation(method: str, path: str) -> str | None:
    """The operation of Letta's that a request means: the one that has most of the path word for word."""
    for pattern, operation in _patterns():
        if operation.startswith((f"{method} ", "* ")) and pattern.fullmatch(path):
            return operation
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    def words_first(operation: str) -> list[bool]:
        return ["{" in part for part in operation.split("/")]

    return [(_pattern(one), one) for one in sorted(known().operations, key=words_first)]


def _pattern(operation: str) -> re.Pattern[str]:
    path = re.escape(operation.partition(" ")[2]).replace(r"\{rest\}", ".*")
    return re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", path))
