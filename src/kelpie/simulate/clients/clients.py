"""People and programs that call the API over the network, and what they saw of it.

Each operation ends in one of three ways: it was answered, it was refused with a promise that nothing happened, or
nobody knows. Only what was answered counts as acknowledged; what is unknown may or may not have happened.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from kelpie.simulate.machines.toolbox import RING, RING_SOURCE
from kelpie.simulate.machines.world import World
from kelpie.simulate.plans.plan import Event
from umi.dst import http
from umi.dst.history import History

MODELS = {"openai": "openai/gpt-4o-mini", "anthropic": "anthropic/claude-sonnet-4"}
MEMORY_TOOLS = (
    "core_memory_append",
    "core_memory_replace",
    "archival_memory_insert",
    "archival_memory_search",
    "conversation_search",
)
CLIENTS = 4
SYSTEM = "Be kind. What you remember follows.\n{CORE_MEMORY}"
_PATIENCE_SET_UP_MS = 600_000
# 429: a queue is full, nothing was stored. 507: the disk is full, nothing was written. 4xx: the call was wrong.
REFUSED = {400, 401, 403, 404, 409, 413, 422, 429, 501, 507}
_FAILED = {"error", "llm_api_error", "invalid_llm_response"}
_FINAL_TYPES = {"assistant_message", "tool_call_message", "tool_return_message", "reasoning_message"}

Outcome = Literal["ok", "refused", "unknown"]


class Lost(Exception):
    """The connection broke, or the client's patience ended: what became of the call is unknown."""


