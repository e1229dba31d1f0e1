"""How the run of one agent speaks to other agents, and who waits for whom.

An agent takes one turn at a time. If two of them waited for each other, directly or through others, neither would ever
answer: such a call is refused before it is made, whoever began. What is said is a run of the agent that is spoken to:
durable, linked to the run that began it, and on its own from then on.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from kelpie.agents import agent as agents
from kelpie.agents.agent import Agent
from kelpie.agents.turn.stream import Committed, Ended, RunStream
from kelpie.errors import ToolFailed
from kelpie.groups import records as groups
from kelpie.tools import limits
from kelpie.tools.tool import Reached
from kelpie.trajectories.records import Caller, Run, RunInput, RunOptions
from umi.dst import Host
from umi.storage import Changes, Page, View
from umi.wire.types import Message

_GROUPS_READ = 20  # of one agent, until one with others in it is found


class Accepts(Protocol):
    """An inbox, as far as this needs it."""

    async def accept(
        self,
        tenant: str,
        agent_id: str,
        incoming: Sequence[RunInput],
        options: RunOptions,
        *,
        also: Changes | None = None,
    ) -> RunStream: ...


class Switchboard:
    """Who waits for whom, in this process. Agents are named by tenant and id."""

    def __init__(self) -> None:
        self._inbox: Accepts | None = None
        self._waits: Counter[tuple[str, str, str]] = Counter()  # tenant, who waits, for whom
        self._names: dict[tuple[str, str], str] = {}

    def connect(self, inbox: Accepts) -> None:
        """Made once, with the inbox."""
        self._inbox = inbox

    @property
    def inbox(self) -> Accepts:
        assert self._inbox is not None, "a turn is taken from an inbox"
        return self._inbox

    def waiting_of(self, tenant: str, agent_id: str) -> int:
        """For how many answers an agent waits."""
        return sum(count for key, count in self._waits.items() if key[:2] == (tenant, agent_id))

    @contextlib.contextmanager
    def waiting(self, tenant: str, who: Reached, for_whom: Reached) -> Iterator[None]:
        """Note that one waits for the other. Raises ToolFailed, naming them, if the other one waits for this one, and
        if this one waits for too many."""
        circle = self._way(tenant, for_whom.id, who.id)
        if circle is not None:
            names = [who.name, *(self._names.get((tenant, one), for_whom.name) for one in circle)]
            raise ToolFailed(_circle(names))
        if self.waiting_of(tenant, who.id) >= limits.CALLS_IN_FLIGHT_MAX:
            most = limits.CALLS_IN_FLIGHT_MAX
            raise ToolFailed(f"this agent waits for {most} answers already, which is the most it may at a time")
        key = tenant, who.id, for_whom.id
        self._waits[key] += 1
        self._names |= {(tenant, one.id): one.name for one in (who, for_whom)}
        try:
            yield
        finally:
            self._waits[key] -= 1
            if not self._waits[key]:
                del self._waits[key]
            if not self._waits:
                self._names.clear()

    def _way(self, tenant: str, start: str, end: str) -> list[str] | None:
        """Through whom `start` waits for `end`, both included; None if it doesn't."""
        ways, seen = [[start]], {start}
        while ways:
            way = ways.pop()
            if way[-1] == end:
                return way
            for of, waits, for_whom in self._waits:
                if (of, waits) == (tenant, way[-1]) and for_whom not in seen:
                    seen.add(for_whom)
                    ways.append([*way, for_whom])
        return None


def _circle(names: Sequence[str]) -> str:
    shown = " → ".join(names)
    return f"agents would wait for each other in a circle: {shown}; nobody would ever answer, so nothing was sent"


