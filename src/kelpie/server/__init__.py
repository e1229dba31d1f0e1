"""The server: every room put together, and the process around them.

build    Server: models, tools, store, agents and routes, wired; start and stop
running  run: sockets, signals, the process
tooling  which tools there are; isolation: the levels that code gets which isn't ours
planner  the analyst's planner, imported at its first question
logs     lines of what happened; redact: no secret in any of them
metrics  the same, counted; traces: the same, as spans
limits   bounds
"""

from kelpie.server.build import Server, build
from kelpie.server.redact import Redactor
from kelpie.server.running import run

__all__ = ["Redactor", "Server", "build", "run"]
