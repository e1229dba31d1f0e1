"""Memory and the store without their defences: unguarded writes, lazy syncs, requests that count twice."""

from kelpie.simulate.machines.store import StoreServer
from umi import core
from umi.entity import Block
from umi.storage import Changes, engine
from umi.storage.engine import Engine


def check_then_append(patch):
    """The block is read, its new value made up, and then written, whoever wrote it meanwhile."""

    async def careless(view, tenant, scope, label, text, *, block_id, now_ms):
        row = await view.one(core.blocks._BY_LABEL, tenant, scope, label)
        if row is None:
            block = Block(tenant=tenant, id=block_id, label=label, value=text, limit_chars=20_000)
            return core.plan_create(block).extend(core.plan_attach(tenant, scope, block_id, label))
        block = core.block_from_row(row)
        value = f"{block.value}\n{text}" if block.value else text
        return Changes().write("UPDATE block SET value = ? WHERE tenant = ? AND id = ?", value, tenant, block.id)

    for place in (core, core.blocks):
        patch.setattr(place, "plan_append", careless)


def edit_without_version(patch):
    """A block is replaced as a whole, also if it is no longer the one that was read."""
    careless = core.blocks._UPDATE.replace("version = ?", "? IS NOT NULL")
    assert careless != core.blocks._UPDATE
    patch.setattr(core.blocks, "_UPDATE", careless)


def duplicates_count_twice(patch):
    """The store does again what it is asked again."""
    handle = StoreServer._handle

    async def forgetful(server, sender, ask):
        session = server._sessions.get(ask.session)
        if session is not None:
            session.answers.pop(ask.number, None)
        await handle(server, sender, ask)

    patch.setattr(StoreServer, "_handle", forgetful)


def lazy_sync(patch):
    """A commit is acknowledged before it is on the disk: synchronous=NORMAL."""
    careless = engine._PRAGMAS.replace("synchronous=FULL", "synchronous=NORMAL")
    assert careless != engine._PRAGMAS
    patch.setattr(engine, "_PRAGMAS", careless)


def doubt_is_not_ended(patch):
    """A COMMIT that failed is forgotten, although the log may hold it."""

    def forget(one):
        one._in_doubt = False

    patch.setattr(Engine, "_end_doubt", forget)
