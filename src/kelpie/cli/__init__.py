"""The command line. `serve` runs the server, `sim` simulates it; everything else talks to one over HTTP, as any
client would.

app      the commands: what they take and what they call
analyst  the analyst's own commands; conventions, access: those about what people hold to and may
         see
people   whom questions can be asked for
keys     who may ask the server, and how much of it they may use
audit    what ran in a sandbox, for whom, and where really
mcp      other programs' tools for agents
import_letta a Letta database, brought over
options  what every command takes that talks to a server
chat     a conversation with an agent
doctor   what this machine has and lacks
sandbox  the guest image of the level "microvm"
sim      the simulation: its commands
campaign many runs of it, in several processes
case     one run: played again, shrunk, compared with itself
checkout which code this is
"""

import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    try:
        from kelpie.cli.app import run
    except ModuleNotFoundError as error:
        if error.name in ("typer", "rich"):
            print("the command line needs the extra 'cli': pip install 'kelpie[cli]'", file=sys.stderr)
            return 1
        raise
    return run()
