"""A call of our own, that does what every call does.

Before the snapshot, where it makes memory its process's own that would else be copied page by page after it. And in a
copy of the machine that nobody waits for yet: an emulated processor has then translated most of what the call takes.
"""

from __future__ import annotations

import json
import os
import socket
import sys

import frames
import runner

_ORDER = {
    "source": "def tool(given):\n    return {'given': given}\n",
    "function": "tool",
    "arguments": {"given": 1},
    "environment": {},
    "language": "python",
}


class Rehearsal:
    """
    limits  as in an order
    """

    def __init__(self, limits: dict[str, int]) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._from_server = frames.Channel(self._ours.fileno())
        self._to_server = frames.Channel(self._theirs.fileno())
        self._order = json.dumps({**_ORDER, "limits": limits}).encode()

    def perform(self) -> None:
        """The call, and its report read: what it leaves is the folder that every call finds."""
        known = sys.modules.get("tool")
        self._from_server.send_text(self._order)
        runner.perform(self._to_server.receive(), self._to_server)
        self._from_server.receive_text()
        if known is not None:  # the runner gives the name to what it runs
            sys.modules["tool"] = known
        os.chdir("/")

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()
