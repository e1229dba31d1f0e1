"""Where custom tools run: apart from the server, its files, its network and its environment, or not at all.

sandbox.py   the interface: Sandbox, SandboxCall, SandboxLimits, SandboxResult, LevelReport
process.py   ProcessSandbox, the level "process": a fresh bubblewrap and Python for every call
bwrap.py     which bubblewrap, which namespaces, which files
seccomp.py   the system calls a tool has no use for
spawn.py     one process from start to end: pipes, caps, deadline, kill
selftest.py  the level exists only after its own attempts to get out have failed
limits.py    every bound
inside       what runs inside: the runner and the self-test's probes
"""

from kelpie.sandbox.process import ProcessSandbox
from kelpie.sandbox.sandbox import LevelReport, Sandbox, SandboxCall, SandboxLimits, SandboxResult

__all__ = ["LevelReport", "ProcessSandbox", "Sandbox", "SandboxCall", "SandboxLimits", "SandboxResult"]
