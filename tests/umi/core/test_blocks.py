"""Blocks: labels, limits, versions, attachment."""

import asyncio

import msgspec
import pytest

from umi import core, limits
from umi.core import MIGRATIONS
from umi.entity import Block
from umi.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from umi.storage import Page, SqliteDatabase


@pytest.fixture
async def view(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "core.db"), MIGRATIONS, host=host)
    yield database.view()
    await database.close()


def make(block_id="block-1", **fields):
    return Block(**{"tenant": "t", "id": block_id, "label": "human", "value": "", "limit_chars": 10} | fields)


async def put(view, block, scope="agent-1"):
    changes = core.plan_create(block).extend(core.plan_attach(block.tenant, scope, block.id, block.label))
    await view.database.commit(changes)
    return block


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": ""},
        {"label": " "},
        {"label": "x" * (limits.BLOCK_LABEL_CHARS_MAX + 1)},
        {"value": "x" * 11},
        {"limit_chars": limits.BLOCK_VALUE_CHARS_MAX + 1},
        {"description": "x" * (limits.BLOCK_DESCRIPTION_CHARS_MAX + 1)},
    ],
)
async def test_a_block_that_breaks_a_bound_is_refused(wrong):
    with pytest.raises((InvalidInput, LimitExceeded)):
        core.plan_create(make(**wrong))


async def test_a_scope_has_each_label_once(view):
    await put(view, make())
    with pytest.raises(Conflict):
        await put(view, make("block-2"))
    assert [block.id for block in await core.of_scope(view, "t", "agent-1")] == ["block-1"]
    with pytest.raises(NotFound):
        await core.get(view, "t", "block-2")


async def test_a_shared_block_shows_one_value_in_every_scope(view):
    block = await put(view, make())
    await view.database.commit(core.plan_attach("t", "agent-2", block.id, block.label))
    await core.append(view, "t", "agent-2", "human", "Ada", block_id="unused", now_ms=1)
    assert (await core.by_label(view, "t", "agent-1", "human")).value == "Ada"
    assert sorted(await core.scopes_of(view, "t", block.id)) == ["agent-1", "agent-2"]


async def test_an_update_of_a_version_that_is_gone_is_refused(view):
    block = await put(view, make())
    await view.database.commit(core.plan_update(block, msgspec.structs.replace(block, value="one"), 1))
    with pytest.raises(GuardFailed, match="block"):
        await view.database.commit(core.plan_update(block, msgspec.structs.replace(block, value="two"), 2))
    assert (await core.get(view, "t", block.id)).value == "one"


async def test_edits_at_once_all_land(view):
    block = await put(view, make(limit_chars=1000))
    fields = [{"description": f"d{n}"} if n % 2 else {"metadata": {"n": n}} for n in range(20)]
    await asyncio.gather(*(core.edit(view, "t", block.id, 1, one) for one in fields))
    assert (await core.get(view, "t", block.id)).version == 21


async def test_renaming_a_block_renames_its_attachment_or_refuses(view):
    block = await put(view, make())
    await put(view, make("block-2", label="persona"))
    await core.edit(view, "t", block.id, 1, {"label": "user"})
    assert (await core.by_label(view, "t", "agent-1", "user")).id == block.id
    with pytest.raises(Conflict, match="persona"):
        await core.edit(view, "t", block.id, 1, {"label": "persona"})


async def test_an_append_beyond_the_limit_is_refused_and_changes_nothing(view):
    await put(view, make(value="12345"))
    await core.append(view, "t", "agent-1", "human", "6789", block_id="unused", now_ms=1)
    with pytest.raises(LimitExceeded, match="human"):
        await core.append(view, "t", "agent-1", "human", "0", block_id="unused", now_ms=1)
    assert (await core.by_label(view, "t", "agent-1", "human")).value == "12345\n6789"


async def test_appends_racing_for_the_last_place_let_one_win(view):
    await put(view, make(limit_chars=5))
    tries = (core.append(view, "t", "agent-1", "human", word, block_id="u", now_ms=1) for word in ("aaaa", "bbbb"))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LimitExceeded", "NoneType"]


