"""Readers of runs in the background: they leave, are cut off and come back, through any silo; what they heard by then.

A reader knows the number of the last message they heard, and asks for what comes after it. Of a token stream's messages
those are void that the run has no message of: pieces of a reply that was cut.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.api.limits import STREAM_EVENTS_PER_ATTEMPT
from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Reply, Seen
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.plans.plan import Event

STREAMING = ("follow", "join")  # the operations
WHOLE = "a stream has no gap and no repeat"
MEANT = "a number never means two things"
STORED = "a stream tells what is stored"
ENDS = "every stream ends"
_END = ("stop_reason", "usage_statistics", "error_message")
_IN_PIECES = ("assistant_message", "reasoning_message", "tool_call_message")
_TIMES_MAX = 40  # that somebody takes a stream up while things go wrong
_REST_MS, _REST_MS_MAX = 250.0, 4_000.0  # before somebody comes back who was cut off
_PATIENCE_MS = 60_000
_ALL = "?limit=1000"

Message = dict[str, Any]


@dataclass(slots=True)
class Reading:
    """What one reader heard of a run, however often they took it up.

    heard   numbered messages, in the order in which they came
    end     what came after the last of them
    voids   how many of them were void
    doubt   a message was sent, and nobody knows what became of it
    """

    who: str
    seen: Seen
    heard: list[Message] = field(default_factory=list)
    end: list[Message] = field(default_factory=list)
    is_over: bool = False
    taken_up: int = 0
    voids: int = 0
    doubt: bool = False

    @property
    def after(self) -> int:
        return int(self.heard[-1]["seq_id"]) if self.heard else 0

    @property
    def is_by_token(self) -> bool:
        return self.seen.event.args.get("mode") == "tokens"

    def hear(self, block: bytes) -> Message | None:
        """The message in a block of the stream, if it has a number."""
        data = block.partition(b"data: ")[2]
        if data == b"[DONE]":
            self.is_over = True
        if not data.startswith(b"{"):
            return None
        one: Message = json.loads(data)
        if one["message_type"] in _END:
            self.end.append(one)
        elif one["message_type"] != "ping":
            self.heard.append(one)
            return one
        return None


class Streaming(Performer):
    kinds = STREAMING

    def __init__(self, clients: Clients) -> None:
        self.readings: list[Reading] = []
        self._clients, self._world = clients, clients.world
        self._expects_bugs = any(event.kind == "crash.surprise" for event in clients.world.plan.events)

    def counts(self) -> Counter[str]:
        found = Counter[str]()
        for one in self.readings:
            what = "follow" if one.who == one.seen.event.id else "join"
            found[f"{what} {one.seen.outcome}"] += 1
            found["stream taken up again"] += max(0, one.taken_up - 1)
            found["stream messages"] += len(one.heard)
            found["stream messages void"] += one.voids
        return found

    async def perform(self, event: Event) -> None:
        """Send a message and read its run, or read the run of somebody else's, to the end."""
        if event.kind == "follow":
            await self._follow(event)
        else:
            await self._join(event)

    # ---- what people do

    async def _follow(self, event: Event) -> None:
        agent, text = event.args["agent"], f"{event.id}: {event.args.get('text', 'hello')}"
        seen = Seen(event, agent, text, self._clients.silo_for(event, agent), self._now_ms)
        self._clients.sent.append(seen)
        reading = Reading(event.id, seen)
        self.readings.append(reading)
        self._clients.tell(event, f"says to agent-{agent}, and follows: {text[:100]}")
        message = {"role": "user", "content": text, "otid": event.id}
        body: Message = {"messages": [message], "streaming": True, "background": True}
        body |= {"stream_tokens": reading.is_by_token, "include_compaction_messages": True}
        await self._read(event, reading, body)

    async def _join(self, event: Event) -> None:
        seen = next((one for one in self._clients.sent if one.event.id == event.args["of"]), None)
        if seen is None or seen.run_id is None:
            self._clients.tell(event, f"knows no run of {event.args['of']} yet")
            return
        reading = Reading(event.id, seen)
        self.readings.append(reading)
        await self._read(event, reading, {})

    async def _read(self, event: Event, reading: Reading, body: Message) -> None:
        """Until the end, coming back however often it takes. `body` is sent again as long as nobody answers it."""
        leaves, rest_ms = list(event.args.get("leaves_after", ())), _REST_MS
        for number in range(_TIMES_MAX):
            silo = self._clients.silo_for(msgspec.structs.replace(event, id=f"{event.id}/{number}"), reading.seen.agent)
            try:
                left = await self._take_up(event, reading, body, silo, leaves.pop(0) if leaves else None)
            except Lost as error:
                left, reading.doubt = False, True
                self._clients.tell(event, f"is cut off after {reading.after}: {error}")
            if reading.is_over or reading.seen.outcome == "refused":
                return
            rest_ms = _REST_MS if left else min(2 * rest_ms, _REST_MS_MAX)
            await self._world.host.clock.sleep(event.args.get("rest_ms", rest_ms) if left else rest_ms)

    async def _take_up(
        self,
        event: Event,
        reading: Reading,
        body: Message,
        silo: str,
        leaves: int | None = None,
        patience_ms: float | None = None,
    ) -> bool:
        """Read on, to the end or for so many chunks; whether they left by themselves. Raises Lost."""
        seen, path = reading.seen, f"/v1/agents/{self._clients.agents[reading.seen.agent]}/messages/stream"
        if seen.run_id is not None:
            path, body = f"/v1/runs/{seen.run_id}/stream", {"starting_after": reading.after}
        reading.end.clear()
        async with self._clients.patient(patience_ms or self._world.plan.options.client_patience_ms):
            answer = await self._clients.open(event.lane, silo, "POST", path, body)
            if answer.status != 200:
                said = await answer.read()
                self._refused(event, reading, answer.status, said)
                return False
            if seen.run_id is None:
                seen.run_id = answer.headers["x-kelpie-run-id"]
                seen.outcome, seen.acknowledged_ms = "ok", self._now_ms
            self._clients.tell(event, f"reads {seen.run_id} after {reading.after} through {silo}")
            reading.taken_up += 1
            rest, chunks = b"", 0
            async for chunk in answer.chunks:
                *blocks, rest = (rest + chunk).split(b"\n\n")
                for block in blocks:
                    self._came(event, reading, block)
                chunks += 1
                if chunks == leaves and not reading.is_over:
                    answer.hang_up()
                    self._clients.tell(event, f"leaves after {reading.after}")
                    return True
        return False

    def _came(self, event: Event, reading: Reading, block: bytes) -> None:
        one = reading.hear(block)
        if one is not None and (not reading.is_by_token or one["message_type"] not in _IN_PIECES):
            self._world.invariants.shown_as_final(one["id"], event.lane)
            reading.seen.final_ids.append(one["id"])

    def _refused(self, event: Event, reading: Reading, status: int, said: bytes) -> None:
        """A message that was sent twice may have been taken the first time, whatever the second one is answered."""
        self._clients.tell(event, f"is told {status} {said[:100]!r}")
        if status == 500 and not self._expects_bugs:
            self._world.breaks("no request meets a bug", f"{event.id} is told {said[:300]!r}")
        if status not in REFUSED:
            reading.doubt = True
        elif reading.seen.run_id is None and not reading.doubt:
            reading.seen.outcome = "refused"

    @property
    def _now_ms(self) -> float:
        return self._world.loop.virtual_ms

    # ---- what must hold once everything has healed

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Everybody reads to the end, and somebody reads each run as a whole: it is what is stored, and nobody heard
        anything else of it, but for what is void."""
        of_run: dict[str, list[Reading]] = {}
        for reading in self.readings:
            if reading.seen.run_id is not None and reading.seen.agent not in self._clients.dismissed:
                of_run.setdefault(reading.seen.run_id, []).append(reading)
        for number, (run_id, readings) in enumerate(of_run.items()):
            whole = Reading("who reads it when all is over", readings[0].seen)
            silo = self._world.silos[number % len(self._world.silos)]
            for reading in (*readings, whole):
                await self._end(reading, silo)
                if not reading.is_over:
                    breaks(ENDS, f"{reading.who} hears no end of {run_id}")
            run, listed = (
                await self._asked(f"/v1/runs/{run_id}"),
                await self._asked(f"/v1/runs/{run_id}/messages{_ALL}"),
            )
            if (run.status, listed.status) != (200, 200):
                breaks(STORED, f"{run_id} was told of, and answers {run.status}, its messages {listed.status}")
                continue
            stored = [one for one in listed.json if one["message_type"] != "user_message"]
            (attempts,) = (await self._world.rows("SELECT attempt FROM run WHERE id = ?", run_id))[0]
            may_be_cut = bool(attempts) or run.json["status"] == "failed"
            for promise, text in _faults(readings, whole, run.json, stored, may_be_cut=may_be_cut):
                breaks(promise, f"{run_id}: {text}")

    async def _end(self, reading: Reading, silo: str) -> None:
        """Read on to the end, now that nothing goes wrong any more."""
        if reading.is_over:
            return
        late = Event(id=f"{reading.who}-healed", at_ms=0.0, kind="join", lane="client-0")
        with contextlib.suppress(Lost):
            await self._take_up(late, reading, {}, silo, patience_ms=_PATIENCE_MS)

    async def _asked(self, path: str) -> Reply:
        return await self._clients.call("client-0", self._world.silos[0], "GET", path, None, _PATIENCE_MS)


def _faults(
    readings: list[Reading], whole: Reading, run: Message, stored: list[Message], *, may_be_cut: bool
) -> Iterator[tuple[str, str]]:
    """`may_be_cut`: pieces of a reply may have been heard that was never committed."""
    if _words(whole.heard) != _words(stored):
        yield STORED, f"it is told as {_words(whole.heard)} and stored as {_words(stored)}"
    last = "error_message" if run["status"] == "failed" else "usage_statistics"
    if [one.get("stop_reason", one["message_type"]) for one in whole.end] != [run["stop_reason"], last]:
        yield STORED, f"it {run['status']} with {run['stop_reason']}, and is told to end with {whole.end}"
    kept, meant = {one["id"] for one in stored}, dict[int, Message]()
    told = {one["seq_id"]: _said(one) for one in whole.heard}
    for reading in (whole, *readings):
        void = [one for one in reading.heard if one["id"] not in kept]
        reading.voids = len(void)
        yield from ((WHOLE, text) for text in _faults_of_numbers(reading))
        for one in reading.heard:
            before = meant.setdefault(one["seq_id"], one)
            if _said(one) != _said(before):
                yield MEANT, f"{one['seq_id']} is {_words([before])}, and {_words([one])} for {reading.who}"
                break
        heard = {one["seq_id"]: _said(one) for one in reading.heard if one["id"] in kept}
        if heard != told and (reading.is_over or heard.keys() - told.keys()):
            yield WHOLE, f"{reading.who} misses {sorted(told.keys() - heard.keys())} of {sorted(told)}"
        for one in void:
            if not (may_be_cut and reading.is_by_token and one["message_type"] in _IN_PIECES):
                yield STORED, f"{reading.who} was told what is not stored: {_words([one])}"
        if reading.is_over and reading.end != whole.end:
            yield STORED, f"{reading.who} was told that it ends with {reading.end}, others with {whole.end}"


def _faults_of_numbers(reading: Reading) -> Iterator[str]:
    """From 1 and one by one, but for the first of another attempt at the run."""
    before = 0
    for number in (one["seq_id"] for one in reading.heard):
        if number <= before:
            yield f"{reading.who} heard {number} after {before}"
        elif number != before + 1 and not (reading.is_by_token and number % STREAM_EVENTS_PER_ATTEMPT == 1):
            yield f"{reading.who} heard nothing between {before} and {number}"
        before = number


def _said(one: Message) -> Message:
    """What a message says, without when it was told."""
    return {key: value for key, value in one.items() if key != "date"}


def _words(messages: list[Message]) -> list[tuple[str, str]]:
    """What is said in them, in pieces or not: each part of each message with its words, in order."""
    parts: dict[str, str] = {}
    for one in messages:
        kind, calls = one["message_type"], one.get("tool_calls") or []
        if kind == "event_message":
            continue  # that a summary was made: lists show the summary alone
        for call in [calls] if isinstance(calls, dict) else calls:
            key = f"{one['id']} {kind} {call['tool_call_id']}"
            parts[key] = parts.get(key, "") + call.get("name", "") + call.get("arguments", "")
        if not calls:
            words = (one[name] for name in ("content", "reasoning", "tool_return", "summary") if name in one)
            key = f"{one['id']} {kind}"
            parts[key] = parts.get(key, "") + next(words)
    return list(parts.items())
