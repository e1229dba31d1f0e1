"""What agents saw of their files: what their tools found, and what their prompts showed."""

import itertools
import re
from collections.abc import Callable, Iterator

import msgspec

from kelpie.simulate.clients.clients import Clients, Seen
from kelpie.simulate.clients.looking import Looking
from kelpie.simulate.clients.versions import NEVER, WORD, Version
from kelpie.trajectories.records import RunInput
from umi.dst.history import Operation

FOUND = "an agent finds what its files say now"
SHOWN = "an agent is shown its files as they are"
_CALLS = (
    "SELECT c.agent_id, c.tool, c.arguments, c.result_message_id, r.input FROM call c JOIN run r"
    " ON r.tenant = c.tenant AND r.id = c.run_id WHERE c.tool IN ('grep_files', 'semantic_search_files')"
    " AND c.state = 'done' AND NOT c.is_error AND c.result_message_id IS NOT NULL"
)
_CHUNK = re.compile(r"(?:^|\n\n)=== ([^\n]+), characters (\d+) to (\d+)\n")
_MATCH = re.compile(r"(?:^|\n\n)=== ([^\n]+), line \d+\n")
_OPEN = re.compile(
    r'<file status="open" name="([^"]*)">\n<metadata>\n.*?- chars_total=(\d+)\n</metadata>\n<value>\n(.*?)\n</value>',
    re.DOTALL,
)
_PATHS = re.compile(r'<file status="\w+" name="([^"]*)"')
_LINE = re.compile(r"^(\d+): (.*)$", re.MULTILINE)
_input = msgspec.msgpack.Decoder(list[RunInput]).decode


