"""What a tool may be given beside its arguments, each asked for by name in the order.

    client       an object whose methods are questions to the server: client.blocks.update(label="x", value="y") asks
                 for the operation "blocks.update" with these arguments; what comes back is JSON
    agent_state  the argument of that name, with attributes instead of keys

Both are names in the tool's source, and go to a parameter of that name if its function has one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from frames import Channel


class Client:
    """Every attribute is a further part of an operation's name; calling one asks the server."""

    def __init__(self, channel: Channel, operation: str = "") -> None:
        self._channel = channel
        self._operation = operation

    def __getattr__(self, name: str) -> Client:
        if name.startswith("_"):
            raise AttributeError(name)
        return Client(self._channel, f"{self._operation}.{name}" if self._operation else name)

    def __call__(self, **arguments: Any) -> Any:
        return self._channel.ask(self._operation, arguments)

    def __repr__(self) -> str:
        return f"<client {self._operation}>"


class Record(dict[str, "Any"]):
    """A JSON object whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def as_record(value: Any) -> Any:
    if isinstance(value, dict):
        return Record({name: as_record(inner) for name, inner in value.items()})
    return [as_record(inner) for inner in value] if isinstance(value, list) else value


def given(order: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """The names that the order grants, with what they stand for."""
    granted = {}
    for name in order.get("capabilities", ()):
        if name == "client":
            granted[name] = Client(channel)
        elif name in order["arguments"]:
            granted[name] = as_record(order["arguments"][name])
    return granted


def filled(function: Any, arguments: dict[str, Any], granted: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call: what is granted only where the function asks for it."""
    plain = {name: value for name, value in arguments.items() if name not in granted}
    if not granted:
        return plain
    import inspect

    wanted = inspect.signature(function).parameters
    every = any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted.values())
    return plain | {name: value for name, value in granted.items() if every or name in wanted}