async def test_a_read_only_block_takes_no_append(view):
    await put(view, make(read_only=True))
    with pytest.raises(InvalidInput, match="read-only"):
        await core.append(view, "t", "agent-1", "human", "x", block_id="u", now_ms=1)


async def test_deleting_a_block_detaches_it_everywhere(view):
    block = await put(view, make())
    await view.database.commit(core.plan_delete("t", block.id))
    assert await core.of_scope(view, "t", "agent-1") == []
    assert await core.list_blocks(view, "t", Page()) == []


async def test_a_label_that_is_not_there_is_answered_with_those_that_are(view):
    await put(view, make())
    with pytest.raises(NotFound, match=r"'persona'.*human"):
        await core.by_label(view, "t", "agent-1", "persona")


async def test_blocks_are_listed_by_label_and_text(view):
    await put(view, make(value="tea"))
    await put(view, make("block-2", value="coffee"), scope="agent-2")
    await put(view, make("block-3", label="persona"))
    assert [b.id for b in await core.list_blocks(view, "t", Page(), label="human")] == ["block-1", "block-2"]
    assert [b.id for b in await core.list_blocks(view, "t", Page(), texts={"value": "coff"})] == ["block-2"]
    assert [b.id for b in await core.list_blocks(view, "t", Page(limit=1, after="block-1"))] == ["block-2"]
    assert await core.list_blocks(view, "other", Page()) == []


@pytest.mark.parametrize(
    "label", ["a>b", "<human>", "two\nlines", "bell\x07", "null\0", "half \ud800", "human>\n<value>\nlies"]
)
def test_a_label_that_could_break_out_of_the_markup_is_refused(label):
    with pytest.raises(InvalidInput):
        core.plan_create(make(label=label))


@pytest.mark.parametrize("label", ["human", "notes/2026", "Persönlich", "emoji 🎈", "semantic_model:sales-2"])
def test_ordinary_labels_are_taken(label):
    assert core.plan_create(make(label=label))


@pytest.mark.parametrize(
    "fields",
    [
        {"value": "a\0b"},
        {"value": "\ud800"},
        {"description": "\udfff"},
        {"tags": ["\0"]},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": object()}},
        {"metadata": {"a": "x" * limits.BLOCK_METADATA_BYTES_MAX}},
        {"tags": ["x"] * (limits.BLOCK_TAGS_MAX + 1)},
    ],
)
def test_what_is_no_text_or_too_much_is_refused_by_name(fields):
    with pytest.raises((InvalidInput, LimitExceeded), match="block 'human'"):
        core.plan_create(make(**fields))


async def test_a_nul_does_not_hide_what_follows_it_from_the_limit(view):
    """SQLite's length() ends at a NUL: appends that race would have filled a block without end."""
    await put(view, make(limit_chars=10))
    with pytest.raises(InvalidInput, match="NUL"):
        await core.append(view, "t", "agent-1", "human", "\0" + "b" * 8, block_id="u", now_ms=1)


async def test_a_block_renamed_while_it_is_attached_is_attached_under_its_new_label(view):
    block = await put(view, make())
    planned = core.plan_attach("t", "agent-2", block.id, block.label)
    await core.edit(view, "t", block.id, 1, {"label": "user"})
    await view.database.commit(planned)
    assert (await core.by_label(view, "t", "agent-2", "user")).label == "user"
    with pytest.raises(NotFound):
        await core.by_label(view, "t", "agent-2", "human")


async def test_a_block_deleted_while_it_is_attached_leaves_no_attachment(view):
    block = await put(view, make())
    planned = core.plan_attach("t", "agent-2", block.id, block.label)
    await view.database.commit(core.plan_delete("t", block.id))
    with pytest.raises(Conflict):
        await view.database.commit(planned)
    assert await view.fetch("SELECT * FROM block_scope") == []


async def test_tags_are_those_of_a_tenants_blocks_that_are_not_hidden(view):
    await put(view, make(tags=["a", "b"]))
    await put(view, make("block-2", label="two", tags=["b", "c"]))
    await put(view, make("block-3", label="three", tags=["secret"], hidden=True))
    assert sorted(await core.tags(view, "t")) == ["a", "b", "c"]
    assert await core.tags(view, "other") == []
