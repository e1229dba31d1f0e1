"""Virtual actors: addressable for ever, alive while there is mail, never two that both commit.

identity    ActorId (kind, key) within a tenant
directory   who is where: the placement row, its epoch, and the fence every write carries
silo        Silo: mailboxes, activations, idle deactivation
outbox      Outbox: what is left to do after a commit, done once
reminders   Reminders: timers that are kept, each time done once; recurrence: when they are due
limits      bounds
"""

from kelpie.actors.directory import MIGRATIONS, Placement, plan_forget
from kelpie.actors.identity import ActorId
from kelpie.actors.outbox import Errand, Outbox
from kelpie.actors.recurrence import Cron, Every, Once
from kelpie.actors.reminders import Reminder, Reminders
from kelpie.actors.silo import Actor, ActorRef, Silo

__all__ = [
    "MIGRATIONS",
    "Actor",
    "ActorId",
    "ActorRef",
    "Cron",
    "Errand",
    "Every",
    "Once",
    "Outbox",
    "Placement",
    "Reminder",
    "Reminders",
    "Silo",
    "plan_forget",
]
