"""An acknowledged upload is kept, read once, cut into chunks that are slices of its text, and found."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kelpie.files.samples import docx, pdf

from kelpie.actors.outbox import plan_put
from kelpie.files import files, folders, limits
from kelpie.files.files import Upload
from kelpie.files.processing import cut, errand_of
from umi.storage import Changes, Page

LONG = "\n\n".join(f"Paragraph {number} tells of whales, krill and the {number}th expedition." for number in range(900))


async def test_a_text_is_read_cut_and_found(room):
    folder = await room.folder()
    file = await room.upload(folder, "notes.md", "# Whales\n\nThe blue whale eats krill.")
    assert (file.state, file.media_type, file.bytes) == ("waiting", "text/markdown", 36)
    await room.rest()
    file = await room.file(file)
    assert (file.state, file.chars, file.chunks, file.chunks_done) == ("ready", 36, 1, 1)
    assert await files.text_of(room.view, "t", file.id) == "# Whales\n\nThe blue whale eats krill."
    (found,) = await room.archive.recall(room.view, "t", folder.scope, "what does the whale eat?")
    assert found.fact.source == {
        "kind": "file", "file_id": file.id, "file_name": "notes.md", "start": 0, "end": 36,
    }  # fmt: skip
    assert await room.count("file_content") == 0
    assert await room.count("outbox") == 0


async def test_every_chunk_is_a_slice_of_the_text_and_they_leave_no_word_out(room):
    folder = await room.folder(chunk_tokens=50)
    file = await room.read(folder, "long.txt", LONG)
    text, chunks = await files.text_of(room.view, "t", file.id), await room.chunks(folder)
    assert file.chunks == len(chunks) > 2 * limits.CHUNKS_PER_COMMIT
    assert [text[one.source["start"] : one.source["end"]] for one in chunks] == [one.text for one in chunks]
    assert "".join("".join(one.text.split()) for one in chunks) == "".join(LONG.split())


@given(st.text(max_size=3_000), st.integers(50, 200))
@settings(max_examples=50, deadline=None)
def test_spans_are_in_order_apart_and_leave_out_white_space_alone(text, tokens):
    spans = cut(text, tokens)
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    assert edges == sorted(edges)
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in spans)
    assert all(not text[end:start].strip() for end, start in zip(edges[::2], edges[1::2], strict=True))


async def test_documents_become_text(room):
    folder = await room.folder()
    paper = await room.read(folder, "paper.pdf", pdf("Hello whales", "Second page"))
    assert await files.text_of(room.view, "t", paper.id) == "Hello whales\n\nSecond page"
    letter = await room.read(folder, "letter.docx", docx("Dear Ada,", heading="Letter"))
    assert await files.text_of(room.view, "t", letter.id) == "# Letter\n\nDear Ada,"
    assert {one.session for one in await room.chunks(folder)} == {paper.id, letter.id}


async def test_a_pdf_that_is_none_fails_with_its_reason_and_costs_nobody_else(room):
    folder = await room.folder()
    bad = await room.read(folder, "report.pdf", b"MZ this is a program")
    assert bad.state == "failed"
    assert bad.error == "'report.pdf' could not be read: it is not a PDF: it does not begin like one"
    assert (await room.read(folder, "good.txt", "fine")).state == "ready"
    assert [await room.count(table) for table in ("outbox", "file_content", "file_text")] == [0, 0, 1]


async def test_an_empty_file_is_ready_and_has_no_chunks(room):
    folder = await room.folder()
    for name, content in (("a", ""), ("b", " \n")):
        assert (await room.read(folder, name, content)).state == "ready"
    assert await room.chunks(folder) == []


async def test_what_an_embedder_sees_is_found_by_meaning(room_with_embedder):
    room = room_with_embedder
    folder = await room.folder(chunk_tokens=50)
    file = await room.read(folder, "long.txt", LONG)
    assert (await room.archive.behind.drain()).embedded == file.chunks
    (best, *_) = await room.archive.recall(room.view, "t", folder.scope, "the 77th expedition", explain=True)
    assert "77th" in best.fact.text
    assert best.explain["vector"] > 0


class Stop(Exception):
    """The process ends here."""


class Stopping:
    """The store of a process that dies at its n-th commit: before it, or after it unheard."""

    def __init__(self, database, dies_at, *, after):
        self._database, self._left, self._after = database, dies_at, after
        self.died = False

    def __getattr__(self, name):
        return getattr(self._database, name)

    async def commit(self, changes: Changes):
        self._left -= 1
        if self._left > 0:
            return await self._database.commit(changes)
        self.died = True
        if self._after:
            await self._database.commit(changes)
        raise Stop


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 6))
async def test_whatever_commit_it_dies_at_a_restart_finishes_it_once(room, dies_at, after):
    """The commits: the text, four of chunks; the last of them ends the errand."""
    folder = await room.folder(chunk_tokens=50)
    given = Upload(file_name="long.txt", content=LONG[:34_000].encode())
    # Nobody is told of the errand, so that nobody but this test begins with it.
    file, _ = await files.upload(room.view, room.host, folder, given, lambda file: plan_put(errand_of(file)))
    errand = errand_of(file)
    stopping = Stopping(room.database, dies_at, after=after)
    room.archive.database = stopping
    with pytest.raises(Stop):
        await room.processing.process(errand)
    assert stopping.died
    has_text = dies_at > 1 or after
    room.again()
    await room.outbox.recover()
    await room.rest()
    done, chunks = await room.file(file), await room.chunks(folder)
    assert room.reader.read_kinds == ([] if has_text else ["text"])
    assert (done.state, done.chunks_done) == ("ready", done.chunks)
    assert len(chunks) == done.chunks > 3 * limits.CHUNKS_PER_COMMIT
    assert len({one.source["start"] for one in chunks}) == len(chunks)
    assert await room.count("outbox") == 0


async def test_two_processes_that_take_up_the_same_file_do_it_once(room):
    folder = await room.folder(chunk_tokens=50)
    await room.upload(folder, "long.txt", LONG)
    first = room.outbox, room.processing
    room.again()
    await room.outbox.recover()
    await room.rest()
    room.outbox, room.processing = first
    await room.rest()
    chunks = await room.chunks(folder)
    assert len({one.source["start"] for one in chunks}) == len(chunks)
    (file,) = await files.list_files(room.view, "t", folder.id, Page())
    assert file.chunks == len(chunks)


async def test_a_file_that_is_deleted_while_it_is_worked_on_leaves_nothing(room):
    folder = await room.folder(chunk_tokens=50)
    file = await room.upload(folder, "long.txt", LONG)
    while (await room.file(file)).chunks_done < limits.CHUNKS_PER_COMMIT:
        pass
    assert (await room.file(file)).state == "indexing"
    await room.database.commit(files.plan_delete(file, folder))
    await room.rest()
    assert await room.chunks(folder) == []
    assert [await room.count(table) for table in ("file", "file_text", "file_content", "outbox", "fact")] == [0] * 5


async def test_deleting_a_file_or_a_folder_takes_what_belongs_to_it_and_nothing_else(room_with_embedder):
    room = room_with_embedder
    kept, gone, theirs = await room.folder("kept"), await room.folder("gone"), await room.folder("kept", tenant="u")
    other = await room.read(kept, "a.txt", "the krill is red")
    file = await room.read(kept, "b.txt", "the krill is blue")
    await room.read(gone, "a.txt", "the krill is green")
    await room.read(theirs, "a.txt", "the krill is white")
    await room.attach("agent-1", kept, gone)
    await room.archive.behind.drain()
    await room.database.commit(files.plan_delete(file, kept))
    await room.database.commit(folders.plan_delete(gone))
    assert [one.text for one in await room.chunks(kept)] == ["the krill is red"]
    (found,) = await room.archive.recall(room.view, "t", kept.scope, "krill")
    assert found.fact.text == "the krill is red"
    assert await room.chunks(gone) == []
    assert [one.text for one in await room.chunks(theirs, "u")] == ["the krill is white"]
    assert [await room.count(table) for table in ("file", "file_text", "fact", "fact_vector")] == [2, 2, 2, 2]
    assert await room.count("agent_folder") == 1
    assert await room.file(other) == other


async def test_what_is_refused_while_it_is_indexed_is_the_files_error_and_not_tried_for_ever(room, monkeypatch):
    from umi import archival
    from umi.errors import InvalidInput

    def refuse(*_):
        raise InvalidInput("a fact needs a text")

    monkeypatch.setattr(archival, "plan_add", refuse)
    folder = await room.folder()
    file = await room.read(folder, "a.txt", "x")
    assert (file.state, file.error) == ("failed", "'a.txt' could not be read: a fact needs a text")
    assert await room.count("outbox") == 0


async def test_however_many_files_wait_few_are_in_memory_at_once(room):
    """Of texts as of documents; and a text does not wait for documents."""
    let_go, begun = asyncio.Event(), []

    class Slow:
        async def read(self, kind, content):
            begun.append(kind)
            if kind == "pdf":
                await let_go.wait()
            return content.decode()

    room.processing._reader = Slow()
    for number in range(6):
        await room.upload(await room.folder(f"folder {number}"), "a.pdf", "x")
    text = await room.upload(await room.folder("texts"), "a.txt", "x")
    while (await room.file(text)).state != "ready" or begun.count("pdf") < limits.READING_AT_ONCE_MAX:
        pass
    assert begun.count("pdf") == limits.READING_AT_ONCE_MAX
    let_go.set()
    await room.rest()
    assert begun.count("pdf") == 6
