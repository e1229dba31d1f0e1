"""Uploads: their names, what becomes of a name that is taken, and their bounds."""

import asyncio

import pytest

from kelpie.errors import Conflict, FileTooLarge, InvalidInput, LimitExceeded, NotFound
from kelpie.files import files, folders, limits
from kelpie.files.files import Upload
from umi.storage import Page, View


async def names(room, folder):
    return [one.name for one in await files.list_files(room.view, folder.tenant, folder.id, Page())]


async def test_a_second_file_of_one_name_gets_a_number_or_what_was_asked_for(room):
    folder = await room.folder()
    first = await room.read(folder, "a.txt", "one")
    await room.read(folder, "a.txt", "two")
    await room.read(folder, "a.txt", "three")
    assert await names(room, folder) == ["a.txt", "a_(1).txt", "a_(2).txt"]
    assert await room.read(folder, "a.txt", "four", when_taken="skip") == first
    with pytest.raises(Conflict, match=r"the folder 'papers' has a file named 'a\.txt' already"):
        await room.upload(folder, "a.txt", "five", when_taken="error")
    new = await room.read(folder, "a.txt", "six", when_taken="replace")
    assert new.id != first.id
    assert await names(room, folder) == ["a_(1).txt", "a_(2).txt", "a.txt"]
    assert sorted(one.text for one in await room.chunks(folder)) == ["six", "three", "two"]


async def test_names_given_instead_keep_the_ending(room):
    folder = await room.folder()
    made = [
        await room.upload(folder, "a.md", "x", name=name) for name in ("b", "c.txt", "../../etc/passwd", "d\\e", None)
    ]
    assert [one.name for one in made] == ["b.md", "c.txt", "passwd.md", "e.md", "a.md"]
    assert {one.original_name for one in made} == {"a.md"}


@pytest.mark.parametrize("name", ["", "..", "a/", "a\nb", "\ud800", "a\x00"])
async def test_what_is_no_name_is_refused(room, name):
    with pytest.raises(InvalidInput, match="name"):
        await room.upload(await room.folder(), name, "x")


async def test_a_long_name_is_refused_and_a_number_never_makes_one(room):
    folder = await room.folder()
    with pytest.raises(LimitExceeded, match="the file's name is 256 characters"):
        await room.upload(folder, "x" * 256, "x")
    longest = "x" * 251 + ".txt"
    for _ in range(2):
        await room.upload(folder, longest, "x")
    for odd in ("a." + "y" * 253, ".hidden"):
        for _ in range(2):
            await room.upload(folder, odd, "x")
    made = await names(room, folder)
    assert [len(name) for name in made] == [255, 255, 255, 255, 7, 11]
    assert made[-1] == ".hidden_(1)"


async def test_uploads_at_once_each_get_a_name_of_their_own(room):
    folder = await room.folder()
    await asyncio.gather(*(room.upload(folder, "a.txt", str(number)) for number in range(8)))
    await asyncio.gather(*(room.upload(folder, "b.txt", str(number), when_taken="replace") for number in range(4)))
    assert len(set(await names(room, folder))) == 9
    await room.rest()
    assert len(await room.chunks(folder)) == 9


async def test_bounds(room, monkeypatch):
    folder = await room.folder()
    monkeypatch.setattr(limits, "FILE_BYTES_MAX", 3)
    with pytest.raises(FileTooLarge, match="the file is 4 bytes; at most 3 are taken"):
        await room.upload(folder, "a", "1234")
    monkeypatch.setattr(limits, "FOLDER_FILES_MAX", 1)
    await room.upload(folder, "a", "123")
    with pytest.raises(LimitExceeded, match="the folder 'papers' is 2 files; at most 1"):
        await room.upload(folder, "b", "123")


async def test_an_upload_into_a_folder_that_is_deleted_meanwhile_leaves_nothing(room):
    folder = await room.folder()
    await room.database.commit(folders.plan_delete(folder))
    with pytest.raises(NotFound, match="no folder has the id"):
        await room.upload(folder, "a.txt", "x")
    assert [await room.count(table) for table in ("file", "file_content", "outbox")] == [0, 0, 0]


async def test_folders_have_names_of_their_own_and_are_edited_by_many(room):
    folder = await room.folder()
    await room.folder("other")
    await room.folder(tenant="u")
    with pytest.raises(Conflict, match="a folder named 'papers' exists already"):
        await room.folder()
    with pytest.raises(Conflict, match="a folder named 'other' exists already"):
        await folders.edit(room.view, "t", folder.id, 1, {"name": "other"})
    edits = ({"description": "d"}, {"instructions": "i"}, {"metadata": {"a": 1}}, {"name": "new"})
    await asyncio.gather(*(folders.edit(room.view, "t", folder.id, 1, fields) for fields in edits))
    seen = await folders.get_by_name(room.view, "t", "new")
    assert (seen.id, seen.description, seen.instructions, seen.metadata, seen.version) == (
        folder.id,
        "d",
        "i",
        {"a": 1},
        5,
    )
    for fields in ({"name": "a/b"}, {"name": " "}, {"description": "\x00"}, {"metadata": {"a": "\ud800"}}):
        with pytest.raises(InvalidInput):
            await folders.edit(room.view, "t", folder.id, 1, fields)
    with pytest.raises(NotFound):
        await folders.get(room.view, "u", folder.id)
    assert await folders.count(room.view, "t") == 2


async def test_a_draft_says_what_it_was_given(host, room):
    folder = await room.folder()
    upload = Upload(file_name="a.csv", content=b"a,b", media_type="application/octet-stream")
    file = files.draft(host, folder, upload)
    assert (file.kind, file.media_type, file.bytes, file.state) == ("text", "text/csv", 3, "waiting")


class ReplacedAfterEachRead:
    """The store, while somebody replaces a file between any two reads."""

    def __init__(self, room, folder):
        self._room, self._folder = room, folder

    async def read(self, queries, over=None):
        found = await self._room.database.read(queries, over)
        await self._room.read(self._folder, "a.txt", "new", when_taken="replace")
        return found


async def test_a_file_and_what_it_says_are_of_one_moment(room):
    """Whoever was told that it is read, and not what it says, would take it for empty."""
    folder = await room.folder()
    file = await room.read(folder, "a.txt", "old")
    view = View(ReplacedAfterEachRead(room, folder))
    seen, text = await files.get_with_text(view, "t", folder.id, file.id)
    assert (seen, text) == (file, "old")
    (seen,), texts = await files.list_with_texts(view, "t", folder.id, Page())
    assert (seen.state, texts) == ("ready", {seen.id: "new"})
    with pytest.raises(NotFound, match="no file with the id"):
        await files.get_with_text(room.view, "t", folder.id, file.id)


async def test_texts_of_a_list_that_are_too_much_are_not_read(room, monkeypatch):
    folder = await room.folder()
    for name in ("a.txt", "b.txt"):
        await room.read(folder, name, "12345")
    monkeypatch.setattr(limits, "FILE_TEXTS_CHARS_MAX", 9)
    with pytest.raises(LimitExceeded, match="10"):
        await files.list_with_texts(room.view, "t", folder.id, Page())
    found, texts = await files.list_with_texts(room.view, "t", folder.id, Page(limit=1))
    assert ([one.name for one in found], list(texts.values())) == (["a.txt"], ["12345"])
