"""The only way out of a sandbox: an HTTP proxy of ours on a unix socket, one for each call that may reach anything.

addresses.py  which addresses are public, and why the others are not
hosts.py      Target and AllowList: what a request names, and whether it is on the list
gate.py       Gate: a name becomes addresses once, all are checked, and one of these very addresses is connected to
exchange.py   Exchange: one connection to the proxy, which carries one tunnel or one request
door.py       open_door: the socket, its budgets, and what was refused
"""

from kelpie.sandbox.egress.door import Door, open_door
from kelpie.sandbox.egress.gate import Connect, Gate, Refused, Resolve, Unreachable
from kelpie.sandbox.egress.hosts import AllowList, Target

__all__ = ["AllowList", "Connect", "Door", "Gate", "Refused", "Resolve", "Target", "Unreachable", "open_door"]
