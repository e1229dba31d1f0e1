"""Virtual actors: addressable for ever, alive while there is mail, never two that both commit.

identity    ActorId (kind, key) within a tenant
directory   who is where: the placement row, its epoch, and the fence every write carries
silo        Silo: mailboxes, activations, idle deactivation
outbox      Outbox: what is left to do after a commit, done once
limits      bounds
"""

from kelpie.actors.directory import MIGRATIONS, Placement, plan_forget
from kelpie.actors.identity import ActorId
from kelpie.actors.outbox import Errand, Outbox
from kelpie.actors.silo import Actor, ActorRef, Silo

__all__ = ["MIGRATIONS", "Actor", "ActorId", "ActorRef", "Errand", "Outbox", "Placement", "Silo", "plan_forget"]
