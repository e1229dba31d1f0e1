"""Folders that travel with agents: packed, made where they arrive, and given to an agent with its open files."""

from collections.abc import Sequence

import msgspec

from kelpie.actors import Outbox
from kelpie.agents import folders as agent_folders
from kelpie.agents.agent import Agent
from kelpie.agents.context.directories import bounds_of
from kelpie.files import arriving, attached, files, folders
from kelpie.files.attached import AgentFile, Wish
from kelpie.files.files import File
from kelpie.files.folders import Folder
from kelpie.files.lines import lines_of
from kelpie.moving import limits
from kelpie.moving.parcel import Parcel
from umi.dst import Host
from umi.dst.threads import in_thread
from umi.storage import Changes, Page, View


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A file to hold open from line `start` on, counted from 0. `text`: what it says, if it isn't stored yet."""

    file: File
    folder: Folder
    start: int = 0
    length: int | None = None
    text: str | None = None


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """The folders and files of a parcel, by their references. `rows`: the folders alone; `changes`: everything."""

    folders: dict[str, Folder]
    files: dict[str, Held]
    rows: Changes
    changes: Changes


async def plan_arrive(view: View, host: Host, outbox: Outbox, tenant: str, parcel: Parcel) -> Arrived:
    """The folders of a parcel with ids of their own, and with other names where theirs are taken; what their files say
    is indexed afterwards. Raises InvalidInput, LimitExceeded."""
    rows, now_ms = Changes(), host.clock.now_ms()
    made: dict[str, Folder] = {}
    for ref, folder in parcel.folders.items():
        seen = View(view.database, rows)
        name = await folders.free_name(seen, tenant, folder.name)
        new = {"tenant": tenant, "id": host.ids.new("source"), "created_at_ms": now_ms, "updated_at_ms": now_ms}
        made[ref] = msgspec.structs.replace(folder, name=name, **new)
        rows.extend(await folders.plan_create(seen, made[ref]))
    changes = Changes().extend(rows)
    found: dict[str, Held] = {}
    for ref, one in parcel.files.items():
        folder = made[one.folder]
        file, text = arriving.drafted(folder, one.arrival, host.ids.new("file"), now_ms)
        file, planned = await arriving.plan_add(view, folder, file, text, now_ms, outbox.put)
        changes.extend(planned)
        found[ref] = Held(file=file, folder=folder, text=text)
    return Arrived(folders=made, files=found, rows=rows, changes=changes)


async def plan_give(view: View, agent: Agent, wanted: Sequence[Folder], held: Sequence[Held], now_ms: int) -> Changes:
    """Give an agent that is being made its folders, which the view shows, with the tools for files. Of the files it is
    to hold open those stay closed that are too many, the first ones first; one without such a line is opened from its
    beginning. Raises LimitExceeded."""
    bounds = bounds_of(agent, None)
    changes = await agent_folders.plan_attach(view, agent.tenant, agent.id, [one.id for one in wanted])
    wishes = [await _wish(view, one) for one in held[max(0, len(held) - bounds.files_open) :]]
    if not wishes:
        return changes
    opened = await attached.plan_open(view, agent.tenant, agent.id, wishes, bounds, now_ms)
    return changes.extend(opened.changes)


async def _wish(view: View, one: Held) -> Wish:
    text = one.text
    if text is None:
        text = await files.text_of(view, one.file.tenant, one.file.id) or ""
    is_there = one.start < len(await in_thread(lines_of, text))
    file = AgentFile(
        id=one.file.id,
        name=one.file.name,
        folder_id=one.folder.id,
        folder_name=one.folder.name,
        state=one.file.state,
        error=None,
        chars=one.file.chars,
        is_open=False,
        first_line=None,
        last_line=None,
        shown="",
        opened_at_ms=None,
        turn=0,
    )
    return Wish(file, one.start if is_there else 0, one.length, one.text)


class PackedFile(msgspec.Struct, frozen=True):
    file: File
    text: str
    seen: AgentFile


async def pack_files(
    view: View, tenant: str, agent_id: str, wanted: Sequence[Folder], room: int
) -> tuple[list[PackedFile], int]:
    """The files of these folders of an agent that have a text, oldest first, as far as there is room, and how many are
    left out."""
    ids = {folder.id for folder in wanted}
    taken: list[PackedFile] = []
    left_out, after = 0, None
    while ids:
        page = Page(limit=limits.PACKED_PAGE_ITEMS, after=after)
        found = await attached.list_files(view, tenant, agent_id, page)
        for seen in found:
            # No more of a file is read than there is room for.
            fits = seen.folder_id in ids and seen.chars <= room and len(taken) < limits.PARCEL_FILES_MAX
            file = await files.find(view, tenant, seen.id) if fits else None
            text = await files.text_of(view, tenant, seen.id) if fits else None
            size = len(msgspec.json.encode((text, seen.shown)))
            if file is None or text is None or size > room:
                left_out += 1
                continue
            room -= size
            taken.append(PackedFile(file, text, seen))
        if len(found) < limits.PACKED_PAGE_ITEMS:
            break
        after = found[-1].id
    return taken, left_out
