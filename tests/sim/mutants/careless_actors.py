"""Actors without their defences: fences that let everybody pass, two activations, mail on an actor that is gone."""

import asyncio
import contextlib

from kelpie.actors import directory
from kelpie.actors.directory import Placement
from kelpie.actors.silo import Silo, _Mail, _Slot
from kelpie.errors import CommitUnknown, StoreError
from umi.storage import Migration
from umi.storage.engine import Engine


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


def reads_without_fence(patch):
    """An activation does not ask whether what it reads beside is still its own."""
    patch.setattr(Placement, "demand", lambda _placement, _rows: None)


def positions_not_unique(patch):
    """Two messages may have one place in a history, and two steps one number in a run."""
    prepare = Engine._prepare

    def careless(one):
        sql = one.sql.replace(", UNIQUE (tenant, agent_id, position)", "")
        return Migration(one.room, one.number, sql.replace(", UNIQUE (tenant, run_id, number)", ""))

    def prepare_carelessly(engine, migrations):
        assert any(careless(one) != one for one in migrations)
        prepare(engine, [careless(one) for one in migrations])

    patch.setattr(Engine, "_prepare", prepare_carelessly)


def double_activation(patch):
    """Whether somebody drains the mailbox is asked, then the store is asked something, and then it is acted upon."""
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
        with contextlib.suppress(StoreError):
            await silo._database.read([("SELECT 1", ())])
        slot.draining = True
        await drain(silo, actor_id, slot)

    patch.setattr(Silo, "tell", tell)


def waiter_on_a_discarded_activation(patch):
    """Mail belongs to the activation it was put into: when that is dropped, what waited there is tried on it."""
    _bind_mail(patch, for_good=True)


def waiter_tries_a_discarded_activation(patch):
    """The same once: an error takes the mail to the new activation."""
    _bind_mail(patch, for_good=False)


def _bind_mail(patch, *, for_good):
    tell, attempt = Silo.tell, Silo._attempt

    def bind(silo, actor_id, command, again=None):
        done = tell(silo, actor_id, command, again)
        vars(silo).setdefault("bound", {})[done] = silo._slots[actor_id].actor
        return done

    async def on_its_own(silo, actor_id, slot, mail):
        actor = silo.bound[mail.done] if for_good else silo.bound.pop(mail.done, None)
        if actor is None or actor is slot.actor:
            return await attempt(silo, actor_id, slot, mail)
        try:
            answer = await actor.receive(mail.command)
        except Exception as error:  # noqa: BLE001 - as there
            return error
        mail.done.set_result(answer)
        return None

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
