"""Actors without their defences: fences that let everybody pass, two activations, mail on an actor that is gone."""

import asyncio

from kelpie.actors import directory
from kelpie.actors.silo import Silo, _Mail, _Slot
from kelpie.errors import CommitUnknown
from kelpie.server import build
from kelpie.trajectories import schema
from umi.storage import Migration


_TAKEOVER = ("paused-silo", "partition", "restart-storm", "everything")
_BAD_STORE = ("dying-disk", "partition", "everything")


def no_fence(patch):
    """Every activation may write, whoever took over: the statement is there, and demands nothing."""
    careless = directory._FENCE.replace("epoch = ? AND position = ?", "coalesce(?, ?) IS NOT NULL")
    assert careless != directory._FENCE
    patch.setattr(directory, "_FENCE", careless)


def fence_without_position(patch):
    """An activation may write as long as nobody took over, also when it does not know what it has written itself."""
    careless = directory._FENCE.replace("position = ?", "? IS NOT NULL")
    assert careless != directory._FENCE
    patch.setattr(directory, "_FENCE", careless)


def positions_not_unique(patch):
    """Two messages may have one place in a history."""

    def without(one):
        return Migration(one.room, one.number, one.sql.replace(", UNIQUE (tenant, agent_id, position)", ""))

    careless = [without(one) for one in schema.MIGRATIONS]
    assert careless != schema.MIGRATIONS
    kept = [one for one in build.MIGRATIONS if one not in schema.MIGRATIONS]
    at = build.MIGRATIONS.index(schema.MIGRATIONS[0])
    for module in ("kelpie.server.build", "kelpie.simulate.world"):
        patch.setattr(f"{module}.MIGRATIONS", [*kept[:at], *careless, *kept[at:]])


def double_activation(patch):
    """Whether somebody drains the mailbox is asked, then awaited, then acted upon."""
    drain = Silo._drain

    def tell(silo, actor_id, command, again=None):
        slot = silo._slots.setdefault(actor_id, _Slot())
        done = asyncio.get_running_loop().create_future()
        slot.mailbox.append(_Mail(command, done, again))
        silo._count_waiting(+1)
        if not slot.draining:
            silo._host.spawn(late(silo, actor_id, slot), f"drain {actor_id}")
        return done

    async def late(silo, actor_id, slot):
        await silo._host.clock.sleep(0)
        slot.draining = True
        await drain(silo, actor_id, slot)

    patch.setattr(Silo, "tell", tell)


def waiter_on_a_discarded_activation(patch):
    """Mail belongs to the activation it was put into: when that is dropped, what waited there runs on it all the same
    (once; an error takes it to the next one)."""
    tell, attempt = Silo.tell, Silo._attempt

    def bind(silo, actor_id, command, again=None):
        done = tell(silo, actor_id, command, again)
        vars(silo).setdefault("bound", {})[done] = silo._slots[actor_id].actor
        return done

    async def on_its_own(silo, actor_id, slot, mail):
        zombie = silo.bound.pop(mail.done, None)
        if zombie is not None and slot.actor is None:
            _revive(silo, actor_id, slot, zombie)
        return await attempt(silo, actor_id, slot, mail)

    patch.setattr(Silo, "tell", bind)
    patch.setattr(Silo, "_attempt", on_its_own)


def kept_after_unknown_commit(patch):
    """An activation whose commit may or may not have happened goes on with what it remembers."""
    drop, attempt, dropped = Silo._drop, Silo._attempt, []

    def remember(silo, actor_id, slot, change):
        dropped[:] = [slot.actor]
        drop(silo, actor_id, slot, change)

    async def keep(silo, actor_id, slot, mail):
        error = await attempt(silo, actor_id, slot, mail)  # dropping is the last that it does
        if isinstance(error, CommitUnknown) and dropped[0] is not None:
            _revive(silo, actor_id, slot, dropped[0])
        return error

    patch.setattr(Silo, "_drop", remember)
    patch.setattr(Silo, "_attempt", keep)


def _revive(silo, actor_id, slot, actor):
    slot.actor = actor
    silo._live += 1
    silo._emit(actor_id, "activated")


def retried_run_loses_its_place(patch):
    """A command that failed is tried again after everything that waits."""

    async def deliver(silo, actor_id, slot, mail):
        try:
            error = await silo._attempt(actor_id, slot, mail)
            delay_ms = mail.again(error) if error is not None and mail.again is not None else None
            if delay_ms is not None:
                slot.mailbox.append(mail)
                silo._count_waiting(+1)
                await silo._host.clock.sleep(delay_ms)
                return
        except asyncio.CancelledError:
            mail.done.cancel()
            raise
        if error is not None and not mail.done.done():
            mail.done.set_exception(error)

    patch.setattr(Silo, "_deliver", deliver)
