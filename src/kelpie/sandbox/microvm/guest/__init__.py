"""What runs in the guest beside the runner: only the standard library may be imported there.

init.sh    the first program, for busybox's shell: mounts, modules, then the agent
agent.py   pid 1: waits for one call, has the child run it, and answers
tool.py    the child: locked up before there is a call
rehearsal.py  a call of our own, before there is one
probes.py  the self-test's attempts to get out

All of it travels into the guest at boot, beside what runs inside every sandbox; their modules know one another by
their bare names. Nothing here is run by the server.
"""
