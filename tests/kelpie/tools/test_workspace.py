"""An agent's files as rows: what fits, what conflicts, and what a call leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound, ToolFailed
from kelpie.tools import limits, workspace
from umi.storage import Changes, View


async def put(context, path, content=b"x", agent_id="agent-1"):
    planned = await workspace.plan_put(context.view, "t", agent_id, path, content, 7)
    await context.view.database.commit(planned)


async def files(context, agent_id="agent-1"):
    found = await workspace.read_all(context.view, "t", agent_id)
    return {path: file.content for path, file in found.items()}


async def sync(context, before, after, *, commit=True):
    planned, paths = workspace.plan_sync("t", "agent-1", before, after, 9)
    if commit:
        await context.view.database.commit(planned)
    return planned, paths


async def test_a_file_is_written_replaced_listed_and_removed(context):
    await put(context, "a.txt", b"1")
    await put(context, "folder/b.bin", bytes(range(256)))
    await put(context, "a.txt", b"22")
    assert await files(context) == {"a.txt": b"22", "folder/b.bin": bytes(range(256))}
    assert (await files(context, "agent-2")) == {}
    first = await workspace.listed(context.view, "t", "agent-1", after="", limit=1)
    assert [(one.path, one.bytes, one.version) for one in first] == [("a.txt", 2, 2)]
    rest = await workspace.listed(context.view, "t", "agent-1", after="a.txt", limit=10)
    assert [one.path for one in rest] == ["folder/b.bin"]
    await context.view.database.commit(await workspace.plan_delete(context.view, "t", "agent-1", "a.txt"))
    with pytest.raises(NotFound, match=r"the workspace has no file 'a\.txt'"):
        await workspace.read(context.view, "t", "agent-1", "a.txt")
    await context.view.database.commit(workspace.plan_forget_agent("t", "agent-1"))
    assert await files(context) == {}


@pytest.mark.parametrize(
    "path", ["", "/", "/etc/passwd", "a//b", "../x", "a/../../x", "a/.", ".", "a/", "a\\b", "a\0b", "a\nb", "\ud800"]
)
def test_a_path_that_could_mean_somewhere_else_is_refused(path):
    with pytest.raises(InvalidInput, match="is no path of a workspace"):
        workspace.checked_path(path)


@given(st.text(max_size=300))
def test_a_path_that_is_taken_stays_below_the_folder(path):
    try:
        workspace.checked_path(path)
    except (InvalidInput, LimitExceeded):
        return
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 1
        assert depth > 0
        assert part not in ("", ".")
    assert "\0" not in path
    assert len(path.encode()) <= limits.WORKSPACE_PATH_BYTES_MAX


async def test_every_bound_is_named(context):
    for path, text in (("x" * 256, "256 bytes"), ("/".join("x" * 11), "11 folders deep")):
        with pytest.raises(LimitExceeded, match=text):
            await put(context, path)
    with pytest.raises(LimitExceeded, match="the file 'big'"):
        await put(context, "big", bytes(limits.WORKSPACE_FILE_BYTES_MAX + 1))
    half = bytes(limits.WORKSPACE_FILE_BYTES_MAX)
    await put(context, "one", half)
    await put(context, "two", half)
    await put(context, "two", half)  # in its own place
    with pytest.raises(LimitExceeded, match="the workspace"):
        await put(context, "three", b"x")
    with pytest.raises(ToolFailed, match="the files it left were not kept"):
        workspace.plan_sync("t", "agent-1", {}, {f"{n}": b"" for n in range(limits.WORKSPACE_FILES_MAX + 1)}, 0)


async def test_the_bounds_hold_in_the_commit_whoever_else_writes(context):
    half = bytes(limits.WORKSPACE_FILE_BYTES_MAX)
    plans = [await workspace.plan_put(context.view, "t", "agent-1", name, half, 0) for name in ("one", "two", "three")]
    for plan in plans[:2]:
        await context.view.database.commit(plan)
    with pytest.raises(GuardFailed, match="workspace"):
        await context.view.database.commit(plans[2])
    assert set(await files(context)) == {"one", "two"}


async def test_a_file_is_no_folder(context):
    await put(context, "a/b")
    for path in ("a", "a/b/c"):
        with pytest.raises(Conflict, match="needs, a folder of that name"):
            await put(context, path)
    await put(context, "a.txt")  # next to it in the order of paths
    await put(context, "a0")
    planned = await workspace.plan_put(context.view, "t", "agent-1", "new", b"", 0)
    await put(context, "new/below")
    with pytest.raises(GuardFailed, match="workspace"):
        await context.view.database.commit(planned)


async def test_what_a_call_left_is_what_is_kept(context):
    await put(context, "same", b"1")
    await put(context, "changed", b"1")
    await put(context, "gone", b"1")
    before = await workspace.read_all(context.view, "t", "agent-1")
    _, paths = await sync(context, before, {"same": b"1", "changed": b"2", "gone/now": b"a folder"})
    assert paths == ["changed", "gone", "gone/now"]
    assert await files(context) == {"same": b"1", "changed": b"2", "gone/now": b"a folder"}
    planned, paths = await sync(context, await workspace.read_all(context.view, "t", "agent-1"), await files(context))
    assert (bool(planned), paths) == (False, [])


@pytest.mark.parametrize(
    "meanwhile", [{"file": b"theirs"}, {"fresh": b"theirs"}, {"file": None}], ids=["changed", "new", "removed"]
)
async def test_of_two_calls_that_write_one_file_at_once_the_second_is_refused_whole(context, meanwhile):
    await put(context, "file", b"old")
    before = await workspace.read_all(context.view, "t", "agent-1")
    planned, _ = await sync(context, before, {"file": b"mine", "fresh": b"mine", "third": b"mine"}, commit=False)
    for path, content in meanwhile.items():
        if content is None:
            await context.view.database.commit(await workspace.plan_delete(context.view, "t", "agent-1", path))
        else:
            await put(context, path, content)
    theirs = await files(context)
    with pytest.raises((GuardFailed, Conflict)):
        await context.view.database.commit(planned)
    assert await files(context) == theirs


async def test_two_calls_that_write_different_files_at_once_both_keep_them(context):
    before = await workspace.read_all(context.view, "t", "agent-1")
    for name in ("one", "two"):
        await sync(context, before, {name: b"x"})
    assert set(await files(context)) == {"one", "two"}


async def test_a_second_call_of_a_step_sees_what_the_first_one_left(context):
    planned, _ = await sync(context, {}, {"a": b"1"}, commit=False)
    view = View(context.view.database, planned)
    seen = await workspace.read_all(view, "t", "agent-1")
    second, _ = await sync(context, seen, {"a": b"2"}, commit=False)
    await context.view.database.commit(Changes().extend(planned).extend(second))
    assert await files(context) == {"a": b"2"}


@pytest.mark.parametrize("path", ["../x", "/x", "a\0b"])
def test_a_call_that_leaves_a_file_elsewhere_keeps_none(path):
    with pytest.raises(ToolFailed, match="nor was anything else of it"):
        workspace.plan_sync("t", "agent-1", {}, {"fine": b"", path: b""}, 0)
