"""Groups: agents that answer together, and background agents that are told what another one has talked about.

records   groups as rows, with their members; every change is a plan
runs      a group's runs: a message to all of it, and whose turn it was; what a restart goes on with
schema    the tables; limits the bounds
Who speaks next, and what to each, is in kelpie.agents.together: that stands on the agents.
"""

from kelpie.groups.records import Group
from kelpie.groups.runs import GroupRun, GroupTurn

__all__ = ["Group", "GroupRun", "GroupTurn"]
