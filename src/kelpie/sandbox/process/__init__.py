"""The level "process": bubblewrap around a Python of its own, on the server's kernel.

level.py      ProcessLevel: calls in, results out
templates.py  which warm process a call gets
template.py   one warm process from start to end: start, kill, bury
call.py       one call from start to end: deadline, drain, settle
streams.py    its output and its channel, as the server reads them
bwrap.py      which bubblewrap, which namespaces, which files
cgroups.py    memory and processes for a whole call, where the machine lets us
seccomp.py    the system calls a tool has no use for
program.py    programs that live on between calls, in the same jail
selftest.py   the level exists only after its own attempts to get out have failed
"""

from kelpie.sandbox.process.level import ProcessLevel

__all__ = ["ProcessLevel"]
