"""What is left to do after an upload: read the file, cut its text into chunks, hand them to umi. From the outbox, so
that it goes on after a crash where the last commit left it, and each chunk is there once.

A chunk is a fact of the folder's scope: its text is a slice of the file's, its `source` says which, and its session is
the file, with which it goes. So words, meaning, ranking and their index are umi's, and no second search engine is here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from kelpie.actors import Errand, Outbox
from kelpie.actors.outbox import find, plan_done
from kelpie.errors import CallerError, Conflict, GuardFailed, NotFound
from kelpie.files import files, folders, limits
from kelpie.files.files import File, Upload
from kelpie.files.folders import Folder
from kelpie.files.kinds import JSON, TEXT
from kelpie.files.reading.reader import Reader
from umi import archival
from umi.dst.threads import in_thread
from umi.extract.chunk import chunks
from umi.memory import Archive, Draft
from umi.storage import Changes, View

TOPIC = "file"
Span = tuple[int, int]


def errand_of(file: File) -> Errand:
    """To read an uploaded file. Files of one folder are read one after the other."""
    lane = f"folder/{file.folder_id}"
    return Errand(tenant=file.tenant, topic=TOPIC, id=file.id, lane=lane, due_at_ms=file.created_at_ms)


class Processing:
    """Made once, before the outbox starts. `upload` is how a file comes in.

    However many are uploaded or wait, few are in memory at once.
    """

    def __init__(self, archive: Archive, outbox: Outbox, reader: Reader) -> None:
        self._archive, self._outbox, self._reader = archive, outbox, reader
        self._view, self._host = View(archive.database), archive.host
        self._uploads = asyncio.Semaphore(limits.FILE_UPLOADS_AT_ONCE_MAX)
        self._texts = asyncio.Semaphore(limits.READING_AT_ONCE_MAX)
        self._documents = asyncio.Semaphore(limits.READING_AT_ONCE_MAX)
        outbox.register(TOPIC, self.process)

    async def upload(self, folder: Folder, given: Callable[[], Awaitable[Upload]]) -> tuple[File, bool]:
        """The file, and whether it is new. Durable when this returns, and read a little later.

        given  asked for the upload when its turn has come
        Raises what files.upload raises.
        """
        async with self._uploads:
            return await files.upload(
                self._view, self._host, folder, await given(), lambda file: self._outbox.put(errand_of(file))
            )

    async def process(self, errand: Errand) -> None:
        """Bring a file to its end. What was deleted meanwhile, or is another process's work, ends this quietly.

        Raises Conflict if others are always faster: it is tried again later.
        """
        for _ in range(limits.FOLDER_WRITE_ATTEMPTS_MAX):
            there = await find(self._view, errand)
            if there is None:
                return
            file = await files.find(self._view, errand.tenant, errand.id)
            try:
                if file is None or file.state in ("ready", "failed"):
                    await self._archive.database.commit(plan_done(there))
                    continue
                async with self._texts if file.kind in (TEXT, JSON) else self._documents:
                    await self._go_on(file, there)
            except (GuardFailed, NotFound):
                continue  # it was deleted, or somebody else went on with it
        raise Conflict(f"file '{errand.id}' is being worked on by somebody else")

    async def _go_on(self, file: File, errand: Errand) -> None:
        """The next part of the work. What is refused now would be refused at each attempt: it is the file's error."""
        try:
            await (self._read if file.state == "waiting" else self._index)(file, errand)
        except (Conflict, NotFound):
            raise
        except CallerError as error:
            why = f"'{file.original_name}' could not be read: {error}"
            failed = files.plan_failed(file, why, self._host.clock.now_ms())
            await self._archive.database.commit(failed.extend(plan_done(errand)))

    async def _read(self, file: File, _errand: Errand) -> None:
        """Its text. Raises UnreadableFile."""
        folder = await folders.get(self._view, file.tenant, file.folder_id)
        content = await files.content_of(self._view, file)
        if content is None:
            return  # another process has just read it
        text = await self._reader.read(file.kind, content)
        spans = await in_thread(cut, text, folder.chunk_tokens)
        await self._archive.database.commit(files.plan_read(file, text, len(spans), self._host.clock.now_ms()))

    async def _index(self, file: File, errand: Errand) -> None:
        """The rest of its chunks, a commit for each few: none of them keeps others waiting for long."""
        folder = await folders.get(self._view, file.tenant, file.folder_id)
        text = await files.text_of(self._view, file.tenant, file.id)
        if text is None:
            raise NotFound(f"file '{file.id}' was deleted")
        spans = await in_thread(cut, text, folder.chunk_tokens)
        try:
            while file.state == "indexing":
                some = spans[file.chunks_done : file.chunks_done + limits.CHUNKS_PER_COMMIT]
                done = file.chunks_done + len(some)
                is_last = done >= len(spans)
                changes = files.plan_indexed(file, done, self._host.clock.now_ms(), is_last=is_last)
                changes.extend(self._plan_chunks(file, folder, text, some))
                if is_last:
                    changes.extend(plan_done(errand))
                await self._archive.database.commit(changes)
                state: files.State = "ready" if is_last else "indexing"
                file = msgspec.structs.replace(file, chunks_done=done, state=state)
        finally:
            self._archive.wake(file.tenant, folder.scope)

    def _plan_chunks(self, file: File, folder: Folder, text: str, spans: Sequence[Span]) -> Changes:
        drafts = [
            Draft(
                text=text[start:end],
                session=file.id,
                source={"kind": "file", "file_id": file.id, "file_name": file.name, "start": start, "end": end},
            )
            for start, end in spans
        ]
        facts = [prepared.fact for prepared in self._archive.stated(file.tenant, folder.scope, drafts)]
        return archival.plan_add(facts, self._archive.why("add"))


def cut(text: str, chunk_tokens: int) -> list[Span]:
    """Where the chunks of a text are: character offsets, in order, without the white space around them."""
    spans = []
    for start, end in chunks(text, chunk_tokens * limits.CHUNK_BYTES_PER_TOKEN):
        own = text[start:end]
        if not own.isspace():
            spans.append((end - len(own.lstrip()), start + len(own.rstrip())))
    return spans
