"""What a step of the planner can be: a tool call or the turn's last words."""

from typing import Any

import msgspec


class CallTool(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


class Say(msgspec.Struct, frozen=True):
    text: str


Decision = CallTool | Say
