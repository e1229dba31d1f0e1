"""Where tools run that people and models wrote: apart from the server, its files, network and environment, or not at
all.

sandbox.py   the interface: Sandbox, Level, SandboxCall, SandboxLimits, SandboxResult, LevelReport
levels.py    Levels, the Sandbox of a server: the weakest level that is strong enough for a call's trust
process      the level "process": bubblewrap around a Python of its own
inside       what runs inside: the runner and the self-test's probes
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
