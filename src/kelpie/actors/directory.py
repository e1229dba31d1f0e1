"""Who is where, and the fence.

Every activation claims a new epoch, even in the same silo: otherwise a write of its own that timed out could still
land after the state was loaded again. Every write of an activation states its epoch and the position it expects; no
row means that somebody else took over, and the activation stops without answering.
"""

from collections.abc import Sequence

from kelpie.actors import outbox, reminders
from kelpie.actors.identity import ActorId
from kelpie.errors import Fenced, GuardFailed, NotFound
from umi.storage import Changes, Database, Migration, Row

MIGRATIONS = [
    Migration(
        "kelpie.actors",
        1,
        """
        CREATE TABLE placement (
            tenant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
            silo TEXT NOT NULL, epoch INTEGER NOT NULL, position INTEGER NOT NULL,
            PRIMARY KEY (tenant, kind, key)
        ) STRICT, WITHOUT ROWID;
        """,
    ),
    outbox.MIGRATION,
    reminders.MIGRATION,
]

_CLAIM = (
    "INSERT INTO placement VALUES (?, ?, ?, ?, 1, 0)"
    " ON CONFLICT DO UPDATE SET silo = excluded.silo, epoch = epoch + 1 RETURNING epoch, position"
)
_HELD = "SELECT epoch, position FROM placement WHERE tenant = ? AND kind = ? AND key = ?"
_FENCE = (
    "UPDATE placement SET position = position + 1"
    " WHERE tenant = ? AND kind = ? AND key = ? AND epoch = ? AND position = ?"
)


class Placement:
    """An activation's claim on its actor: the only way it writes."""

    __slots__ = ("_database", "actor_id", "epoch", "position")

    def __init__(self, database: Database, actor_id: ActorId, epoch: int, position: int) -> None:
        self._database = database
        self.actor_id = actor_id
        self.epoch = epoch
        self.position = position

    @classmethod
    async def claim(
        cls, database: Database, actor_id: ActorId, silo: str, exists: Changes | None = None
    ) -> "Placement":
        """Take the actor over: from this commit on every earlier activation of it is fenced.

        exists  guards that what the actor stands for is there, in the same commit: a deleted one leaves no placement
        Raises NotFound if it isn't.
        """
        claim = Changes().extend(exists or Changes())
        claim.write(_CLAIM, actor_id.tenant, actor_id.kind, actor_id.key, silo)
        try:
            epoch, position = (await database.commit(claim))[-1]
        except GuardFailed as error:
            raise NotFound(f"{actor_id} does not exist, or was deleted") from error
        return cls(database, actor_id, epoch, position)

    @property
    def held(self) -> tuple[str, tuple[str, str, str]]:
        """A query for `demand`: read beside the state, it tells whether that state is still this one's to use."""
        return _HELD, (self.actor_id.tenant, self.actor_id.kind, self.actor_id.key)

    def demand(self, rows: Sequence[Row]) -> None:
        """Raises Fenced if `rows`, what `held` gave, belong to another activation or to none."""
        if list(rows) != [(self.epoch, self.position)]:
            raise Fenced(f"{self.actor_id} was taken over or deleted; epoch {self.epoch} is over")

    async def commit(self, changes: Changes) -> list[Row]:
        """Commit behind the fence. Raises Fenced if another activation took over; nothing was written then."""
        who = self.actor_id
        fenced = Changes().guard("fence", _FENCE, who.tenant, who.kind, who.key, self.epoch, self.position)
        try:
            rows = await self._database.commit(fenced.extend(changes))
        except GuardFailed as error:
            if error.guard == "fence":
                raise Fenced(f"{who} was taken over; epoch {self.epoch} is over") from error
            raise
        self.position += 1
        return rows


def plan_forget(actor_id: ActorId) -> Changes:
    """Remove an actor's placement, errands and reminders with the rest of it. An activation that is still at work is
    fenced by that, and an errand or reminder that is being done finds that it is void."""
    return (
        reminders.plan_forget(actor_id)
        .write(
            "DELETE FROM placement WHERE tenant = ? AND kind = ? AND key = ?",
            actor_id.tenant,
            actor_id.kind,
            actor_id.key,
        )
        .write("DELETE FROM outbox WHERE tenant = ? AND owner = ?", actor_id.tenant, str(actor_id))
    )