class Line:
    """One call's way to other agents. It is what a tool is given as `Others`."""

    def __init__(
        self, board: Switchboard, view: View, host: Host, stream: RunStream, agent: Agent, tool_call_id: str
    ) -> None:
        """`stream` is of the run that calls, and is asked whether that was cancelled."""
        self._board, self._view, self._host, self._stream = board, view, host, stream
        self._me = Reached(agent.id, agent.name)
        self._tool_call_id = tool_call_id

    @property
    def _run(self) -> Run:
        return self._stream.run

    async def ask(self, agent_id: str, text: str, deadline_ms: float) -> str:
        other = await self._reached(agent_id)
        self._check_no_circle(other)
        with self._board.waiting(self._run.tenant, self._me, other):
            stream = await self._send(other, text, waits=True)
            try:
                async with self._host.clock.timeout(deadline_ms):
                    ended, committed = await stream.wait()
            except TimeoutError:
                raise ToolFailed(
                    f"agent '{other.name}' did not answer within {deadline_ms / 1000:g} s. It goes on with the message,"
                    f" in run {stream.run.id}; do not send it again"
                ) from None
            except asyncio.CancelledError:
                self._hang_up(stream)
                raise
        return answer(other, ended, committed)

    async def tell(self, agent_id: str, text: str) -> str:
        stream = await self._send(await self._reached(agent_id), text, waits=False)
        return stream.run.id

    async def tagged(self, every: Sequence[str], some: Sequence[str], most: int) -> list[Reached]:
        wanted, by, others = set(some) if every else set(), list(every) or list(some), list[Reached]()
        after: str | None = None
        while len(others) < most:
            page = Page(limit=most, after=after)
            found = await agents.list_agents(self._view, self._run.tenant, page, tags=by, match_all_tags=bool(every))
            fit = (one for one in found if one.id != self._me.id and (not wanted or wanted & set(one.tags)))
            others += [Reached(one.id, one.name) for one in fit]
            if len(found) < most:
                break
            after = found[-1].id
        return others[:most]

    async def of_group(self) -> list[Reached]:
        group_id, tenant = self._run.options.group_id, self._run.tenant
        if group_id is not None:
            found = [await groups.get(self._view, tenant, group_id)]
        else:
            found = await groups.list_groups(self._view, tenant, Page(limit=_GROUPS_READ), agent_id=self._me.id)
        # One that it manages comes first: it speaks to those whose manager it is.
        for group in sorted(found, key=lambda one: one.manager != self._me.id):
            ids = [one for one in group.everybody if one != self._me.id]
            there = await agents.list_agents(self._view, tenant, Page(limit=len(ids)), ids=ids) if ids else []
            if there:
                return [Reached(one.id, one.name) for one in sorted(there, key=lambda one: ids.index(one.id))]
        raise ToolFailed("this agent is in no group with others")

    # ---- one message

    async def _reached(self, agent_id: str) -> Reached:
        """Raises NotFound."""
        found = await agents.get(self._view, self._run.tenant, agent_id)
        return Reached(found.id, found.name)

    def _check_no_circle(self, other: Reached) -> None:
        """Raise ToolFailed if the run stands on one of the other's that waits for it, or would go too deep. Who began
        this run may wait in another process, or have waited until that was stopped."""
        callers = self._run.options.callers
        names = [self._me.name]
        if other.id == self._me.id:
            raise ToolFailed(_circle([self._me.name, self._me.name]))
        for caller in reversed(callers):
            if not caller.waits:
                break
            names.insert(0, caller.name)
            if caller.agent_id == other.id:
                raise ToolFailed(_circle([*names, other.name]))

    async def _send(self, other: Reached, text: str, *, waits: bool) -> RunStream:
        """Raises ToolFailed, NotFound, NotPermitted, QueueFull."""
        run = self._run
        if len(run.options.callers) >= limits.CALL_DEPTH_MAX:
            names = " → ".join([*(one.name for one in run.options.callers), self._me.name])
            raise ToolFailed(
                f"this message came through {limits.CALL_DEPTH_MAX} agents already ({names}), which is the most:"
                " answer with what you have"
            )
        me = Caller(
            agent_id=self._me.id, name=self._me.name, run_id=run.id, tool_call_id=self._tool_call_id, waits=waits
        )
        options = RunOptions(
            background=True,
            speaker=run.options.speaker,
            callers=(*run.options.callers, me),
            group_id=run.options.group_id,
        )
        how = "your answer is handed to it" if waits else "to answer, send it a message"
        said = f"[Incoming message from agent '{self._me.name}' with ID '{self._me.id}'; {how}]\n{text}"
        ids = self._host.ids
        incoming = RunInput(id=ids.new("message"), body=Message(role="user", content=said), sender=self._me.id)
        accepting = self._host.spawn(
            self._board.inbox.accept(run.tenant, other.id, [incoming], options), f"call from {run.id}"
        )
        try:
            # A run may be durable before anybody here has heard of it: who is cancelled meanwhile ends it all the same.
            return await asyncio.shield(accepting)
        except asyncio.CancelledError:
            accepting.add_done_callback(self._hang_up_accepted)
            raise

    def _hang_up_accepted(self, accepting: "asyncio.Task[RunStream]") -> None:
        if not accepting.cancelled() and accepting.exception() is None:
            self._hang_up(accepting.result())

    def _hang_up(self, stream: RunStream) -> None:
        """Whoever cancels a run cancels what it waits for. A stop of the process is none of that."""
        if self._stream.is_cancelled:
            stream.cancel()


def answer(other: Reached, ended: Ended, committed: Sequence[Committed]) -> str:
    """What an agent said in a run, without what it said beside calls of tools. Raises ToolFailed if it failed."""
    run = ended.run
    if run.status == "failed":
        why = run.error["message"] if run.error else "it did not say why"
        raise ToolFailed(f"agent '{other.name}' failed to answer: {why}")
    if run.status == "cancelled":
        raise ToolFailed(f"agent '{other.name}' did not answer: its run was cancelled")
    bodies = [message.body for step in committed for message in step.messages]
    said = [body.text for body in bodies if body.role == "assistant" and body.text and not body.tool_calls]
    return "\n".join(said) or f"(agent '{other.name}' ended without a word: {run.stop_reason})"
