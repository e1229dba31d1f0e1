"""Core: every call of the original's core memory, and bounds in bytes that hold inside the commit."""

import asyncio

import pytest

from umi import core, limits
from umi.core import Core, ledger
from umi.entity import Block
from umi.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from umi.storage import Changes, SqliteDatabase
from umi.storage.postgres import PostgresDatabase

KIB = 1024


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request, tmp_path, host):
    if request.param == "sqlite":
        opened = await SqliteDatabase.open(str(tmp_path / "core.db"), core.MIGRATIONS, host=host)
    else:
        opened = await PostgresDatabase.open(request.getfixturevalue("postgres_url"), core.MIGRATIONS, host=host)
    yield opened
    await opened.close()


@pytest.fixture
def memory(database, host):
    return Core(database, host, "t", "ada")


def text_of(size):
    """A text of exactly this many bytes, of characters of two bytes as far as that goes."""
    text = "é" * (size // 2) + "x" * (size % 2)
    assert len(text.encode()) == size
    return text


async def test_a_block_is_set_read_replaced_and_removed(memory, clock):
    made = await memory.set_block("Facts", "Bob works at Acme.")
    assert (made.type, made.label, made.importance) == ("facts", "facts", 0.5)
    assert await memory.get_block("facts") == made
    clock.advance(5)
    other = await memory.set_block("facts", "Bob works at Initech.", importance=0.75)
    assert await memory.get_block("FACTS") == other
    assert (other.created_at_ms, other.updated_at_ms) == (made.created_at_ms, made.created_at_ms + 5)
    assert await memory.has_block("facts")
    assert await memory.block_count() == 1
    await memory.remove_block("facts")
    assert not await memory.has_block("facts")
    assert await memory.get_block("facts") is None
    assert await memory.is_empty()
    with pytest.raises(NotFound, match="facts"):
        await memory.remove_block("facts")


async def test_replacing_keeps_the_importance_unless_told(memory):
    await memory.set_block("goals", "win", importance=0.9)
    assert (await memory.set_block("goals", "lose")).importance == 0.9
    assert (await memory.set_importance(0.2, "goals")).importance == 0.2
    assert (await memory.get_block("goals")).importance == 0.2
    with pytest.raises(NotFound, match=r"'human'.*goals"):
        await memory.set_importance(0.2, "human")


@pytest.mark.parametrize("importance", [-0.1, 1.1, float("nan"), float("inf")])
async def test_importance_outside_its_range_is_refused(memory, importance):
    with pytest.raises(InvalidInput, match="importance"):
        await memory.set_block("facts", "x", importance=importance)
    await memory.set_block("facts", "x")
    with pytest.raises(InvalidInput, match="importance"):
        await memory.set_importance(importance, "facts")
    assert (await memory.get_block("facts")).importance == 0.5


async def test_what_is_used_and_free_is_counted_in_bytes(memory):
    assert (await memory.used_bytes(), await memory.available_bytes()) == (0, 32 * KIB)
    await memory.set_block("facts", text_of(8 * KIB))
    assert (await memory.used_bytes(), await memory.available_bytes()) == (8 * KIB, 24 * KIB)
    assert await memory.utilization() == 0.25
    assert memory.bytes_max == 32 * KIB


async def test_blocks_are_rendered_in_their_order_with_labels(memory):
    await memory.set_block(None, "mine", label="notes")
    await memory.set_block("facts", "Miso is a cat.", label="pets")
    await memory.set_block("human", "Ada")
    assert [one.label for one in await memory.blocks()] == ["human", "pets", "notes"]
    assert (await memory.render()).text == (
        '<core_memory><block type="human" importance="0.50">Ada</block>'
        '<block type="facts" label="pets" importance="0.50">Miso is a cat.</block>'
        '<block label="notes" importance="0.50">mine</block></core_memory>'
    )
    assert "## Facts - pets" in (await memory.render("markdown")).text
    assert (await memory.render(tokens_max=45)).left_out


async def test_clearing_takes_every_block_and_leaves_those_of_other_scopes(memory, database, host):
    other = Core(database, host, "t", "bob")
    shared = await memory.set_block("facts", "shared")
    await database.commit(core.plan_attach("t", "bob", shared.id, "facts"))
    await memory.set_block("goals", "own")
    await memory.clear()
    assert await memory.is_empty()
    assert [one.value for one in await other.blocks()] == ["shared"]
    assert await database.read([("SELECT count(*) FROM block", ())]) == [[(1,)]]
    await other.remove_block("facts")
    assert await database.read([("SELECT count(*) FROM block", ())]) == [[(0,)]]


async def test_a_scope_and_a_tenant_never_see_anothers_blocks(memory, database, host):
    await memory.set_block("facts", "secret")
    for tenant, scope in (("t", "bob"), ("u", "ada")):
        other = Core(database, host, tenant, scope)
        assert await other.blocks() == []
        await other.clear()
    assert await memory.block_count() == 1


async def test_appending_makes_a_typed_block_and_then_adds_lines(memory):
    await memory.append("human", "Name: Ada")
    block = await memory.append("human", "likes tea")
    assert (block.value, block.type) == ("Name: Ada\nlikes tea", "human")
    assert (await memory.append("diary", "Monday")).type is None


async def test_a_block_type_that_is_none_is_refused_by_name(memory):
    with pytest.raises(InvalidInput, match=r"'wishes'.*system, persona, human, facts, goals, scratch"):
        await memory.set_block("wishes", "x")
    with pytest.raises(InvalidInput, match="say one"):
        await memory.set_block(None, "x")
    await memory.set_block("facts", "x", label="pets")
    with pytest.raises(InvalidInput, match="has the type 'facts'"):
        await memory.set_block("goals", "x", label="pets")


async def test_what_is_read_only_is_not_replaced(memory, database):
    block = await memory.set_block("facts", "x")
    await core.edit(database.view(), "t", block.id, 1, {"read_only": True})
    with pytest.raises(InvalidInput, match="read-only"):
        await memory.set_block("facts", "y")
    with pytest.raises(InvalidInput, match="read-only"):
        await memory.append("facts", "y")


@pytest.mark.parametrize("text", ["nul\0", "half \ud800"])
async def test_what_is_no_text_is_refused(memory, text):
    for call in (
        memory.set_block("facts", text),
        memory.append("facts", text),
        memory.set_block(None, "x", label=text),
    ):
        with pytest.raises(InvalidInput):
            await call
    assert await memory.is_empty()


# ---- bounds: one below, exactly, one above


BLOCK = limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX
LABEL = limits.CORE_MEMORY_BLOCK_LABEL_BYTES_MAX


async def _fill(memory, count):
    for number in range(count):
        await memory.set_block(None, "x", label=f"block {number}")


async def _fill_bytes(memory, size):
    for number, start in enumerate(range(0, size, BLOCK)):
        await memory.set_block(None, text_of(min(BLOCK, size - start)), label=f"block {number}")


async def _append_bytes(memory, size):
    await memory.append("facts", "é")
    await memory.append("facts", text_of(size - 3))  # two bytes and the line feed are there


BOUNDS = {
    "block": (BLOCK, "bytes", lambda memory, size: memory.set_block("facts", text_of(size))),
    "block, appended": (BLOCK, "bytes", _append_bytes),
    "label": (LABEL, "bytes", lambda memory, size: memory.set_block(None, "x", label=text_of(size))),
    "label, appended": (LABEL, "bytes", lambda memory, size: memory.append(text_of(size), "x")),
    "core": (limits.CORE_MEMORY_SIZE_BYTES_MAX, "bytes", _fill_bytes),
    "blocks": (limits.CORE_MEMORY_BLOCKS_COUNT_MAX, "blocks", _fill),
}


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("beyond", [-1, 0, 1])
async def test_bounds_are_inclusive_and_in_bytes(memory, bound, beyond):
    maximum, unit, fill = BOUNDS[bound]
    if beyond <= 0:
        await fill(memory, maximum + beyond)
    else:
        with pytest.raises(LimitExceeded, match=f"{maximum:,}") as refused:
            await fill(memory, maximum + beyond)
        assert (refused.value.size, refused.value.unit) == (maximum + 1, unit)
    assert await memory.used_bytes() <= memory.bytes_max


@pytest.mark.parametrize("size", [4 * KIB - 1, 4 * KIB, 32 * KIB, 32 * KIB + 1, 2.0**13, True])
async def test_core_memory_is_configured_within_4_and_32_kib(database, host, size):
    if size in (4 * KIB, 32 * KIB):
        small = Core(database, host, "t", "small", bytes_max=size)
        await _fill_bytes(small, size)
        assert await small.available_bytes() == 0
        with pytest.raises(LimitExceeded, match=f"{size:,}"):
            await small.append("one more", "x")
    else:
        with pytest.raises(InvalidInput, match="4,096 to 32,768"):
            Core(database, host, "t", "small", bytes_max=size)


async def test_the_budget_holds_whoever_writes_at_once(memory):
    """Each finds room when it looks; the commit decides."""
    writes = [memory.set_block(None, text_of(10 * KIB), label=f"block {number}") for number in range(5)]
    writes += [memory.append("log", text_of(5 * KIB)) for _ in range(5)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(one) for one in outcomes} == {Block, LimitExceeded}
    kept = sum(len(one.value.encode()) for one in await memory.blocks())
    assert 32 * KIB - 10 * KIB < kept <= 32 * KIB


@pytest.mark.parametrize("format_", ["xml", "markdown", "json"])
async def test_a_full_core_memory_is_rendered(memory, format_):
    """The original asserted that the text with its tags is no larger than the contents may be: a full core panicked."""
    await _fill_bytes(memory, memory.bytes_max)
    assert len((await memory.render(format_)).text.encode()) > memory.bytes_max


async def test_what_is_over_the_budget_already_may_shrink(memory, database):
    """An agent's own blocks have other bounds and may fill the scope."""
    big = Block(tenant="t", id="big", label="big", value="é" * 20 * KIB, limit_chars=100_000)
    await database.commit(core.plan_create(big).extend(core.plan_attach("t", "ada", "big", "big")))
    assert (await memory.available_bytes(), await memory.utilization()) == (0, 1.25)
    with pytest.raises(LimitExceeded, match="core memory"):
        await memory.append("facts", "x")
    await memory.set_block(None, "é" * 10 * KIB, label="big")
    assert await memory.used_bytes() == 20 * KIB


async def test_setting_a_promoted_block_makes_it_a_persons(memory, database):
    book = ledger.Ledger(scope="ada", importance=0.5)
    made = await memory.set_block("facts", "promoted")
    await core.edit(database.view(), "t", made.id, 1, {"metadata": {"mine": 1, ledger.KEY: {"scope": "ada"}}})
    await core.edit(database.view(), "t", made.id, 1, {"metadata": {"mine": 1} | ledger.written(made, book)})
    assert ledger.read(await memory.get_block("facts")) == book
    assert (await memory.set_block("facts", "said by me")).metadata == {"mine": 1}


async def test_writers_without_end_are_answered_with_a_conflict(memory, database, monkeypatch):
    await memory.set_block("facts", "0")
    block = await memory.get_block("facts")
    read = core.blocks.of_scope

    async def disturbed(view, tenant, scope):
        found = await read(view, tenant, scope)
        await core.edit(database.view(), "t", block.id, 1, {"description": None})
        return found

    monkeypatch.setattr(core.blocks, "of_scope", disturbed)
    with pytest.raises(Conflict, match="too many writers"):
        await memory.set_block("facts", "1")


async def test_blocks_of_before_have_the_default_importance(tmp_path, host):
    path = str(tmp_path / "old.db")
    old = await SqliteDatabase.open(path, core.MIGRATIONS[:1], host=host)
    await old.commit(
        Changes().write(
            "INSERT INTO block (tenant, id, label, value, limit_chars, read_only, hidden, metadata, tags, version,"
            " created_at_ms, updated_at_ms) VALUES ('t', 'b', 'facts', 'x', 9, 0, 0, '{}', '[]', 1, 0, 0)"
        )
    )
    await old.close()
    new = await SqliteDatabase.open(path, core.MIGRATIONS, host=host)
    assert (await core.get(new.view(), "t", "b")).importance == 0.5
    await new.close()