@dataclass(slots=True)
class Seen:
    """A message that was sent to an agent, and what its sender heard of it."""

    event: Event
    agent: int
    text: str
    silo: str
    began_ms: float
    outcome: Outcome = "unknown"
    acknowledged_ms: float | None = None
    run_id: str | None = None
    ended: str | None = None  # "completed" or "failed", as the client was told
    ended_ms: float | None = None  # when it was told that it completed
    final_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """A fact that a client wrote into an agent's memory."""

    agent: int
    began_ms: float
    outcome: Outcome = "unknown"


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is no JSON."""

    content_type: str
    content: bytes


@dataclass(slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Clients:
    def __init__(self, world: World) -> None:
        self.world = world
        self.history = History(world.host.clock)
        self.sent: list[Seen] = []
        self.dismissed: dict[int, Outcome] = {}  # agents that somebody deleted, or may have
        self.thinned: set[int] = set()  # agents of which somebody deleted a conversation, or may have
        self.heard_by_many: set[str] = set()  # events whose text goes to several agents
        self.facts: dict[str, Told] = {}  # by their text
        self.agents: list[str] = []
        self.board = self.log = ""  # blocks that all agents share: one for people, one for tools
        self._expects_bugs = any(event.kind == "crash.surprise" for event in world.plan.events)
        for number in range(CLIENTS):
            world.network.join(f"client-{number}", world.host)
        self._operations: dict[str, Callable[[Event], Awaitable[None]]] = {
            "send": self._send,
            "write": self._write,
            "read": self._read,
            "insert": self._insert,
            "search": self._search,
            "list": self._list,
            "edit": self._edit,
            "look": self._look,
            "dismiss": self._dismiss,
            "annotate": self._annotate,
            "review": self._review,
        }

    def counts(self) -> Counter[str]:
        """How the operations ended."""
        sent = Counter(f"send {seen.outcome}" for seen in self.sent)
        return sent + Counter(f"insert {fact.outcome}" for fact in self.facts.values())

    # ---- before anything goes wrong

    async def set_up(self) -> None:
        """A tool that acts outside, a block that all share, and the agents."""
        options = self.world.plan.options
        handed = {"workspace": True, "trust": "untrusted" if options.unread else "reviewed"}
        await self.made("PUT", "/v1/tools/", {"source_code": RING_SOURCE, "kelpie_sandbox": handed})
        self.board = (await self.made("POST", "/v1/blocks/", {"label": "board", "value": ""}))["id"]
        self.log = (await self.made("POST", "/v1/blocks/", {"label": "log", "value": ""}))["id"]
        for number in range(options.agents + options.guests):
            body = {
                "name": f"agent-{number}",
                "model": MODELS[options.wire],
                "system": SYSTEM,
                "block_ids": [self.board, self.log],
                "memory_blocks": [{"label": "notes", "value": ""}],
                "tools": [RING, *MEMORY_TOOLS],
                "include_base_tools": False,
            }
            if options.approval_ms is not None:
                body["tool_rules"] = [{"type": "requires_approval", "tool_name": RING}]
            if options.window_tokens is not None:
                body["context_window_limit"] = options.window_tokens
            if options.compaction is not None:
                body["compaction_settings"] = {"mode": options.compaction}
            if options.memory is not None:
                body["metadata"] = {"memory": {"scope": options.memory}}
            self.agents.append((await self.made("POST", "/v1/agents/", body))["id"])

    async def made(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """What an answer says, while nothing goes wrong yet."""
        reply = await self.call("client-0", self.world.silos[0], method, path, body, _PATIENCE_SET_UP_MS)
        assert reply.status == 200, f"setting up: {method} {path} gave {reply.status} {reply.body!r}"
        return reply.json

    # ---- operations

    async def perform(self, event: Event) -> None:
        """Do what the event says."""
        await self._operations[event.kind](event)

    async def _send(self, event: Event) -> None:
        agent, mode = event.args["agent"], event.args.get("mode", "wait")
        text = event.args.get("text", "hello")
        text = text if event.args.get("bare") else f"{event.id}: {text}"
        seen = Seen(event, agent, text, self.silo_for(event, agent), self.world.loop.virtual_ms)
        self.sent.append(seen)
        self.tell(event, f"says to agent-{agent}: {text[:100]}")
        try:
            await {"wait": self._wait, "async": self._later}.get(mode, self._watch)(event, seen)
        except Lost as error:
            self.tell(event, f"heard nothing more: {error}")
            return
        for message_id in seen.final_ids:
            self.world.invariants.shown_as_final(message_id, event.lane)
        if seen.ended == "completed":
            seen.ended_ms = self.world.loop.virtual_ms
        run = f", run {seen.run_id} {seen.ended or 'goes on'}" if seen.run_id else ""
        self.tell(event, f"{seen.outcome}{run}")

    async def _wait(self, event: Event, seen: Seen) -> None:
        reply = await self._call(event, seen.silo, "POST", self._messages_of(seen), self._body(event, seen))
        seen.run_id = reply.headers.get("x-kelpie-run-id")
        self._judge(seen, reply.status)
        if reply.status == 200:
            messages = reply.json["messages"]
            seen.ended = "completed"
            seen.run_id = messages[0]["run_id"] if messages else None
            seen.final_ids = [one["id"] for one in messages]
        elif seen.run_id is not None:
            seen.ended = "failed"

    async def _later(self, event: Event, seen: Seen) -> None:
        path = f"{self._messages_of(seen)}/async"
        reply = await self._call(event, seen.silo, "POST", path, self._body(event, seen))
        if reply.status == 200:
            seen.run_id = reply.json["id"]
        self._judge(seen, reply.status)

    async def _watch(self, event: Event, seen: Seen) -> None:
        """As a stream, to its end or until the reader leaves."""
        tokens = event.args["mode"] == "tokens"
        body = self._body(event, seen) | {"streaming": True, "stream_tokens": tokens}
        async with self.patient(self.world.plan.options.client_patience_ms):
            answer = await self.open(event.lane, seen.silo, "POST", f"{self._messages_of(seen)}/stream", body)
            seen.run_id = answer.headers.get("x-kelpie-run-id")
            self._judge(seen, answer.status)
            await self.hear(event, answer, lambda block: self._event_came(seen, block, tokens=tokens))

    def _event_came(self, seen: Seen, line: bytes, *, tokens: bool) -> None:
        data = line.partition(b"data: ")[2]
        if not data.startswith(b"{"):
            return
        message = json.loads(data)
        kind = message.get("message_type")
        if kind == "stop_reason":
            seen.ended = "failed" if message["stop_reason"] in _FAILED else "completed"
        elif kind == "tool_return_message" or (kind in _FINAL_TYPES and not tokens):
            # A stream by steps shows nothing before it is committed; one by tokens only what tools returned.
            self.world.invariants.shown_as_final(message["id"], seen.event.lane)
            seen.final_ids.append(message["id"])

    async def _write(self, event: Event) -> None:
        await self._recorded(event, "board", f"/v1/blocks/{self.board}", "value", writes=True)

    async def _read(self, event: Event) -> None:
        await self._recorded(event, "board", f"/v1/blocks/{self.board}", "value", writes=False)

    async def _edit(self, event: Event) -> None:
        await self._of_agent(event, writes=True)

    async def _look(self, event: Event) -> None:
        await self._of_agent(event, writes=False)

    async def _of_agent(self, event: Event, *, writes: bool) -> None:
        agent = event.args["agent"]
        path = f"/v1/agents/{self.agents[agent]}"
        await self._recorded(event, f"agent-{agent}", path, "description", writes=writes)

    async def _recorded(self, event: Event, key: str, path: str, field: str, *, writes: bool) -> None:
        """One field, written or read: operations on it have to be linearizable."""
        name = "write" if writes else "read"
        argument = event.id if writes else None
        operation = self.history.invoke(key, name, argument, client=event.lane)
        silo = self.silo_for(event, event.args.get("agent", 0))
        try:
            reply = await self._call(
                event, silo, "PATCH" if writes else "GET", path, {field: argument} if writes else None
            )
        except Lost as error:
            self.tell(event, f"{name}s {key} {argument or ''}: {error}")
            return
        self.tell(event, f"{name}s {key} {argument or ''} -> {reply.status}")
        if reply.status == 200:
            self.history.returned(operation, None if writes else reply.json[field] or "")
        elif reply.status in REFUSED or not writes:
            self.history.refused(operation)

    async def _annotate(self, event: Event) -> None:
        """Put a note of one's own in the place of all that stands in a block that promotion made."""
        await self._noted(event, f"{event.id} note")

    async def _review(self, event: Event) -> None:
        """Read which note stands there."""
        await self._noted(event, None)

    async def _noted(self, event: Event, note: str | None) -> None:
        agent = event.args["agent"]
        operation = self.history.invoke(f"facts-{agent}", "write" if note else "read", note, client=event.lane)
        path, silo = self.facts_of(agent), self.silo_for(event, agent)
        try:
            reply = await self._call(event, silo, "PATCH" if note else "GET", path, {"value": note} if note else None)
        except Lost as error:
            self.tell(event, f"{note or 'reads the notes'} in the facts of agent-{agent}: {error}")
            return
        self.tell(event, f"{note or 'reads the notes'} in the facts of agent-{agent} -> {reply.status}")
        if reply.status == 200:
            self.history.returned(operation, None if note else notes_in(reply.json["value"]))
        elif reply.status in REFUSED or not note:
            self.history.refused(operation)

    def facts_of(self, agent: int) -> str:
        return f"/v1/agents/{self.agents[agent]}/core-memory/blocks/facts"

    async def _dismiss(self, event: Event) -> None:
        """Delete an agent, whatever it is doing."""
        agent = event.args["agent"]
        if agent >= len(self.agents):
            return
        self.dismissed.setdefault(agent, "unknown")
        try:
            reply = await self._call(
                event, self.silo_for(event, agent), "DELETE", f"/v1/agents/{self.agents[agent]}", None
            )
        except Lost as error:
            self.tell(event, f"deletes agent-{agent}: {error}")
            return
        if reply.status == 200:
            self.dismissed[agent] = "ok"
        elif reply.status in REFUSED and self.dismissed[agent] == "unknown" and reply.status != 404:
            del self.dismissed[agent]
        self.tell(event, f"deletes agent-{agent} -> {reply.status}")

    async def _insert(self, event: Event) -> None:
        agent, text = event.args["agent"], f"fact {event.id.replace('-', '')}"
        fact = self.facts[text] = Told(agent, self.world.loop.virtual_ms)
        path = f"/v1/agents/{self.agents[agent]}/archival-memory"
        try:
            reply = await self._call(event, self.silo_for(event, agent), "POST", path, {"text": text})
        except Lost as error:
            self.tell(event, f"inserts {text}: {error}")
            return
        if reply.status == 200:
            fact.outcome = "ok"
        elif reply.status in REFUSED:
            fact.outcome = "refused"
        self.tell(event, f"inserts {text} -> {reply.status}")

    async def _search(self, event: Event) -> None:
        """What was acknowledged before the search began must be among what it finds."""
        agent = event.args["agent"]
        known = {text for text, fact in self.facts.items() if fact.agent == agent and fact.outcome == "ok"}
        path = f"/v1/agents/{self.agents[agent]}/archival-memory/search?query=fact&top_k=100"
        try:
            reply = await self._call(event, self.silo_for(event, agent), "GET", path, None)
        except Lost:
            return
        self.tell(event, f"searches agent-{agent} -> {reply.status}")
        if reply.status == 200:
            found = {one["content"] for one in reply.json["results"]}
            if missing := known - found:
                self.world.breaks("what was acknowledged is found", f"a search of agent-{agent} misses {missing}")

    async def _list(self, event: Event) -> None:
        """The same of the history, page by page: acknowledged ends are there."""
        agent = event.args["agent"]
        known = {
            one for seen in self.sent if seen.agent == agent and seen.ended == "completed" for one in seen.final_ids
        }
        listed: list[str] = []
        while True:
            page = f"?limit=20&order=asc{f'&after={listed[-1]}' if listed else ''}"
            path = f"/v1/agents/{self.agents[agent]}/messages{page}"
            try:
                reply = await self._call(event, self.silo_for(event, agent), "GET", path, None)
            except Lost:
                return
            if reply.status != 200:
                return
            ids = list(dict.fromkeys(one["id"] for one in reply.json))
            if not ids:
                break
            listed += ids
        self.tell(event, f"lists the {len(listed)} messages of agent-{agent}")
        if missing := known - set(listed):
            self.world.breaks("what was shown as final is listed", f"a list of agent-{agent} misses {missing}")
        if len(listed) != len(set(listed)):
            self.world.breaks("list = get = search", f"pages of agent-{agent} overlap")

    async def everybody_answers_somehow(self) -> None:
        """On a disk that lies nobody is promised right answers; but a silo that is up gives some, in time."""
        for silo in self.world.silos:
            for path in (
                "/v1/health",
                "/v1/agents/",
                f"/v1/agents/{self.agents[0]}/messages",
                f"/v1/blocks/{self.board}",
            ):
                if not self.world.is_up(silo):
                    break
                try:
                    await self.call("client-0", silo, "GET", path, None, _PATIENCE_SET_UP_MS)
                except Lost as error:
                    if self.world.is_up(silo):
                        self.world.breaks(
                            "a rotten house answers somehow", f"GET {path} of {silo}: {error}", always=True
                        )

    def forget_since(self, moment_ms: float) -> None:
        """A backup was restored: what began after it was made is not promised to anybody."""
        self.sent = [one for one in self.sent if one.began_ms < moment_ms]
        self.facts = {text: fact for text, fact in self.facts.items() if fact.began_ms < moment_ms}
        clock_ahead_ms = self.world.host.clock.monotonic_ms() - self.world.loop.virtual_ms
        self.history.forget_since(moment_ms + clock_ahead_ms)

    # ---- the wire

    def silo_for(self, event: Event, agent: int) -> str:
        """Where a balancer sends it: the agent's own silo or any, and the next one that is up if that is down."""
        silos, options = self.world.silos, self.world.plan.options
        own = agent if options.routing == "agent" else int(self.world.faults.share("network.delay", event.id) * 997)
        order = [silos[(own + offset) % len(silos)] for offset in range(len(silos))]
        return next((silo for silo in order if self.world.is_up(silo)), order[0])

    def _messages_of(self, seen: Seen) -> str:
        return f"/v1/agents/{self.agents[seen.agent]}/messages"

    def _body(self, event: Event, seen: Seen) -> dict[str, Any]:
        message = {"role": "user", "content": seen.text, "otid": event.id}
        return {"messages": [message], "max_steps": event.args.get("max_steps", 8)}

    def _judge(self, seen: Seen, status: int) -> None:
        """Acknowledged is what was answered with its run; a failed run was acknowledged as well."""
        if status == 200 or seen.run_id is not None:
            seen.outcome, seen.acknowledged_ms = "ok", self.world.loop.virtual_ms
        elif status in REFUSED:
            seen.outcome = "refused"

    async def _call(self, event: Event, silo: str, method: str, path: str, body: dict[str, Any] | None) -> Reply:
        return await self.call(event.lane, silo, method, path, body, self.world.plan.options.client_patience_ms)

    async def call(
        self, client: str, silo: str, method: str, path: str, body: dict[str, Any] | Raw | None, patience_ms: float
    ) -> Reply:
        """Raises Lost."""
        async with self.patient(patience_ms):
            answer = await self.open(client, silo, method, path, body)
            reply = Reply(answer.status, dict(answer.headers), await answer.read())
        if reply.status == 429:
            self._count_refusal(reply.body.decode())
        if reply.status == 500 and not self._expects_bugs:
            self.world.breaks("no request meets a bug", f"{method} {path} -> {reply.body[:300]!r}")
        return reply

    async def hear(self, event: Event, answer: http.Answer, came: Callable[[bytes], None]) -> bool:
        """Each event of a stream as it comes, to its end, or until the reader leaves as the plan has it: then True.
        Within `patient`."""
        leaves, rest, chunks = event.args.get("leaves_after"), b"", 0
        async for chunk in answer.chunks:
            *blocks, rest = (rest + chunk).split(b"\n\n")
            for block in blocks:
                came(block)
            chunks += 1
            if leaves is not None and chunks >= leaves:
                answer.hang_up()
                self.tell(event, "leaves in the middle of the stream")
                return True
        return False

    async def open(
        self, client: str, silo: str, method: str, path: str, body: dict[str, Any] | Raw | None
    ) -> http.Answer:
        """The head of an answer; the rest comes in chunks. Within `patient`."""
        raw = body if body is None or isinstance(body, Raw) else Raw("application/json", json.dumps(body).encode())
        headers, sent = ({}, b"") if raw is None else ({"content-type": raw.content_type}, raw.content)
        return await http.request(
            self.world.network, client, silo, method, path, headers=headers, body=sent, label=f"{method} api"
        )

    def patient(self, patience_ms: float) -> "_Patience":
        """A while within which a call is over, or Lost."""
        return _Patience(self.world, patience_ms)

    def _count_refusal(self, text: str) -> None:
        """A bound that was reached is a fault of the plan's that happened."""
        if self.world.limits.mailbox_messages is not None and "messages waiting" in text:
            self.world.faults.fire("resource.queue_full")
        elif self.world.limits.runs_open is not None and "open runs" in text:
            self.world.faults.fire("resource.open_runs")

    def tell(self, event: Event, text: str) -> None:
        self.world.story.tell(event.lane, text, "answer", event.id)


def notes_in(value: str) -> str:
    """What people wrote into a block among the lines of promotion."""
    return "\n".join(line for line in value.split("\n") if line.startswith("op-"))


class _Patience:
    """A deadline on a call, and one word for all ways in which its answer can fail to come."""

    def __init__(self, world: World, patience_ms: float) -> None:
        self._timeout = world.host.clock.timeout(patience_ms)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise Lost("no answer in time") from None
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise Lost(str(error)) from None