class Consulted:
    def __init__(self, clients: Clients, looking: Looking, breaks: Callable[[str, str], None]) -> None:
        self._clients, self._world, self._looking, self._breaks = clients, clients.world, looking, breaks
        self._shelves = looking.shelves
        self._sent = {seen.text: seen for seen in clients.sent}

    async def check(self) -> None:
        """Everything that any tool or prompt has shown so far."""
        returned = await self._returned()
        for agent_id, tool, arguments, message_id, packed in await self._world.rows(_CALLS):
            seen = self._sent.get(_input(packed)[0].body.text)
            if seen is None or message_id not in returned:
                continue
            self._looking.seen[f"{tool} calls"] += 1
            agent = self._clients.agents.index(agent_id)
            if tool == "grep_files":
                self._grepped(seen, agent, returned[message_id])
            else:
                self._searched(seen, agent, msgspec.json.decode(arguments)["query"], returned[message_id])
        for shown in self._world.shown:
            if (seen := self._sent.get(shown.text)) is not None:
                at_ms = shown.at_ms - self._world.host.clock.monotonic_ms() + self._world.loop.virtual_ms
                self._prompted(seen, shown.request.messages[0].text, at_ms)

    async def _returned(self) -> dict[str, str]:
        """What every call came to, by its message."""
        found: dict[str, str] = {}
        for agent_id in self._clients.agents:
            path = f"/v1/agents/{agent_id}/messages?limit=1000&order=asc"
            listed = await self._clients.call("client-0", self._world.silos[0], "GET", path, None, 60_000)
            found |= {
                one["id"]: one["tool_return"]
                for one in listed.json
                if one["message_type"] == "tool_return_message" and isinstance(one.get("tool_return"), str)
            }
        return found

    # ---- tools

    def _grepped(self, seen: Seen, agent: int, text: str) -> None:
        """The first line of each file was looked for: it is found for every one that can be there."""
        paths = set[str]()
        for mark, block in _parts(_MATCH, text):
            paths.add(mark[1])
            self._is_of_one(seen, mark[1], block, FOUND)
        for version in self._that_must_be_seen(seen, agent, seen.ended_ms or NEVER):
            if version.text is not None and version.read_ms < seen.began_ms and _path(version) not in paths:
                self._breaks(FOUND, f"{seen.event.id} did not find {version.word} in {_path(version)}: {text[:200]!r}")

    def _searched(self, seen: Seen, agent: int, query: str, text: str) -> None:
        words = set[str]()
        for mark, chunk in _parts(_CHUNK, text):
            version = self._is_of_one(seen, mark[1], chunk, FOUND)
            if version is not None:
                words.add(version.word)
                if not version.is_slice(int(mark[2]), int(mark[3]), chunk):
                    self._breaks(FOUND, f"{seen.event.id} found a chunk that {version.word} has not: {mark[0].strip()}")
        wanted = self._shelves.by_word(query)
        if wanted is None or wanted.text is None or wanted.read_ms >= seen.began_ms or query in words:
            return
        if wanted in self._that_must_be_seen(seen, agent, seen.ended_ms or NEVER):
            self._breaks(FOUND, f"{seen.event.id} did not find {query}: {text[:200]!r}")

    # ---- prompts

    def _prompted(self, seen: Seen, prompt: str, at_ms: float) -> None:
        """Open files are shown as they are; all files of the agent's folders are named."""
        for path, chars, value in _OPEN.findall(prompt):
            self._looking.seen["open files shown"] += 1
            version = self._is_of_one(seen, path, value, SHOWN)
            if version is None or version.text is None:
                continue
            lines = version.text.split("\n")
            wrong = [n for n, line in _LINE.findall(value) if int(n) > len(lines) or lines[int(n) - 1] != line]
            if wrong or int(chars) != len(version.text):
                self._breaks(SHOWN, f"{seen.event.id} is shown {path} of {chars} characters, lines {wrong} are wrong")
        named = set(_PATHS.findall(prompt))
        for version in self._that_must_be_seen(seen, seen.agent, at_ms):
            self._looking.seen["names in prompts"] += 1
            if _path(version) not in named:
                self._breaks(SHOWN, f"{seen.event.id} is shown {sorted(named)}, without {_path(version)}")

    # ---- of whom

    def _is_of_one(self, seen: Seen, path: str, text: str, promise: str) -> Version | None:
        """The version that a text is of, which may have been there."""
        words = set(WORD.findall(text))
        versions = [self._shelves.by_word(word) for word in sorted(words)]
        version = versions[0] if len(versions) == 1 else None
        if version is None or version.is_nothing or not path.startswith(f"folder-{version.folder}/"):
            self._breaks(promise, f"{seen.event.id} has {path} with {sorted(words)}: {text[:80]!r}")
            return None
        if version.as_name is not None and path != _path(version):
            self._breaks(promise, f"{seen.event.id} has {version.word} as {path}; it is {_path(version)}")
        if self._shelves.is_gone(version, seen.began_ms):
            self._breaks(promise, f"{seen.event.id} has {version.word}, which was replaced or deleted before")
        if not self._may_have(seen.agent, version.folder, seen.began_ms):
            self._breaks(promise, f"{seen.event.id} has {version.word} of a folder that agent-{seen.agent} hasn't got")
        return version

    def _that_must_be_seen(self, seen: Seen, agent: int, until_ms: float) -> list[Version]:
        """Versions that were there, in folders that the agent had, from when its message was sent until then."""
        return [
            version
            for version in self._shelves.versions.values()
            if version.as_name is not None
            and self._shelves.is_there(version, seen.began_ms, until_ms)
            and self._had(agent, version.folder, seen.began_ms, until_ms)
        ]

    def _had(self, agent: int, folder: int, since_ms: float, until_ms: float) -> bool:
        """Whether an agent certainly had a folder all that time: given, and not taken since."""
        ahead_ms = self._world.host.clock.monotonic_ms() - self._world.loop.virtual_ms
        since_ms, until_ms = since_ms + ahead_ms, until_ms + ahead_ms
        given, taken = self._handed(agent, folder)
        given = [one for one in given if one.returned_ms < since_ms]
        taken = [one for one in taken if one.invoked_ms < until_ms]
        return any(all(take.returned_ms < give.invoked_ms for take in taken) for give in given)

    def _may_have(self, agent: int, folder: int, since_ms: float) -> bool:
        """Whether an agent may have had a folder then or later: it was given, and not certainly taken since."""
        since_ms += self._world.host.clock.monotonic_ms() - self._world.loop.virtual_ms
        given, taken = self._handed(agent, folder)
        taken = [one for one in taken if one.returned_ms < since_ms]
        return any(not any(give.returned_ms < take.invoked_ms for take in taken) for give in given)

    def _handed(self, agent: int, folder: int) -> tuple[list[Operation], list[Operation]]:
        """Who gave it to the agent, and who took it away."""
        key = f"agent-{agent} has folder-{folder}"
        writes = [one for one in self._clients.history.operations if one.key == key and one.name == "write"]
        return [one for one in writes if one.argument], [one for one in writes if not one.argument]


def _path(version: Version) -> str:
    return f"folder-{version.folder}/{version.as_name}"


def _parts(head: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each head that a text has, and what stands behind it."""
    marks = list(head.finditer(text))
    for mark, after in itertools.zip_longest(marks, marks[1:]):
        yield mark, text[mark.end() : after.start() if after else len(text)]
