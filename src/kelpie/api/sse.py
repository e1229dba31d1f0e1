"""Server-sent events: one run's events as a response body, with pings while it is quiet."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from kelpie.agents import limits as agent_limits
from kelpie.agents.together.talking import Talk
from kelpie.agents.turn.stream import Committed, Ended, Provisional, RunEvent, RunStream
from kelpie.api import limits
from kelpie.api.failures import run_error
from kelpie.api.house import House
from kelpie.api.wire import runs as run_wire
from kelpie.api.wire.messages import Fashion, base
from kelpie.api.wire.stream import Narrator
from kelpie.api.wire.times import iso
from kelpie.groups import GroupRun
from kelpie.trajectories.records import Call, Run, Step, StoredMessage
from umi.dst import Host

CallsOf = Callable[[Sequence[StoredMessage]], Awaitable[Mapping[str, Call]]]

_encode = msgspec.json.Encoder().encode
_DONE = b"data: [DONE]\n\n"
# A proxy that collects a response before passing it on would undo the streaming.
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def event(body: Any) -> bytes:
    return b"data: " + _encode(body) + b"\n\n"


def error_event(run_id: str, kind: str, text: str) -> bytes:
    body = {
        "message_type": "error_message",
        "run_id": run_id,
        "error_type": kind,
        "message": text,
        "detail": text,
    }
    return b"event: error\n" + event(body)


def respond(body: AsyncIterator[bytes], run_id: str) -> StreamingResponse:
    return StreamingResponse(body, headers={**_HEADERS, "x-kelpie-run-id": run_id}, media_type="text/event-stream")


async def events(
    stream: RunStream,
    house: House,
    calls_of: CallsOf,
    *,
    pings: bool = True,
    after: int = 0,
    is_part: bool = False,
) -> AsyncGenerator[bytes, None]:
    """The run's events, to its end, as its sender wanted to see them. A client that goes away changes nothing for the
    run, and may come again.

    calls_of  what the tool messages among some messages answer
    after     the number of the last event that is known already; the end is told in any case
    is_part   of a longer stream, which tells the end itself
    What is ready together goes out in one piece: a fast model would otherwise cost a system call per token.
    """
    run_id, host = stream.run.id, house.workshop.host
    narrator = Narrator(run_id, Fashion.of(stream.run.options))
    watch = Watch(stream, host)
    try:
        if pings:
            yield event(_ping(host, run_id))
        while True:
            ready = await watch.next(limits.PING_INTERVAL_MS)
            blocks: list[bytes] = []
            for one in ready:
                if isinstance(one, Provisional):
                    blocks += _since(after, narrator.pieces(one, host.clock.now_ms()))
                elif isinstance(one, Committed):
                    blocks += _since(after, narrator.committed(one, await calls_of(one.messages)))
                else:
                    end = _end(one.run, one.steps, house) if isinstance(one, Ended) else _lagged(run_id)
                    blocks.append(b"" if is_part else end)
            if not ready and pings:
                blocks.append(event(_ping(host, run_id)))
            if blocks:
                yield b"".join(blocks)
            if ready and isinstance(ready[-1], Ended | Lagged):
                return
    finally:
        watch.stop()


def _since(after: int, told: Sequence[dict[str, Any]]) -> list[bytes]:
    return [event(one) for one in told if one["seq_id"] > after]


class Lagged:
    """The watcher was too far behind and is watched no more."""


class Watch:
    """A run's events with a deadline on each. `RunStream.watch` may not be cancelled between two events, so a task
    moves them into a queue, from which waiting may be given up."""

    def __init__(self, stream: RunStream, host: Host) -> None:
        self._host = host
        self._queue: asyncio.Queue[RunEvent | Lagged] = asyncio.Queue()
        self._task = host.spawn(self._move(stream), f"watch {stream.run.id}")

    async def _move(self, stream: RunStream) -> None:
        """A client that stopped reading takes nothing out of the queue: it is let go as one that lags is."""
        ended = False
        async with contextlib.aclosing(stream.watch()) as events:
            async for one in events:
                if self._queue.qsize() >= agent_limits.STREAM_EVENTS_WAITING_MAX:
                    break
                self._queue.put_nowait(one)
                ended = isinstance(one, Ended)
        if not ended:
            self._queue.put_nowait(Lagged())

    async def next(self, duration_ms: float) -> list[RunEvent | Lagged]:
        """The events that came since the last call, waiting for one if there is none; empty if none comes within
        `duration_ms`."""
        ready: list[RunEvent | Lagged] = []
        if self._queue.empty():
            try:
                async with self._host.clock.timeout(duration_ms):
                    ready.append(await self._queue.get())
            except TimeoutError:
                return []
        while not self._queue.empty():
            ready.append(self._queue.get_nowait())
        return ready

    def stop(self) -> None:
        self._task.cancel()


def _ping(host: Host, run_id: str) -> dict[str, Any]:
    return base("ping", host.ids.new("message"), 0, iso(host.clock.now_ms()), run_id, None)


def _end(run: Run | GroupRun, steps: Sequence[Step], house: House) -> bytes:
    reason = event(run_wire.stop_reason(run.stop_reason))
    if run.status == "failed":
        kind, text = run_error(run, house)
        prefix = "llm_" if run.stop_reason in ("llm_api_error", "invalid_llm_response") else ""
        return reason + error_event(run.id, prefix + kind, text) + _DONE
    return reason + event(run_wire.usage_statistics(steps)) + _DONE


async def group_events(talk: Talk, house: House, calls_of: CallsOf, *, pings: bool = True) -> AsyncIterator[bytes]:
    """The events of a group's run, turn after turn, as one stream with one end."""
    steps: list[Step] = []
    async for stream in talk.watch():
        async with contextlib.aclosing(events(stream, house, calls_of, pings=pings, is_part=True)) as blocks:
            async for block in blocks:
                yield block
        ended, _ = await stream.wait()
        steps += ended.steps
    yield _end(talk.run, steps, house)


def _lagged(run_id: str) -> bytes:
    text = "this client read too slowly and was let go; the run goes on, read its messages when it ended"
    return event(run_wire.stop_reason("error")) + error_event(run_id, "stream_incomplete", text) + _DONE
