"""Where tools run that people and models wrote: apart from the server, its files, network and environment, or not at
all.

sandbox.py   the interface: Sandbox, Level, SandboxCall, SandboxLimits, SandboxResult, LevelReport
levels.py    Levels, the Sandbox of a server: the weakest level that is strong enough for a call's trust
process      the level "process": bubblewrap around a Python of its own
microvm      the level "microvm": a virtual machine for every call
verdict.py   what came of a call, in the same words at every level
order.py     a call as the order that is read inside, and the report that comes back
inside       what runs inside: the runner and the self-test's probes
egress       the only way out: an HTTP proxy of ours for each call, with a list of hosts and budgets
layers       packages that tools require, installed once and read-only
languages    JavaScript and TypeScript: read here, run inside by node
child.py     a program of ours as a child of the server, with bounds; not isolation
limits.py    every bound
"""

from kelpie.sandbox.levels import Levels
from kelpie.sandbox.process import ProcessLevel
from kelpie.sandbox.sandbox import (
    MINIMUM,
    EgressRules,
    Level,
    LevelName,
    LevelReport,
    Sandbox,
    SandboxCall,
    SandboxLimits,
    SandboxResult,
    Trust,
    Usage,
)

__all__ = [
    "MINIMUM",
    "EgressRules",
    "Level",
    "LevelName",
    "LevelReport",
    "Levels",
    "ProcessLevel",
    "Sandbox",
    "SandboxCall",
    "SandboxLimits",
    "SandboxResult",
    "Trust",
    "Usage",
]
