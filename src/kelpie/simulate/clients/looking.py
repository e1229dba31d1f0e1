"""Looking at folders of files: what is listed, what is wrong with it, and what is known from then on."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from kelpie.simulate.clients.clients import Clients, Raw, Reply
from kelpie.simulate.clients.versions import WORD, Shelves, Version
from kelpie.simulate.plans.plan import Event

WHOLE = "a file is read whole, and what replaced it is found"
_KNOCKS, _KNOCK_MS = 5, 1_000.0
_LIMIT = 1_000


class Looking:
    """`ids` are those of the folders, by their numbers; `seen` counts what was really looked at."""

    def __init__(self, clients: Clients) -> None:
        self.shelves, self.ids, self.seen = Shelves(), list[str](), Counter[str]()
        self._clients, self._world = clients, clients.world

    def path(self, folder: int) -> str:
        return f"/v1/folders/{self.ids[folder]}"

    @property
    def now_ms(self) -> float:
        return self._world.loop.virtual_ms

    async def entries(self, event: Event, folder: int) -> list[dict[str, Any]] | None:
        """A folder's files as the API lists them. Raises Lost."""
        reply = await self.call(event, "GET", f"{self.path(folder)}/files?include_content=true&limit={_LIMIT}")
        self._clients.tell(event, f"lists folder-{folder} -> {reply.status}")
        if reply.status != 200:
            return None
        self.seen["lists of files"] += 1
        entries: list[dict[str, Any]] = reply.json
        return entries

    def note(self, entry: dict[str, Any], since_ms: float) -> str:
        """Somebody who began to look at `since_ms` was shown a file. The event it is of."""
        event_id: str = entry["original_file_name"].rpartition(".")[0]
        version = self.shelves.versions.get(event_id)
        for fault in _faults_of_entry(entry, version, self.shelves, since_ms):
            self._world.breaks(WHOLE, fault)
        if version is not None:
            version.id, version.as_name = entry["id"], entry["file_name"]
            version.known_ms = min(version.known_ms, self.now_ms)
            if entry["processing_status"] == "completed":
                version.read_ms = min(version.read_ms, self.now_ms)
                self.seen["files read whole"] += 1
        return event_id

    async def passages(self, event: Event, folder: int) -> None:
        since_ms = self.now_ms
        reply = await self.call(event, "GET", f"{self.path(folder)}/passages?limit={_LIMIT}")
        if reply.status != 200:
            return
        self.seen["lists of passages"] += 1
        for fault in faults_of_passages(self.shelves, folder, reply.json, since_ms, self.now_ms):
            self._world.breaks(WHOLE, fault)

    async def call(self, event: Event, method: str, path: str, body: dict[str, Any] | Raw | None = None) -> Reply:
        own = event.args.get("agent", event.args.get("folder", 0))
        for _ in range(_KNOCKS):  # nobody sends a file where nobody listens
            silo = self._clients.silo_for(event, own)
            if self._world.is_up(silo):
                break
            await self._world.host.clock.sleep(_KNOCK_MS)
        return await self._clients.call(
            event.lane, silo, method, path, body, self._world.plan.options.client_patience_ms
        )


def _faults_of_entry(entry: dict[str, Any], version: Version | None, shelves: Shelves, since_ms: float) -> list[str]:
    """What is wrong with a file as it was shown."""
    status, said, name = entry["processing_status"], entry["content"], entry["original_file_name"]
    if version is None or version.is_nothing:
        return [f"{name} is there, which was {'skipped' if version else 'never'} put there, or refused"]
    word, found = version.word, list[str]()
    if version.id not in (None, entry["id"]):
        found.append(f"{word} is there as {version.id} and as {entry['id']}")
    if shelves.is_gone(version, since_ms):
        found.append(f"{word} was replaced or deleted, and is shown")
    if said is not None and said != version.text:
        found.append(f"{word} is shown as {said[:80]!r}, {len(said)} characters")
    if status == "completed" and said is None:
        found.append(f"{word} was read, and is shown without what it says")
    if status == "completed" and entry["chunks_embedded"] != entry["total_chunks"]:
        found.append(f"{word} was read, and {entry['chunks_embedded']} of {entry['total_chunks']} chunks are there")
    if status == "completed" and version.text is None:
        found.append(f"{word} can't be read, and was")
    if status == "error" and (version.text is not None or not entry["error_message"]):
        found.append(f"{word} failed: {entry['error_message']!r}")
    return found


def faults_of_passages(
    shelves: Shelves,
    folder: int,
    passages: Sequence[dict[str, Any]],
    since_ms: float,
    until_ms: float,
    whole: Sequence[str] = (),
) -> list[str]:
    """What is wrong with a folder's chunks as they were shown to somebody who looked in that time.

    whole  events whose files must have all their chunks, whoever knows of them
    """
    found, spans = list[str](), defaultdict[str, list[tuple[int, int]]](list)
    for one in passages:
        start, end, words = one["metadata"]["start"], one["metadata"]["end"], set(WORD.findall(one["text"]))
        version = shelves.by_word(words.pop()) if len(words) == 1 else None
        if version is None or version.is_nothing or version.folder != folder:
            found.append(f"a chunk of folder-{folder} is of no file there: {one['text'][:80]!r}")
        elif not version.is_slice(start, end, one["text"]) or version.id not in (None, one["file_id"]):
            found.append(f"a chunk of {version.word} is not what stands at {start} to {end}: {one['text'][:80]!r}")
        elif shelves.is_gone(version, since_ms):
            found.append(f"{version.word} was replaced or deleted, and its chunk at {start} is there")
        else:
            spans[version.event.id].append((start, end))
    for version in shelves.in_folder(folder):
        own, is_read = sorted(spans[version.event.id]), version.read_ms < since_ms
        if any(two[0] < one[1] for one, two in itertools.pairwise(own)):
            found.append(f"chunks of {version.word} are there twice: {own}")
        must = version.event.id in whole or shelves.is_there(version, since_ms, until_ms)
        if is_read and must and (left := _left_out(version, own)):
            found.append(f"{version.word} was read, and no chunk has {left[:80]!r}")
    return found


def _left_out(version: Version, spans: Sequence[tuple[int, int]]) -> str:
    """What of a text is in no chunk."""
    text = version.text or ""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return "".join(text[end:start] for end, start in zip(edges[::2], edges[1::2], strict=True)).strip()
