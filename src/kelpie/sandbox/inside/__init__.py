"""What runs inside the sandbox: only the standard library may be imported here.

    runner.py  becomes an unprivileged user, sets the limits, calls the tool's function and reports its value
    probes.py  the self-test's attempts to get out

The folder is bound read-only into every sandbox; the server imports it only to know where it lies.
"""
