"""Files that are read by halves, twice, or not at all, and what is left of them."""

import msgspec

from kelpie.actors.outbox import plan_done
from kelpie.agents import agent as agents
from kelpie.agents import folders as agent_folders
from kelpie.files import attached, files, folders, limits
from kelpie.files.processing import Processing, cut
from kelpie.tools import custom
from kelpie.tools.files import FILE_TOOLS
from umi.dst.threads import in_thread
from umi.storage import Changes, View


def chunks_of_the_replaced_stay(patch):
    """Who deletes a file leaves what search finds of it."""

    def plan_delete(file, _folder):
        changes = Changes().guard("file", "DELETE FROM file WHERE tenant = ? AND id = ?", file.tenant, file.id)
        for table in ("file_content", "file_text", "agent_file"):
            changes.write(f"DELETE FROM {table} WHERE tenant = ? AND file_id = ?", file.tenant, file.id)
        return changes

    patch.setattr(files, "plan_delete", plan_delete)


def resumes_from_the_beginning(patch):
    """Whoever goes on with a file begins with its first chunk, whatever is there."""
    index = Processing._index

    async def from_the_first(self, file, errand):
        at = file.tenant, file.id
        await self._archive.database.commit(
            Changes().write("UPDATE file SET chunks_done = 0 WHERE tenant = ? AND id = ? AND state = 'indexing'", *at)
        )
        await index(self, msgspec.structs.replace(file, chunks_done=0), errand)

    patch.setattr(Processing, "_index", from_the_first)


def ready_before_its_chunks(patch):
    """A file is called read, and what search finds of it is put there next."""

    async def index(self, file, errand):
        folder = await folders.get(self._view, file.tenant, file.folder_id)
        text = await files.text_of(self._view, file.tenant, file.id)
        spans = await in_thread(cut, text, folder.chunk_tokens)
        now_ms = self._host.clock.now_ms()
        ready = files.plan_indexed(file, len(spans), now_ms, is_last=True)
        await self._archive.database.commit(ready.extend(plan_done(errand)))
        for first in range(0, len(spans), limits.CHUNKS_PER_COMMIT):
            some = spans[first : first + limits.CHUNKS_PER_COMMIT]
            await self._archive.database.commit(self._plan_chunks(file, folder, text, some))
        self._archive.wake(file.tenant, folder.scope)

    patch.setattr(Processing, "_index", index)


def errand_apart_from_its_upload(patch):
    """An upload is committed, and then that it is to be read."""
    upload = files.upload

    async def apart(view, host, folder, given, also):
        file, is_new = await upload(view, host, folder, given, lambda _: Changes())
        if is_new:
            await view.database.commit(also(file))
        return file, is_new

    patch.setattr(files, "upload", apart)


def text_read_apart_from_its_file(patch):
    """First the file is read, then what it says."""

    async def get_with_text(view, tenant, folder_id, file_id):
        return await files.get(view, tenant, folder_id, file_id), await files.text_of(view, tenant, file_id)

    async def list_with_texts(view, tenant, folder_id, page):
        found = await files.list_files(view, tenant, folder_id, page)
        return found, await files.texts_of(view, tenant, found)

    patch.setattr(files, "get_with_text", get_with_text)
    patch.setattr(files, "list_with_texts", list_with_texts)


def last_folder_by_what_was_read(patch):
    """Whoever takes a folder looks first whether the agent has others."""

    async def detach(workshop, tenant, agent_id, folder_id):
        had = await attached.folders_of(View(workshop.database), tenant, agent_id)
        changes = attached.plan_detach(tenant, agent_id, folder_id)
        if [folder.id for folder in had] == [folder_id]:
            for tool in FILE_TOOLS:
                changes.extend(agents.plan_detach_tool(tenant, agent_id, custom.builtin_id(tool.name)))
        await workshop.database.commit(changes)

    patch.setattr(agent_folders, "detach", detach)
