"""People who put files into folders, replace, delete and look at them, and have agents look: what they did and saw."""

from collections import Counter
from collections.abc import Callable

import msgspec

from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome, Raw
from kelpie.simulate.clients.looking import WHOLE, Looking
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.clients.versions import Removal, Version, written
from kelpie.simulate.plans.plan import Event
from kelpie.simulate.promises.filed import Filed

FILING = ("upload", "browse", "discard", "clear", "give", "take", "consult")  # the operations
_CHUNK_TOKENS = 50  # the smallest there are: a short file has several
_POLLS = 8  # for the end of an upload, as clients of the API look for it
_POLL_MS = 100.0
_BOUNDARY = "kelpie-simulated-boundary"


class Filing(Performer):
    kinds, word = FILING, "upload"

    def __init__(self, clients: Clients) -> None:
        self._looking = Looking(clients)
        self.shelves = self._looking.shelves
        self._clients, self._world = clients, clients.world
        self._operations = {
            "upload": self._upload,
            "browse": self._browse,
            "discard": self._discard,
            "clear": self._clear,
            "give": self._give,
            "take": self._take,
            "consult": self._consult,
        }

    @property
    def outcomes(self) -> list[Outcome]:
        return [version.outcome for version in self.shelves.versions.values()]

    def counts(self) -> Counter[str]:
        return super().counts() + self._looking.seen

    async def set_up(self) -> None:
        """The folders, and for each agent one of them."""
        for number in range(self._world.plan.options.folders):
            body = {"name": f"folder-{number}", "embedding_chunk_size": _CHUNK_TOKENS}
            self._looking.ids.append((await self._clients.made("POST", "/v1/folders", body))["id"])
        for agent in range(len(self._clients.agents) if self._looking.ids else 0):
            folder = agent % len(self._looking.ids)
            operation = self._clients.history.invoke(_key(agent, folder), "write", "given")
            await self._clients.made("PATCH", self._given(agent, folder, "attach"), {})
            self._clients.history.returned(operation)

    async def perform(self, event: Event) -> None:
        """Do what the event says."""
        if event.args.get("folder", 0) >= len(self._looking.ids):
            return
        try:
            await self._operations[event.kind](event)
        except Lost as error:
            self._clients.tell(event, f"heard nothing more: {error}")

    # ---- what people do

    async def _upload(self, event: Event) -> None:
        content, text = written(event)
        folder, name, taken = event.args["folder"], event.args["name"], event.args["taken"]
        version = Version(event, folder, name, text, self._looking.now_ms, replaces=taken == "replace")
        self.shelves.versions[event.id] = version
        path = f"{self._looking.path(folder)}/upload?duplicate_handling={taken}&name={name}"
        self._clients.tell(event, f"puts {version.word} into folder-{folder} as {name} ({taken})")
        reply = await self._looking.call(event, "POST", path, _form(f"{event.id}.{name.rpartition('.')[2]}", content))
        if reply.status == 200:
            version.outcome, version.ended_ms = "ok", self._looking.now_ms
            if reply.headers.get("x-upload-result") == "skipped":
                version.skipped = True
            else:
                version.id, version.as_name, version.known_ms = (
                    reply.json["id"],
                    reply.json["file_name"],
                    self._looking.now_ms,
                )
        elif reply.status in REFUSED:
            version.outcome = "refused"
        self._clients.tell(event, f"{version.as_name or 'nothing'} -> {reply.status}")
        if version.id is not None:
            await self._wait_until_read(event, version)

    async def _wait_until_read(self, event: Event, version: Version) -> None:
        """Look until it is at its end, and then at once at what was made of it."""
        for number in range(_POLLS):
            await self._world.host.clock.sleep(_POLL_MS * 2**number)
            since_ms = self._looking.now_ms
            path = f"{self._looking.path(version.folder)}/files/{version.id}?include_content=true"
            reply = await self._looking.call(event, "GET", path)
            if reply.status == 404:
                if self.shelves.is_there(version, since_ms, self._looking.now_ms):
                    self._world.breaks(
                        WHOLE, f"{version.word} was acknowledged, nobody removed it, and it is not there"
                    )
                return
            if reply.status == 200:
                self._looking.note(reply.json, since_ms)
                if reply.json["processing_status"] in ("completed", "error"):
                    await self._looking.passages(event, version.folder)
                    return

    async def _browse(self, event: Event) -> None:
        """List a folder with what its files say, and the chunks of them."""
        folder, since_ms = event.args["folder"], self._looking.now_ms
        entries = await self._looking.entries(event, folder)
        if entries is None:
            return
        found = {self._looking.note(entry, since_ms) for entry in entries}
        for version in self.shelves.in_folder(folder):
            if version.event.id not in found and self.shelves.is_there(version, since_ms, self._looking.now_ms):
                self._world.breaks(WHOLE, f"{version.word} is in folder-{folder}, and a list of that misses it")
        await self._looking.passages(event, folder)

    async def _discard(self, event: Event) -> None:
        """Delete the file of a name, if there is one."""
        folder, since_ms = event.args["folder"], self._looking.now_ms
        entries = await self._looking.entries(event, folder) or []
        for entry in entries:
            self._looking.note(entry, since_ms)
        for file_id in [entry["id"] for entry in entries if entry["file_name"] == event.args["name"]]:
            await self._remove(event, Removal(folder, file_id, self._looking.now_ms), f"/{file_id}", 204)

    async def _clear(self, event: Event) -> None:
        """Delete a folder with all that is in it: from every agent too."""
        folder = event.args["folder"]
        # From here on it is of no agent, or of whoever had it: what became of it is looked at in the end.
        await self._remove(event, Removal(folder, None, self._looking.now_ms), "", 200)

    async def _remove(self, event: Event, removal: Removal, path: str, done: int) -> None:
        self.shelves.removals.append(removal)
        reply = await self._looking.call(event, "DELETE", f"{self._looking.path(removal.folder)}{path}")
        if reply.status == done:
            removal.outcome, removal.ended_ms = "ok", self._looking.now_ms
        elif reply.status in REFUSED and reply.status != 404:  # somebody else's deletion may still be on its way
            removal.outcome = "refused"
        what = removal.file_id or f"folder-{removal.folder}"
        self._looking.seen[f"deletes {removal.outcome}"] += 1
        self._clients.tell(event, f"deletes {what} -> {reply.status}")

    async def _give(self, event: Event) -> None:
        await self._hand(event, "attach", "given")

    async def _take(self, event: Event) -> None:
        await self._hand(event, "detach", "")

    async def _hand(self, event: Event, how: str, argument: str) -> None:
        agent, folder = event.args["agent"], event.args["folder"]
        operation = self._clients.history.invoke(_key(agent, folder), "write", argument, client=event.lane)
        reply = await self._looking.call(event, "PATCH", self._given(agent, folder, how), {})
        if reply.status == 200:
            self._clients.history.returned(operation)
            self._looking.seen[f"folders {how}ed"] += 1
        elif reply.status in REFUSED:
            self._clients.history.refused(operation)
        self._clients.tell(event, f"{how}es folder-{folder} of agent-{agent} -> {reply.status}")

    async def _consult(self, event: Event) -> None:
        """Have an agent look into its files. What its tools found is looked at in the end."""
        await self._clients.perform(msgspec.structs.replace(event, kind="send"))

    # ---- the wire

    def _given(self, agent: int, folder: int, how: str) -> str:
        return f"/v1/agents/{self._clients.agents[agent]}/folders/{how}/{self._looking.ids[folder]}"

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Each file is at its end, and is what was put there last, all of it and nothing else."""
        if self._looking.ids:
            await Filed(self._clients, self._looking, self.perform, breaks).check()


def _key(agent: int, folder: int) -> str:
    return f"agent-{agent} has folder-{folder}"


def _form(file_name: str, content: bytes) -> Raw:
    """A file as browsers send it."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n\r\n'
    return Raw(
        f"multipart/form-data; boundary={_BOUNDARY}", head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    )
