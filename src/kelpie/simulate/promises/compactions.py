"""What must hold of conversations that were compacted: nothing of them is lost, whatever went wrong meanwhile."""

import itertools
from collections.abc import Callable

import msgspec

from kelpie.simulate.clients.clients import Clients
from kelpie.simulate.machines.world import World
from kelpie.trajectories.content import HASH_BYTES
from kelpie.trajectories.records import Compacted
from umi.wire.types import Message

_PROMISE = "no message is lost to a summary"
_compacted = msgspec.msgpack.Decoder(Compacted).decode
_message = msgspec.msgpack.Decoder(Message).decode
_SAID = (
    "SELECT position, id, body, compacted, step_id, EXISTS (SELECT 1 FROM message_text t WHERE t.rowid = message.seq)"
    " FROM message WHERE agent_id = ? ORDER BY position"
)


class Said(msgspec.Struct, frozen=True):
    position: int
    id: str
    body: Message
    compacted: Compacted | None
    step_id: str
    is_found: bool


class Compactions:
    def __init__(self, world: World, clients: Clients, breaks: Callable[[str, str], None]) -> None:
        self._world, self._clients, self._breaks = world, clients, breaks

    async def check(self) -> None:
        """Each message is in the window, or exactly one summary stands for it whose writer was shown it; and each is
        found by search."""
        for number, agent_id in enumerate(self._clients.agents):
            if number in self._clients.dismissed:
                continue
            said = [_said(row) for row in await self._world.rows(_SAID, agent_id)]
            made = [one for one in said if one.compacted is not None]
            self._are_linked_once(number, said, made)
            for summary in made:
                await self._was_shown(number, summary, said)
            for one in said:
                is_indexed = one.compacted is None and one.body.role in ("user", "assistant") and bool(one.body.text)
                if is_indexed != one.is_found:
                    self._breaks(_PROMISE, f"agent-{number}: {one.id} is{'' if one.is_found else ' not'} in the index")

    def _are_linked_once(self, number: int, said: list[Said], made: list[Said]) -> None:
        records = [one.compacted for one in made if one.compacted is not None]
        newest = records[-1].upto_position if records else -1
        for one in said:
            if one.compacted is not None:
                continue
            times = sum(record.from_position <= one.position <= record.upto_position for record in records)
            if times != (one.position <= newest):
                self._breaks(_PROMISE, f"agent-{number}: {times} summaries stand for {one.id} at {one.position}")
        for earlier, later in itertools.pairwise(made):
            if later.compacted is not None and later.compacted.previous != earlier.id:
                self._breaks(_PROMISE, f"agent-{number}: {later.id} does not follow {earlier.id}")

    async def _was_shown(self, number: int, summary: Said, said: list[Said]) -> None:
        """Whoever wrote a summary read what it stands for, but for the oldest of it that it says was too much."""
        record = summary.compacted
        assert record is not None, "a summary"
        [(packed,)] = await self._world.rows("SELECT request FROM step WHERE id = ?", summary.step_id)
        hashes = {packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)}
        bodies = await self._world.rows("SELECT hash, body FROM content")
        request = b"".join(body for digest, body in bodies if digest in hashes).decode()
        within = [
            one
            for one in said
            if record.from_position <= one.position <= record.upto_position
            and one.compacted is None
            and (one.body.role != "system" or one.position > 0)
        ]
        for one in within[record.unseen :]:
            words = one.body.text.partition(":")[0]
            if one.body.role == "user" and words.startswith("op-") and f"{words}:" not in request:
                self._breaks(_PROMISE, f"agent-{number}: {summary.id} stands for {words}, which it was not shown")


def _said(row: tuple[object, ...]) -> Said:
    position, id_, body, compacted, step_id, is_found = row
    assert isinstance(position, int)
    assert isinstance(body, bytes)
    record = _compacted(compacted) if isinstance(compacted, bytes) else None
    return Said(position, str(id_), _message(body), record, str(step_id), bool(is_found))
