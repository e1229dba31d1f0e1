"""The rooms' own SQL, on every engine: what `umi.core` promises doesn't depend on where it is kept."""

import asyncio

import msgspec
import pytest

from umi import core, limits
from umi.entity import Block
from umi.errors import Conflict, GuardFailed, LimitExceeded, NotFound
from umi.storage import Page, View


@pytest.fixture
async def view(reopen):
    return View(await reopen(core.MIGRATIONS))


def make(block_id, **fields):
    return Block(**{"tenant": "t", "id": block_id, "label": block_id, "value": "", "limit_chars": 1000} | fields)


async def put(view, block, scope="ada"):
    changes = core.plan_create(block).extend(core.plan_attach(block.tenant, scope, block.id, block.label))
    await view.database.commit(changes)
    return block


async def test_a_block_comes_back_as_it_was_made(view):
    block = make("b", value="größer\n'x'", description="d", type="facts", tags=["é", "x"], metadata={"n": [1, None]})
    await put(view, block)
    await put(view, make("c", hidden=True, read_only=True))
    assert await core.get(view, "t", "b") == block
    assert await core.by_label(view, "t", "ada", "b") == block
    with pytest.raises(NotFound, match="attached labels: b, c"):
        await core.by_label(view, "t", "ada", "z")
    assert [one.id for one in await core.of_scope(view, "t", "ada")] == ["b", "c"]
    rows = await view.fetch(core.OF_SCOPES, "t", '["ada", "nobody"]')
    assert [(row[0], core.block_from_row(row[1:]).id) for row in rows] == [("ada", "b"), ("ada", "c")]
    assert await core.scopes_of(view, "t", "c") == ["ada"]
    assert sorted(await core.tags(view, "t")) == ["x", "é"]


async def test_a_label_is_there_once_in_a_scope_and_leaves_with_its_block(view):
    await put(view, make("b", label="human"))
    with pytest.raises(Conflict):
        await put(view, make("c", label="human"))
    await view.database.commit(core.plan_attach("t", "bob", "b", "read before it was renamed"))
    assert (await core.by_label(view, "t", "bob", "human")).id == "b"
    await view.database.commit(core.plan_delete("t", "b"))
    assert await core.of_scope(view, "t", "ada") == await core.of_scope(view, "t", "bob") == []


async def test_appends_at_once_make_one_block_with_all_texts(view):
    lines = [f"line {n}" for n in range(30)]
    await asyncio.gather(
        *(core.append(view, "t", "ada", "notes", text, block_id=f"b{n}", now_ms=n) for n, text in enumerate(lines))
    )
    block = await core.by_label(view, "t", "ada", "notes")
    assert sorted(block.value.split("\n")) == sorted(lines)
    assert block.version == 31
    assert await core.count_blocks(view, "t") == 1


async def test_an_append_counts_characters_and_stops_at_the_limit(view):
    await put(view, make("b", limit_chars=7, value="äöü"))
    await core.append(view, "t", "ada", "b", "€€€", block_id="-", now_ms=1)
    with pytest.raises(LimitExceeded):
        await core.append(view, "t", "ada", "b", "x", block_id="-", now_ms=1)
    assert (await core.get(view, "t", "b")).value == "äöü\n€€€"


async def test_edits_at_once_all_land_and_a_version_that_is_gone_is_refused(view):
    old = await put(view, make("b"))
    await asyncio.gather(*(core.edit(view, "t", "b", 1, {"metadata": {"n": n}}) for n in range(12)))
    assert (await core.get(view, "t", "b")).version == 13
    with pytest.raises(GuardFailed, match="block"):
        await view.database.commit(core.plan_update(old, msgspec.structs.replace(old, value="two"), 2))
    await put(view, make("c"))
    with pytest.raises(Conflict, match="labelled 'c' already"):
        await core.edit(view, "t", "b", 1, {"label": "c"})
    await core.edit(view, "t", "b", 1, {"label": "d"})
    assert (await core.by_label(view, "t", "ada", "d")).id == "b"


async def test_lists_are_filtered_and_paged_alike(view):
    await put(view, make("a", value="Ada's Cat", description="about x", tags=["x", "y"]))
    await put(view, make("b", value="a dog", tags=["y"]))
    await put(view, make("c", value="ÄPFEL", hidden=True))
    await put(view, make("d", value="Äpfel"))

    async def found(page=Page(), **filters):  # noqa: B008 - frozen
        return [block.id for block in await core.list_blocks(view, "t", page, **filters)]

    assert await found() == ["a", "b", "d"]
    assert await found(Page(ascending=False, limit=2)) == ["d", "b"]
    assert await found(Page(after="a", before="d")) == ["b"]
    assert await found(texts={"value": "CAT"}) == ["a"]
    assert await found(texts={"value": "äpfel"}) == []
    assert await found(texts={"value": "Äpf", "description": "x"}) == []
    assert await found(texts={"description": "X"}) == ["a"]
    assert await found(tags=["x", "y"]) == ["a", "b"]
    assert await found(tags=["x", "y"], match_all_tags=True) == ["a"]
    assert await found(label="d", tags=["x"]) == []
    assert await core.count_blocks(view, "t", tags=["y"]) == 2


async def test_the_bounds_of_core_memory_hold_whoever_else_writes(view, host):
    memory = core.Core(view.database, host, "t", "ada", bytes_max=limits.CORE_MEMORY_SIZE_BYTES_MIN)
    size = limits.CORE_MEMORY_SIZE_BYTES_MIN // 4
    outcomes = await asyncio.gather(
        *(memory.set_block(None, "é" * (size // 2), label=f"b{n}") for n in range(6)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Block"] * 4 + ["LimitExceeded"] * 2
    assert await memory.used_bytes() == 4 * size
