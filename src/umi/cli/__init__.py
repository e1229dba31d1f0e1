"""The `umi` command: a memory from the terminal.

app       the commands that are more than one operation
commands  those that are one, made from umi.serve.operations
opened    the memory they work on: a file, or a server
show      what came of it, for people
screen    tables and colours
"""

import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    try:
        from umi.cli.app import run
    except ModuleNotFoundError as error:
        if error.name in ("typer", "rich"):
            print("the command line needs the extra 'cli': pip install 'kelpie[cli]'", file=sys.stderr)
            return 1
        raise
    return run()
