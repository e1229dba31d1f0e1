"""The level "process": bubblewrap around a Python of its own, on the server's kernel.

level.py     ProcessLevel: calls in, results out
bwrap.py     which bubblewrap, which namespaces, which files
seccomp.py   the system calls a tool has no use for
spawn.py     one process from start to end: pipes, caps, deadline, kill
selftest.py  the level exists only after its own attempts to get out have failed
"""

from kelpie.sandbox.process.level import ProcessLevel

__all__ = ["ProcessLevel"]
