"""Files that come with their text, from another server: nothing of them is left to be read, only to be indexed."""

from collections.abc import Callable

import msgspec

from kelpie.actors import Errand
from kelpie.actors.outbox import plan_put
from kelpie.errors import LimitExceeded
from kelpie.files import files, kinds, limits
from kelpie.files.files import File, checked_name
from kelpie.files.folders import Folder
from kelpie.files.processing import cut, errand_of
from kelpie.files.reading.plain import cleaned
from umi.dst.threads import in_thread
from umi.storage import Changes, View


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A file as another server has it.

    name        with or without the folders before it
    text        what was read from it there
    media_type  "" if it isn't known
    bytes       of what was uploaded; None if that isn't known
    """

    name: str
    text: str
    original_name: str | None = None
    media_type: str = ""
    bytes: int | None = None
    created_at_ms: int = 0


def drafted(folder: Folder, given: Arrival, file_id: str, now_ms: int) -> tuple[File, str]:
    """Its row, and its text as it can be stored. Raises InvalidInput, LimitExceeded."""
    if len(given.text) > limits.FILE_TEXT_CHARS_MAX:
        raise LimitExceeded("the file's text", len(given.text), limits.FILE_TEXT_CHARS_MAX, "characters")
    name, text = checked_name(given.name), cleaned(given.text)
    file = File(
        tenant=folder.tenant,
        id=file_id,
        folder_id=folder.id,
        name=name,
        original_name=checked_name(given.original_name or name),
        media_type=kinds.media_type_of(name, given.media_type, kinds.TEXT),
        kind=kinds.TEXT,
        bytes=len(text.encode()) if given.bytes is None else given.bytes,
        created_at_ms=given.created_at_ms or now_ms,
        updated_at_ms=now_ms,
    )
    return file, text


async def plan_add(
    view: View, folder: Folder, file: File, text: str, now_ms: int, put: Callable[[Errand], Changes] = plan_put
) -> tuple[File, Changes]:
    """Store a drafted file. Returns it under the name it gets. Guards "folder" and "state".

    put  has it indexed: now, by this process's outbox, or by whoever runs the next
    Raises LimitExceeded for a full folder.
    """
    file, changes = await files.plan_upload(view, folder, file, b"", "suffix")
    spans = await in_thread(cut, text, folder.chunk_tokens)
    changes.extend(files.plan_read(file, text, len(spans), now_ms))
    return file, changes.extend(put(errand_of(file)))
