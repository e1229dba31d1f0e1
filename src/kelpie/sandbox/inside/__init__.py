"""What runs inside the sandbox: only the standard library may be imported here.

The folder is bound read-only into every jail, and copied into every microVM; there its modules import one another by
their bare names. The server imports it only to know where it lies.

    frames.py        the transport: JSON objects with their length before them, both ways
    runner.py        `perform`: one order in, one report out
    capabilities.py  what a tool is given beside its arguments: the client, the state of its agent
    programs.py      what is not Python: a shell, node
    files.py         the working folder
    template.py      the warm process of the level "process": one fork, locked up, for each call
    kernel.py        system calls that lock a process up
    relay.py         from the loopback address inside to the server's proxy
    probes.py        the self-test's attempts to get out
"""
